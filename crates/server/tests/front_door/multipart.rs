//! Multipart uploads.

use http::StatusCode;

use crate::door::Door;

const MIB: usize = 1 << 20;

async fn create(door: &Door, key: &str, headers: &[(&str, &str)]) -> String {
    let call = door.post(&format!("/bucket/{key}?uploads"));
    let created = headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send().await;
    assert_eq!(created.status, StatusCode::OK, "{}", created.text());
    created.element("UploadId").unwrap().to_owned()
}

async fn upload(door: &Door, key: &str, id: &str, number: u16, content: Vec<u8>) -> String {
    let stored = door.put(&format!("/bucket/{key}?partNumber={number}&uploadId={id}")).body(content).send().await;
    assert_eq!(stored.status, StatusCode::OK, "{}", stored.text());
    stored.header("etag").unwrap().replace('"', "&quot;")
}

fn completion(parts: &[(u16, &str)]) -> String {
    let part =
        |(number, etag): &(u16, &str)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    let parts: String = parts.iter().map(part).collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
}

#[tokio::test]
async fn parts_become_an_object() {
    let door = Door::open().await;
    let id = create(&door, "key", &[("x-amz-meta-color", "red"), ("content-type", "text/plain")]).await;
    let first = upload(&door, "key", &id, 1, vec![b'a'; 5 * MIB]).await;
    let second = upload(&door, "key", &id, 3, b"bbb".to_vec()).await;

    let listed = door.get(&format!("/bucket/key?uploadId={id}&max-parts=1")).send().await;
    assert_eq!((listed.elements("PartNumber"), listed.element("IsTruncated")), (vec!["1"], Some("true")));
    assert_eq!(listed.element("NextPartNumberMarker"), Some("1"));
    let rest = door.get(&format!("/bucket/key?uploadId={id}&part-number-marker=1")).send().await;
    assert_eq!((rest.elements("PartNumber"), rest.elements("Size")), (vec!["3"], vec!["3"]));
    let uploads = door.get("/bucket?uploads").send().await;
    assert_eq!((uploads.elements("Key"), uploads.elements("UploadId")), (vec!["key"], vec![id.as_str()]));

    let body = completion(&[(1, &first), (3, &second)]);
    let completed = door.post(&format!("/bucket/key?uploadId={id}")).body(body.clone()).send().await;
    assert_eq!(completed.status, StatusCode::OK, "{}", completed.text());
    let etag = completed.element("ETag").unwrap().replace("&quot;", "\"");
    assert!(etag.ends_with("-2\""), "{etag}");
    let again = door.post(&format!("/bucket/key?uploadId={id}")).body(body).send().await;
    assert_eq!(again.element("ETag"), completed.element("ETag"), "completing again answers the same");

    let head = door.head("/bucket/key").send().await;
    assert_eq!(head.header("etag"), Some(etag.as_str()));
    assert_eq!((head.header("x-amz-meta-color"), head.header("content-type")), (Some("red"), Some("text/plain")));
    assert_eq!(head.header("content-length"), Some("5242883"));
    let part = door.get("/bucket/key?partNumber=2").send().await;
    assert_eq!((part.status.as_u16(), part.text()), (206, "bbb"));
    assert_eq!(part.header("x-amz-mp-parts-count"), Some("2"));
    assert_eq!(part.header("content-range"), Some("bytes 5242880-5242882/5242883"));
    let across = door.get("/bucket/key").header("range", "bytes=5242878-5242881").send().await;
    assert_eq!(across.text(), "aabb");

    let attributes = door
        .get("/bucket/key?attributes")
        .header("x-amz-object-attributes", "ETag,ObjectParts,ObjectSize,StorageClass")
        .header("x-amz-max-parts", "1")
        .send()
        .await;
    for (name, text) in [
        ("ETag", etag.trim_matches('"')),
        ("PartsCount", "2"),
        ("IsTruncated", "true"),
        ("ObjectSize", "5242883"),
        ("StorageClass", "STANDARD"),
    ] {
        assert_eq!(attributes.element(name), Some(text), "{name}");
    }
}

