//! What is refused changes nothing and tells nothing.

use http::StatusCode;

use crate::door::{Door, Proof};

#[tokio::test]
async fn errors_say_what_they_are_about() {
    let door = Door::open().await;
    let missing = door.get("/bucket/a%20key").send().await;
    assert_eq!(missing.error(), (404, "NoSuchKey"));
    assert_eq!(missing.header("content-type"), Some("application/xml"));
    assert_eq!(missing.element("Key"), Some("a key"));
    assert_eq!(missing.element("Resource"), Some("/bucket/a%20key"));
    assert_eq!(missing.element("RequestId"), missing.header("x-amz-request-id"));
    assert_eq!(missing.element("HostId"), missing.header("x-amz-id-2"));
    let head = door.head("/bucket/missing").send().await;
    assert_eq!((head.status, head.body.len()), (StatusCode::NOT_FOUND, 0));
    let bucket = door.get("/missing").send().await;
    assert_eq!((bucket.error(), bucket.element("BucketName")), ((404, "NoSuchBucket"), Some("missing")));
    for found in [door.get("/").send().await, missing, head, bucket] {
        assert_eq!(found.header("server"), Some("Stonecrop"));
        assert!(found.header("date").is_some() && found.header("x-amz-request-id").is_some());
    }
}

#[tokio::test]
async fn strangers_learn_nothing_about_buckets() {
    let door = Door::open().await;
    for uri in ["/bucket", "/missing", "/bucket/key", "/missing/key", "/", "/bucket?policy", "/bucket?uploads"] {
        for (proof, expected) in
            [(Proof::Header, (403, "SignatureDoesNotMatch")), (Proof::Presigned, (403, "SignatureDoesNotMatch"))]
        {
            let refused = door.get(uri).proof(proof).secret_key("another secret").send().await;
            assert_eq!(refused.error(), expected, "{uri} {proof:?}");
        }
        // Names of buckets are no secret, what is in them is.
        let expected = if uri.contains("missing") { (404, "NoSuchBucket") } else { (403, "AccessDenied") };
        assert_eq!(door.get(uri).anonymously().send().await.error(), expected, "{uri}");
    }
    for uri in ["/bucket/key", "/missing/key"] {
        let call = door.options(uri).proof(Proof::None).header("origin", "http://a");
        let refused = call.header("access-control-request-method", "GET").send().await;
        assert_eq!(refused.error(), (403, "AccessForbidden"));
        assert_eq!(door.options(uri).proof(Proof::None).send().await.error(), (400, "BadRequest"));
    }
}

/// CVE-2025-31489, CVE-2026-40344, CVE-2026-41145 of another store: one way of sending bodies forgot the signature.
#[tokio::test]
async fn no_way_of_sending_a_body_gets_past_a_wrong_signature() {
    let door = Door::open().await;
    door.store("key", "original").await;
    let chunked = "5\r\nhello\r\n0\r\n\r\n";
    for declared in [
        None,
        Some("UNSIGNED-PAYLOAD"),
        Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        Some("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
        Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    ] {
        for proof in [Proof::Header, Proof::Presigned, Proof::None] {
            for uri in ["/bucket/key", "/bucket/key?partNumber=1&uploadId=x", "/bucket", "/other-bucket"] {
                let mut call = door.put(uri).proof(proof).secret_key("another secret").body(chunked);
                if let Some(declared) = declared {
                    call = call.header("x-amz-content-sha256", declared).header("x-amz-decoded-content-length", "5");
                }
                assert_eq!(call.send().await.status, StatusCode::FORBIDDEN, "{declared:?} {proof:?} {uri}");
            }
        }
    }
    assert_eq!(door.get("/bucket/key").send().await.text(), "original");
    assert_eq!(door.get("/").send().await.elements("Name"), ["bucket"]);
}

/// The signature of the head is right, those of the chunks are not.
#[tokio::test]
async fn wrong_chunks_and_trailers_store_nothing() {
    let door = Door::open().await;
    let signature = "0".repeat(64);
    for (declared, body, trailer, expected) in [
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            format!("5;chunk-signature={signature}\r\nhello\r\n0;chunk-signature={signature}\r\n\r\n"),
            None,
            (403, "SignatureDoesNotMatch"),
        ),
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            "5\r\nhello\r\n0\r\n\r\n".to_owned(),
            None,
            (403, "SignatureDoesNotMatch"),
        ),
        (
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n".to_owned(),
            Some("x-amz-checksum-crc32"),
            (400, "BadDigest"),
        ),
        (
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "5\r\nhello\r\n0\r\n\r\n".to_owned(),
            Some("x-amz-checksum-crc32"),
            (400, "InvalidRequest"),
        ),
        (
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n".to_owned(),
            None,
            (400, "InvalidRequest"),
        ),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "5\r\nhello\r\n".to_owned(), None, (400, "IncompleteBody")),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "4\r\nhell\r\n0\r\n\r\n".to_owned(), None, (400, "IncompleteBody")),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "6\r\nhello!\r\n0\r\n\r\n".to_owned(), None, (400, "InvalidRequest")),
    ] {
        for proof in [Proof::Header, Proof::Presigned] {
            let mut call = door
                .put("/bucket/key")
                .proof(proof)
                .header("x-amz-content-sha256", declared)
                .header("x-amz-decoded-content-length", "5")
                .body(body.clone());
            if let Some(trailer) = trailer {
                call = call.header("x-amz-trailer", trailer);
            }
            let refused = call.send().await;
            assert_eq!(refused.error(), expected, "{declared} {proof:?} {body:?}");
            assert!(door.keys().await.is_empty());
        }
    }
}

