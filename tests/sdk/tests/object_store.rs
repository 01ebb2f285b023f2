//! The `object_store` crate, as data-lake engines written in Rust use it.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as its tests do")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut, S3CopyIfNotExists};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, Attributes, Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode,
    PutOptions, UpdateVersion,
};
use sdk_tests::{ACCESS_KEY, SECRET_KEY, Server};

const PART_SIZE: usize = 5 * 1024 * 1024;

async fn connect() -> (Server, AmazonS3) {
    let server = Server::start().await.unwrap();
    let store = AmazonS3Builder::new()
        .with_endpoint(server.endpoint())
        .with_allow_http(true)
        .with_region("us-east-1")
        .with_bucket_name(server.bucket())
        .with_access_key_id(ACCESS_KEY)
        .with_secret_access_key(SECRET_KEY)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
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

#[tokio::test]
async fn attributes_stay_with_an_object_and_its_copies() {
    let (_server, store) = connect().await;
    let attributes = Attributes::from_iter([
        (Attribute::ContentType, "text/csv"),
        (Attribute::CacheControl, "max-age=60"),
        (Attribute::ContentDisposition, "attachment; filename=\"a.csv\""),
        (Attribute::ContentLanguage, "en"),
        (Attribute::Metadata("color".into()), "light red"),
    ]);
    let (path, copy) = (Path::from("a.csv"), Path::from("copy of a.csv"));
    store.put_opts(&path, content(100).into(), attributes.clone().into()).await.unwrap();
    store.copy(&path, &copy).await.unwrap();
    for path in [&path, &copy] {
        let got = store.get(path).await.unwrap();
        assert_eq!(got.attributes, attributes, "{path}");
        assert_eq!(got.bytes().await.unwrap(), content(100));
    }
}

#[tokio::test]
async fn partial_reads_and_reads_on_condition() {
    let (_server, store) = connect().await;
    let path = Path::from("object");
    store.put(&path, content(100_000).into()).await.unwrap();
    let read = async |options: GetOptions| store.get_opts(&path, options).await;
    let range = |range: GetRange| GetOptions { range: Some(range), ..GetOptions::default() };
    let tail = read(range(GetRange::Suffix(7))).await.unwrap();
    assert_eq!((tail.range.clone(), tail.meta.size), (99_993..100_000, 100_000));
    assert_eq!(tail.bytes().await.unwrap(), content(100_000).slice(99_993..));
    let rest = read(range(GetRange::Offset(99_000))).await.unwrap();
    assert_eq!(rest.bytes().await.unwrap(), content(100_000).slice(99_000..));
    assert!(read(range(GetRange::Offset(100_000))).await.is_err());

    let meta = store.head(&path).await.unwrap();
    let unmodified = GetOptions { if_unmodified_since: Some(meta.last_modified), ..GetOptions::default() };
    assert!(read(unmodified).await.is_ok());
    let modified = GetOptions { if_modified_since: Some(meta.last_modified), ..GetOptions::default() };
    assert!(matches!(read(modified).await, Err(Error::NotModified { .. })));
    let other = GetOptions { if_match: Some("\"other\"".to_owned()), ..GetOptions::default() };
    assert!(matches!(read(other).await, Err(Error::Precondition { .. })));
}

#[tokio::test]
async fn copies_that_must_not_overwrite_and_uploads_that_are_given_up() {
    let (_server, store) = connect().await;
    let (source, taken, free) = (Path::from("source"), Path::from("taken"), Path::from("free"));
    store.put(&source, "source".into()).await.unwrap();
    store.put(&taken, "taken".into()).await.unwrap();
    let refused = store.copy_if_not_exists(&source, &taken).await;
    assert!(matches!(refused, Err(Error::AlreadyExists { .. })), "{refused:?}");
    store.copy_if_not_exists(&source, &free).await.unwrap();
    for (path, expected) in [(&taken, "taken"), (&free, "source")] {
        assert_eq!(store.get(path).await.unwrap().bytes().await.unwrap(), expected);
    }
    let mut upload = store.put_multipart(&Path::from("given up")).await.unwrap();
    upload.put_part(content(PART_SIZE).into()).await.unwrap();
    upload.abort().await.unwrap();
    store.delete(&source).await.unwrap();
    store.delete(&source).await.unwrap();
    let left: Vec<_> = store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
    assert_eq!(left, ["free", "taken"]);
}
