//! PutObject, GetObject, HeadObject, CopyObject, DeleteObject, and what surrounds them.

use http::StatusCode;

use crate::door::{Answer, DOMAIN, Door, Proof};

#[tokio::test]
async fn an_object_keeps_what_came_with_it() {
    let door = Door::open().await;
    let stored = door
        .put("/bucket/a/key")
        .header("content-type", "text/plain")
        .header("content-encoding", "aws-chunked, gzip")
        .header("cache-control", "no-cache")
        .header("x-amz-meta-color", "red")
        .header("x-amz-storage-class", "STANDARD_IA")
        .body("hello world")
        .send()
        .await;
    assert_eq!(stored.status, StatusCode::OK, "{}", stored.text());
    assert_eq!(stored.header("etag"), Some("\"5eb63bbbe01eeed093cb22bb8f5acdc3\""));
    assert_eq!(stored.header("x-amz-checksum-type"), Some("FULL_OBJECT"));

    for found in [door.get("/bucket/a/key").send().await, door.head("/bucket/a/key").send().await] {
        assert_eq!(found.status, StatusCode::OK);
        for (name, value) in [
            ("content-length", "11"),
            ("content-type", "text/plain"),
            ("content-encoding", "gzip"),
            ("cache-control", "no-cache"),
            ("x-amz-meta-color", "red"),
            ("x-amz-storage-class", "STANDARD_IA"),
            ("accept-ranges", "bytes"),
            ("etag", "\"5eb63bbbe01eeed093cb22bb8f5acdc3\""),
        ] {
            assert_eq!(found.header(name), Some(value), "{name}");
        }
        assert!(found.header("last-modified").is_some());
        assert_eq!(found.header("x-amz-checksum-crc64nvme"), None);
    }
    assert_eq!(door.get("/bucket/a/key").send().await.text(), "hello world");

    assert_eq!(door.delete("/bucket/a/key").send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(door.get("/bucket/a/key").send().await.error(), (404, "NoSuchKey"));
    assert_eq!(door.delete("/bucket/a/key").send().await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn checksums_are_returned_when_asked_for_and_whole() {
    let door = Door::open().await;
    let crc32 = ("x-amz-checksum-crc32", "DUoRhQ==");
    let stored = door.put("/bucket/key").header(crc32.0, crc32.1).body("hello world").send().await;
    assert_eq!(stored.header(crc32.0), Some(crc32.1));
    let mode = ("x-amz-checksum-mode", "ENABLED");
    let whole = door.get("/bucket/key").header(mode.0, mode.1).send().await;
    assert_eq!(whole.header(crc32.0), Some(crc32.1));
    let part = door.get("/bucket/key").header(mode.0, mode.1).header("range", "bytes=0-3").send().await;
    assert_eq!(part.header(crc32.0), None);
}

#[tokio::test]
async fn ranges_select_bytes() {
    let door = Door::open().await;
    door.store("key", "hello world").await;
    door.store("empty", "").await;
    for (range, status, content, content_range) in [
        ("bytes=0-4", 206, "hello", Some("bytes 0-4/11")),
        ("bytes=6-", 206, "world", Some("bytes 6-10/11")),
        ("bytes=-5", 206, "world", Some("bytes 6-10/11")),
        ("bytes=-50", 206, "hello world", Some("bytes 0-10/11")),
        ("bytes=0-50", 206, "hello world", Some("bytes 0-10/11")),
        ("bytes=0-1,3-4", 200, "hello world", None),
        ("bytes=4-0", 200, "hello world", None),
        ("lines=0-4", 200, "hello world", None),
    ] {
        let found = door.get("/bucket/key").header("range", range).send().await;
        assert_eq!((found.status.as_u16(), found.text()), (status, content), "{range}");
        assert_eq!(found.header("content-range"), content_range, "{range}");
    }
    for (uri, range, content_range) in [
        ("/bucket/key", "bytes=11-", "bytes */11"),
        ("/bucket/key", "bytes=-0", "bytes */11"),
        ("/bucket/empty", "bytes=0-4", "bytes */0"),
    ] {
        let refused = door.get(uri).header("range", range).send().await;
        assert_eq!(refused.error(), (416, "InvalidRange"), "{uri} {range}");
        assert_eq!(refused.header("content-range"), Some(content_range), "{uri} {range}");
    }
    let first = door.get("/bucket/key?partNumber=1").send().await;
    assert_eq!((first.status.as_u16(), first.text()), (206, "hello world"));
    assert_eq!(door.get("/bucket/key?partNumber=2").send().await.error(), (400, "InvalidPart"));
    assert_eq!(door.get("/bucket/key?partNumber=0").send().await.error(), (400, "InvalidArgument"));
}

#[tokio::test]
async fn conditions_decide_reads() {
    let door = Door::open().await;
    door.store("key", "hello world").await;
    const SAME: &str = "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"";
    const PAST: &str = "Sat, 29 Oct 1994 19:43:31 GMT";
    const FUTURE: &str = "Fri, 29 Oct 2094 19:43:31 GMT";
    for (conditions, status) in [
        (&[("if-match", SAME)][..], 200),
        (&[("if-match", "\"other\", *")], 412),
        (&[("if-match", "*")], 200),
        (&[("if-none-match", SAME)], 304),
        (&[("if-none-match", "\"other\"")], 200),
        (&[("if-modified-since", PAST)], 200),
        (&[("if-modified-since", FUTURE)], 304),
        (&[("if-unmodified-since", PAST)], 412),
        (&[("if-unmodified-since", FUTURE)], 200),
        (&[("if-match", SAME), ("if-unmodified-since", PAST)], 200),
        (&[("if-none-match", "\"other\""), ("if-modified-since", FUTURE)], 200),
        (&[("if-modified-since", "nonsense")], 200),
    ] {
        for call in [door.get("/bucket/key"), door.head("/bucket/key")] {
            let call = conditions.iter().fold(call, |call, (name, value)| call.header(name, value));
            let found = call.send().await;
            assert_eq!(found.status.as_u16(), status, "{conditions:?}");
            if status == 304 {
                assert_eq!(found.header("etag"), Some(SAME));
                assert!(found.body.is_empty());
            }
        }
    }
    for (if_range, status) in [(SAME, 206), ("\"other\"", 200), (FUTURE, 206), (PAST, 200)] {
        let found = door.get("/bucket/key").header("range", "bytes=0-4").header("if-range", if_range).send().await;
        assert_eq!(found.status.as_u16(), status, "{if_range}");
        assert_eq!(found.text(), if status == 206 { "hello" } else { "hello world" });
    }
}

#[tokio::test]
async fn conditions_decide_writes() {
    let door = Door::open().await;
    let put = async |name: &str, value: &str| {
        let stored = door.put("/bucket/key").header(name, value).body("hello world").send().await;
        stored.status.as_u16()
    };
    const SAME: &str = "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"";
    assert_eq!(put("if-match", "*").await, 404);
    assert_eq!(put("if-none-match", "*").await, 200);
    assert_eq!(put("if-none-match", "*").await, 412);
    assert_eq!(put("if-none-match", SAME).await, 412);
    assert_eq!(put("if-match", "\"other\"").await, 412);
    assert_eq!(put("if-match", SAME).await, 200);
    assert_eq!(
        door.delete("/bucket/key").header("if-match", "\"other\"").send().await.error(),
        (412, "PreconditionFailed")
    );
    assert_eq!(door.delete("/bucket/key").header("x-amz-if-match-size", "3").send().await.status.as_u16(), 412);
    assert_eq!(door.delete("/bucket/key").header("if-match", SAME).send().await.status.as_u16(), 204);
    assert_eq!(door.delete("/bucket/key").header("if-match", SAME).send().await.status.as_u16(), 204);
}

#[tokio::test]
async fn copies_keep_or_replace_the_metadata() {
    let door = Door::open().await;
    door.put("/bucket/source").header("x-amz-meta-color", "red").body("hello world").send().await;
    let copy = async |target: &str, headers: &[(&str, &str)]| -> Answer {
        let call = door.put(target).header("x-amz-copy-source", "/bucket/source");
        headers.iter().fold(call, |call, (name, value)| call.header(name, value)).send().await
    };
    let color = async |uri: &str| door.head(uri).send().await.header("x-amz-meta-color").map(str::to_owned);

    let copied = copy("/bucket/kept", &[]).await;
    assert_eq!(copied.element("ETag"), Some("&quot;5eb63bbbe01eeed093cb22bb8f5acdc3&quot;"));
    assert_eq!(color("/bucket/kept").await.as_deref(), Some("red"));
    assert_eq!(door.get("/bucket/kept").send().await.text(), "hello world");

    copy("/bucket/replaced", &[("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-color", "blue")]).await;
    assert_eq!(color("/bucket/replaced").await.as_deref(), Some("blue"));
    copy("/bucket/source", &[("x-amz-metadata-directive", "REPLACE"), ("x-amz-meta-color", "green")]).await;
    assert_eq!(color("/bucket/source").await.as_deref(), Some("green"));

    for (target, headers, expected) in [
        ("/bucket/source", &[][..], (400, "InvalidRequest")),
        ("/bucket/x", &[("x-amz-metadata-directive", "MERGE")], (400, "InvalidArgument")),
        ("/bucket/x", &[("x-amz-tagging-directive", "REMOVE")], (400, "InvalidArgument")),
        ("/bucket/x", &[("x-amz-copy-source-if-match", "\"other\"")], (412, "PreconditionFailed")),
        ("/bucket/x", &[("x-amz-copy-source-if-none-match", "*")], (412, "PreconditionFailed")),
        ("/missing/x", &[], (404, "NoSuchBucket")),
    ] {
        assert_eq!(copy(target, headers).await.error(), expected, "{target} {headers:?}");
    }
    for (source, expected) in [
        ("bucket/missing", (404, "NoSuchKey")),
        ("missing/key", (404, "NoSuchBucket")),
        ("bucket", (400, "InvalidArgument")),
        ("/bucket/source?versionId=abc", (400, "InvalidArgument")),
        ("/bucket/%zz", (400, "InvalidURI")),
    ] {
        let refused = door.put("/bucket/x").header("x-amz-copy-source", source).send().await;
        assert_eq!(refused.error(), expected, "{source}");
    }
    assert_eq!(copy("/bucket/x", &[]).await.status, StatusCode::OK);
    let null_version = door.put("/bucket/y").header("x-amz-copy-source", "bucket/sourc%65?versionId=null").send().await;
    assert_eq!(null_version.status, StatusCode::OK);
}

#[tokio::test]
async fn presigned_requests_carry_headers_in_their_query_and_override_answers() {
    let door = Door::open().await;
    let stored = door.put("/bucket/key?x-amz-meta-color=red").proof(Proof::Presigned).body("hello").send().await;
    assert_eq!(stored.status, StatusCode::OK, "{}", stored.text());
    let found = door
        .get("/bucket/key?response-content-type=text%2Fcsv&response-cache-control=no-store")
        .proof(Proof::Presigned)
        .send()
        .await;
    assert_eq!((found.header("content-type"), found.header("cache-control")), (Some("text/csv"), Some("no-store")));
    assert_eq!((found.header("x-amz-meta-color"), found.text()), (Some("red"), "hello"));
    let refused = door.get("/bucket/key?response-content-type=a%0Ab").send().await;
    assert_eq!(refused.error(), (400, "InvalidArgument"));
}

#[tokio::test]
async fn virtual_hosts_name_buckets() {
    let door = Door::open().await;
    let host = format!("bucket.{DOMAIN}");
    let stored = door.put("/a/key").header("host", &host).body("hello").send().await;
    assert_eq!(stored.status, StatusCode::OK, "{}", stored.text());
    assert_eq!(door.get("/bucket/a/key").send().await.text(), "hello");
}

#[tokio::test]
async fn keys_are_any_text() {
    let door = Door::open().await;
    let keys =
        ["a", "a/b", "a/", "..", "../bucket/a", "//", ".", "%2F", "a b+c", "🌱", "\u{1}\n\u{7f}", "\u{202e}rtl", "\\"];
    for key in keys {
        let uri = format!("/bucket/{}", encode(key));
        let stored = door.put(&uri).body(key.to_owned()).send().await;
        assert_eq!(stored.status, StatusCode::OK, "{key:?}: {}", stored.text());
    }
    for key in keys {
        assert_eq!(door.get(&format!("/bucket/{}", encode(key))).send().await.text(), key, "{key:?}");
    }
    let listed = door.get("/bucket?list-type=2&encoding-type=url").send().await;
    let mut expected: Vec<String> = keys.iter().map(|key| encode(key)).collect();
    expected.sort_by_key(|key| decode(key));
    assert_eq!(listed.elements("Key"), expected);
}

/// Escapes every byte but letters and slashes.
fn encode(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    key.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn decode(key: &str) -> Vec<u8> {
    let mut bytes = key.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        let digits = [bytes.clone().next(), bytes.clone().nth(1)].map(|digit| digit.map(char::from));
        if let (b'%', [Some(high), Some(low)]) = (byte, digits) {
            decoded.push(u8::from_str_radix(&format!("{high}{low}"), 16).unwrap());
            bytes.nth(1);
        } else {
            decoded.push(byte);
        }
    }
    decoded
}