/// Whoever holds a presigned URL cannot make it mean more than its signer meant.
#[tokio::test]
async fn headers_added_behind_the_signature_are_refused_by_name() {
    let door = Door::open().await;
    door.store("source", "original").await;
    for proof in [Proof::Header, Proof::Presigned] {
        for (added, named) in [
            (vec![("x-amz-copy-source", "bucket/source")], "x-amz-copy-source"),
            (vec![("x-amz-meta-color", "red")], "x-amz-meta-color"),
            (
                vec![
                    ("x-amz-decoded-content-length", "5"),
                    ("x-amz-trailer", "x-amz-checksum-crc32"),
                    ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
                ],
                "x-amz-decoded-content-length, x-amz-trailer",
            ),
        ] {
            let mut request = door.put("/bucket/key").proof(proof).body("hello").sign();
            for (name, value) in added {
                request.headers_mut().insert(name, value.parse().unwrap());
            }
            let refused = door.answer(request).await;
            assert_eq!(refused.error(), (403, "AccessDenied"), "{proof:?} {named}");
            assert_eq!(
                refused.element("Message"),
                Some("There were headers present in the request which were not signed")
            );
            assert_eq!(refused.element("HeadersNotSigned"), Some(named), "{proof:?}");
            assert_eq!(door.keys().await, ["source"]);
        }
    }
}

