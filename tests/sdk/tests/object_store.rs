//! The `object_store` crate, as data-lake engines written in Rust use it.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its tests do")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, Attributes, Error, GetOptions, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    UpdateVersion,
};
use sdk_tests::{ACCESS_KEY, SECRET_KEY, Server};

const PART_SIZE: usize = 5 * 1024 * 1024;

async fn connect() -> (Server, AmazonS3) {
    let server = Server::start().await.unwrap();
    let store = AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_region("us-east-1")
        .with_bucket_name("lake")
        .with_access_key_id(ACCESS_KEY)
        .with_secret_access_key(SECRET_KEY)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .build()
        .unwrap();
    create_bucket(&store).await;
    (server, store)
}

/// `object_store` has no call that creates buckets, but it signs the URL that does.
async fn create_bucket(store: &AmazonS3) {
    let url = store.signed_url(http::Method::PUT, &Path::from(""), Duration::from_secs(60)).await.unwrap();
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let mut connection = TcpStream::connect(&host).unwrap();
    let (path, query) = (url.path(), url.query().unwrap());
    write!(connection, "PUT {path}?{query} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn content(size: usize) -> Bytes {
    (0..size).map(|position| u8::try_from(position * 31 % 251).expect("below 251")).collect()
}

#[tokio::test]
async fn objects_of_any_size_read_back_whole_and_in_ranges() {
    let (_server, store) = connect().await;
    for size in [0, 1, 16 * 1024 + 1, 3_000_000] {
        let path = Path::from(format!("sizes/{size} ü"));
        store.put(&path, content(size).into()).await.unwrap();
        let got = store.get(&path).await.unwrap();
        assert_eq!(got.meta.size, size as u64);
        assert_eq!(got.bytes().await.unwrap(), content(size));
        if 100 < size {
            let ranges = store.get_ranges(&path, &[10..20, 50..51, 90..size as u64]).await.unwrap();
            assert_eq!(
                ranges,
                [content(size).slice(10..20), content(size).slice(50..51), content(size).slice(90..size)]
            );
        }
    }
}

#[tokio::test]
async fn listing_with_delimiter_and_offset() {
    let (_server, store) = connect().await;
    for name in ["a/1", "a/2", "a/b/3", "c"] {
        store.put(&Path::from(name), Bytes::from(name).into()).await.unwrap();
    }
    let all: Vec<_> = store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
    assert_eq!(all, ["a/1", "a/2", "a/b/3", "c"]);
    let level = store.list_with_delimiter(Some(&Path::from("a"))).await.unwrap();
    assert_eq!(level.common_prefixes, [Path::from("a/b")]);
    assert_eq!(level.objects.len(), 2);
    let later: Vec<_> = store.list_with_offset(None, &Path::from("a/2")).try_collect().await.unwrap();
    assert_eq!(later.len(), 2);
    let doomed = futures_util::stream::iter(all).map(|name| Ok(Path::from(name))).boxed();
    assert_eq!(store.delete_stream(doomed).try_collect::<Vec<_>>().await.unwrap().len(), 4);
    assert_eq!(store.list(None).count().await, 0);
}

#[tokio::test]
async fn commits_by_compare_and_swap_have_one_winner() {
    let (_server, store) = connect().await;
    let path = Path::from("_delta_log/00000.json");
    let create = PutOptions::from(PutMode::Create);
    store.put_opts(&path, "first".into(), create.clone()).await.unwrap();
    let lost = store.put_opts(&path, "second".into(), create).await;
    assert!(matches!(lost, Err(Error::AlreadyExists { .. })), "{lost:?}");

    let meta = store.head(&path).await.unwrap();
    let update = PutMode::Update(UpdateVersion { e_tag: meta.e_tag.clone(), version: None });
    store.put_opts(&path, "third".into(), PutOptions::from(update.clone())).await.unwrap();
    let stale = store.put_opts(&path, "fourth".into(), PutOptions::from(update)).await;
    assert!(matches!(stale, Err(Error::Precondition { .. })), "{stale:?}");
    let options = GetOptions { if_none_match: store.head(&path).await.unwrap().e_tag, ..GetOptions::default() };
    let unchanged = store.get_opts(&path, options).await;
    assert!(matches!(unchanged, Err(Error::NotModified { .. })), "{unchanged:?}");
}

#[tokio::test]
async fn multipart_upload_keeps_attributes() {
    let (_server, store) = connect().await;
    let path = Path::from("large");
    let attributes = Attributes::from_iter([(Attribute::ContentType, "application/parquet")]);
    let mut upload = store.put_multipart_opts(&path, attributes.into()).await.unwrap();
    let whole = content(PART_SIZE * 2 + 77);
    for start in (0..whole.len()).step_by(PART_SIZE) {
        upload.put_part(whole.slice(start..whole.len().min(start + PART_SIZE)).into()).await.unwrap();
    }
    upload.complete().await.unwrap();
    let got = store.get(&path).await.unwrap();
    assert_eq!(got.attributes.get(&Attribute::ContentType).map(|value| value.as_ref()), Some("application/parquet"));
    assert_eq!(got.bytes().await.unwrap(), whole);
    store.copy(&path, &Path::from("copy")).await.unwrap();
    store.rename(&Path::from("copy"), &Path::from("renamed")).await.unwrap();
    assert_eq!(store.get(&Path::from("renamed")).await.unwrap().bytes().await.unwrap(), whole);
    let missing = store.get(&Path::from("copy")).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })), "{missing:?}");
}