#[tokio::test]
async fn parts_are_copied_from_objects() {
    let door = Door::open().await;
    door.store("source", "hello world").await;
    let id = create(&door, "key", &[]).await;
    let copy = async |range: Option<&str>| {
        let call =
            door.put(&format!("/bucket/key?partNumber=1&uploadId={id}")).header("x-amz-copy-source", "bucket/source");
        match range {
            Some(range) => call.header("x-amz-copy-source-range", range).send().await,
            None => call.send().await,
        }
    };
    assert_eq!(copy(Some("bytes=0-20")).await.error().1, "InvalidRange");
    assert_eq!(copy(Some("bytes=4-")).await.error(), (400, "InvalidArgument"));
    assert_eq!(copy(None).await.status, StatusCode::OK);
    let copied = copy(Some("bytes=6-10")).await;
    let etag = copied.element("ETag").unwrap();
    let completed = door.post(&format!("/bucket/key?uploadId={id}")).body(completion(&[(1, etag)])).send().await;
    assert_eq!(completed.status, StatusCode::OK, "{}", completed.text());
    assert_eq!(door.get("/bucket/key").send().await.text(), "world");
}

#[tokio::test]
async fn wrong_completions_leave_the_upload_as_it_was() {
    let door = Door::open().await;
    let id = create(&door, "key", &[]).await;
    let first = upload(&door, "key", &id, 1, b"small".to_vec()).await;
    let second = upload(&door, "key", &id, 2, b"small too".to_vec()).await;
    let complete = async |body: String| door.post(&format!("/bucket/key?uploadId={id}")).body(body).send().await;
    for (body, expected) in [
        (completion(&[(1, &first), (2, &second)]), (400, "EntityTooSmall")),
        (completion(&[(2, &second), (1, &first)]), (400, "InvalidPartOrder")),
        (completion(&[(1, &second)]), (400, "InvalidPart")),
        (completion(&[(9, &first)]), (400, "InvalidPart")),
        (completion(&[]), (400, "MalformedXML")),
        ("<CompleteMultipartUpload>".to_owned(), (400, "MalformedXML")),
    ] {
        let refused = complete(body.clone()).await;
        assert_eq!(refused.error(), expected, "{body}");
    }
    assert_eq!(complete(completion(&[(2, &second)])).await.status, StatusCode::OK);
    assert_eq!(door.get("/bucket/key").send().await.text(), "small too");
}

#[tokio::test]
async fn uploads_that_do_not_exist_are_named_so() {
    let door = Door::open().await;
    let id = create(&door, "key", &[]).await;
    let aborted = door.delete(&format!("/bucket/key?uploadId={id}")).send().await;
    assert_eq!(aborted.status, StatusCode::NO_CONTENT);
    for id in [id.as_str(), "never-given", ""] {
        let part = format!("/bucket/key?partNumber=1&uploadId={id}");
        let upload = format!("/bucket/key?uploadId={id}");
        for call in [
            door.put(&part).body("x"),
            door.get(&upload),
            door.delete(&upload),
            door.post(&upload).body(completion(&[(1, "x")])),
            door.put(&part).header("x-amz-copy-source", "bucket/x"),
        ] {
            let refused = call.send().await;
            assert_eq!(refused.status.as_u16(), 404, "{id:?}: {}", refused.text());
        }
        assert_eq!(door.get(&upload).send().await.error(), (404, "NoSuchUpload"));
    }
    for number in ["0", "10001", "-1", "one"] {
        let part = format!("/bucket/key?partNumber={number}&uploadId=x");
        assert_eq!(door.put(&part).body("x").send().await.error(), (400, "InvalidArgument"), "{number}");
    }
}

#[tokio::test]
async fn checksums_of_parts_make_that_of_the_object() {
    let door = Door::open().await;
    let headers = [("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "FULL_OBJECT")];
    let id = create(&door, "key", &headers).await;
    let stored = door
        .put(&format!("/bucket/key?partNumber=1&uploadId={id}"))
        .header("x-amz-checksum-crc32", "DUoRhQ==")
        .body("hello world")
        .send()
        .await;
    let etag = stored.header("etag").unwrap();
    let uri = format!("/bucket/key?uploadId={id}");
    let wrong = door.post(&uri).header("x-amz-checksum-crc32", "AAAAAA==").body(completion(&[(1, etag)])).send().await;
    assert_eq!(wrong.error(), (400, "BadDigest"));
    let completed = door.post(&uri).body(completion(&[(1, etag)])).send().await;
    assert_eq!(completed.element("ChecksumCRC32"), Some("DUoRhQ=="), "{}", completed.text());
    assert_eq!(completed.element("ChecksumType"), Some("FULL_OBJECT"));
    let part = door.get("/bucket/key?partNumber=1").header("x-amz-checksum-mode", "ENABLED").send().await;
    assert_eq!(part.header("x-amz-checksum-crc32"), Some("DUoRhQ=="));
    assert_eq!(part.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
}