/// The last line of what is signed is the hash itself, so it cannot be exchanged, signed by name or not.
#[tokio::test]
async fn the_declared_hash_of_a_presigned_body_is_signed() {
    let door = Door::open().await;
    let mut exchanged = door.put("/bucket/key").proof(Proof::Presigned).body("hello").sign();
    exchanged.headers_mut().insert("x-amz-content-sha256", "0".repeat(64).parse().unwrap());
    assert_eq!(door.answer(exchanged).await.error(), (403, "SignatureDoesNotMatch"));
    let mut repeated = door.put("/bucket/key").proof(Proof::Presigned).body("hello").sign();
    repeated.headers_mut().insert("x-amz-content-sha256", "UNSIGNED-PAYLOAD".parse().unwrap());
    assert_eq!(door.answer(repeated).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_is_not_what_was_declared_stores_nothing() {
    let door = Door::open().await;
    let wrong_sha256 = "0".repeat(64);
    for (name, value, expected) in [
        ("content-md5", "rL0Y20xC+Fzt72VPzMSk2A==", (400, "BadDigest")),
        ("content-md5", "short", (400, "InvalidDigest")),
        ("x-amz-checksum-crc32", "AAAAAA==", (400, "BadDigest")),
        ("x-amz-checksum-sha256", "bad", (400, "BadDigest")),
        ("x-amz-content-sha256", wrong_sha256.as_str(), (400, "XAmzContentSHA256Mismatch")),
        ("x-amz-sdk-checksum-algorithm", "MD4", (400, "InvalidRequest")),
    ] {
        let refused = door.put("/bucket/key").header(name, value).body("hello").send().await;
        assert_eq!(refused.error(), expected, "{name}: {value}");
        assert!(door.keys().await.is_empty(), "{name}: {value}");
    }
    let mut short = door.put("/bucket/key").body("hello").sign();
    short.headers_mut().insert("content-length", "50".parse().unwrap());
    assert_eq!(door.answer(short).await.error(), (400, "IncompleteBody"));
    let mut unknown = door.put("/bucket/key").body("hello").sign();
    unknown.headers_mut().remove("content-length");
    assert_eq!(door.answer(unknown).await.error(), (411, "MissingContentLength"));
    assert!(door.keys().await.is_empty());
}

#[tokio::test]
async fn promises_that_cannot_be_kept_are_refused() {
    let door = Door::open().await;
    for (name, value, expected) in [
        ("x-amz-server-side-encryption", "rot13", (400, "InvalidArgument")),
        ("x-amz-tagging", "aws:a=b", (400, "InvalidTag")),
        ("x-amz-object-lock-mode", "GOVERNANCE", (400, "InvalidArgument")),
        ("x-amz-grant-read", "id=1", (400, "InvalidArgument")),
        ("x-amz-write-offset-bytes", "5", (400, "InvalidWriteOffset")),
        ("x-amz-storage-class", "GLACIER", (400, "InvalidStorageClass")),
        ("x-amz-acl", "public-ready", (400, "InvalidArgument")),
        ("x-amz-expected-bucket-owner", "123456789012", (403, "AccessDenied")),
        ("x-amz-meta-large", &"v".repeat(2048), (400, "MetadataTooLarge")),
        ("x-huge", &"v".repeat(17_000), (400, "RequestHeaderSectionTooLarge")),
    ] {
        let refused = door.put("/bucket/key").header(name, value).body("hello").send().await;
        assert_eq!(refused.error(), expected, "{name}");
        assert!(door.keys().await.is_empty(), "{name}");
    }
    let owner = iam::Account::root();
    let accepted = door.put("/bucket/key").header("x-amz-expected-bucket-owner", owner.account_id()).send().await;
    assert_eq!(accepted.status, StatusCode::OK);
}

#[tokio::test]
async fn malformed_targets_are_client_errors() {
    let door = Door::open().await;
    for (uri, expected) in [
        ("/bucket/%ff", (400, "InvalidURI")),
        ("/bucket/%zz", (400, "InvalidURI")),
        (&format!("/bucket/{}", "k".repeat(1025)), (400, "KeyTooLongError")),
        ("/BUCKET/key", (400, "InvalidBucketName")),
        ("/bucket/key?versionId=abc", (400, "InvalidArgument")),
        ("/bucket/key?retention", (400, "InvalidRequest")),
        ("/bucket/key?append", (501, "NotImplemented")),
        ("/bucket/key?annotation&annotationName=aws-a", (400, "InvalidAnnotationName")),
        ("/bucket/key?annotation&annotation-prefix=S3", (400, "InvalidPrefix")),
        ("/bucket/key?annotation&max-annotation-results=0", (400, "InvalidArgument")),
        ("/bucket/key?annotation&continuation-token=!", (400, "InvalidArgument")),
    ] {
        let request = door.get("/bucket/key").sign();
        // The signer cannot sign some of these targets, so they are checked behind a presigned URL's back door: the
        // answer must be a client error whatever the signature says.
        let (mut head, body) = request.into_parts();
        head.uri = uri.parse().unwrap();
        let refused = door.answer(http::Request::from_parts(head, body)).await;
        assert!(refused.status.is_client_error(), "{uri}: {}", refused.text());
        if !uri.contains('%') {
            assert_eq!(door.get(uri).send().await.error(), expected, "{uri}");
        }
    }
    for (method_call, uri) in
        [(door.post("/"), "/"), (door.post("/bucket/key"), "/bucket/key"), (door.post("/bucket"), "/bucket")]
    {
        assert_eq!(method_call.send().await.error(), (405, "MethodNotAllowed"), "{uri}");
    }
}
