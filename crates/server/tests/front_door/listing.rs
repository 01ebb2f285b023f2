//! Listings, and everything about buckets.

use http::StatusCode;

use crate::door::Door;

#[tokio::test]
async fn buckets_are_created_listed_and_deleted() {
    let door = Door::open().await;
    for name in ["b-one", "b-two", "b-three"] {
        let created = door.put(&format!("/{name}")).send().await;
        assert_eq!((created.status, created.header("location")), (StatusCode::OK, Some(format!("/{name}").as_str())));
    }
    assert_eq!(door.put("/b-one").send().await.status, StatusCode::OK, "one's own bucket, in us-east-1");
    let all = door.get("/").send().await;
    assert_eq!(all.elements("Name"), ["b-one", "b-three", "b-two", "bucket"]);
    assert_eq!(all.elements("BucketRegion"), ["us-east-1"; 4]);
    let page = door.get("/?prefix=b-&max-buckets=2").send().await;
    assert_eq!(page.elements("Name"), ["b-one", "b-three"]);
    let token = page.element("ContinuationToken").unwrap();
    let rest = door.get(&format!("/?prefix=b-&max-buckets=2&continuation-token={token}")).send().await;
    assert_eq!((rest.elements("Name"), rest.element("ContinuationToken")), (vec!["b-two"], None));
    assert_eq!(door.get("/?max-buckets=0").send().await.error(), (400, "InvalidArgument"));

    assert_eq!(door.head("/b-one").send().await.header("x-amz-bucket-region"), Some("us-east-1"));
    assert_eq!(door.get("/b-one?location").send().await.element("LocationConstraint"), None);
    assert_eq!(door.delete("/b-one").send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(door.delete("/b-one").send().await.error(), (404, "NoSuchBucket"));
    door.store("key", "x").await;
    assert_eq!(door.delete("/bucket").send().await.error(), (409, "BucketNotEmpty"));
    assert_eq!(door.put("/Not_Valid").send().await.error(), (400, "InvalidBucketName"));
    let elsewhere =
        "<CreateBucketConfiguration><LocationConstraint>mars</LocationConstraint></CreateBucketConfiguration>";
    let refused = door.put("/b-four").body(elsewhere).send().await;
    assert_eq!(refused.error(), (400, "IllegalLocationConstraintException"));
}

#[tokio::test]
async fn pages_of_both_versions_cover_everything_once() {
    let door = Door::open().await;
    let keys = ["a", "b/1", "b/2", "c/", "c/1", "d", "e//1", "ü/1", "z"];
    for key in keys {
        door.store(&key.replace('ü', "%C3%BC"), "x").await;
    }
    for (delimiter, expected) in [("", keys.to_vec()), ("&delimiter=/", vec!["a", "b/", "c/", "d", "e/", "z", "ü/"])] {
        for limit in [1, 2, 3, 1000] {
            let mut found = [Vec::new(), Vec::new()];
            for (version, found) in found.iter_mut().enumerate() {
                let base = format!("/bucket?list-type={}&max-keys={limit}{delimiter}", version + 1);
                let mut next = String::new();
                loop {
                    let page = door.get(&format!("{base}{next}")).send().await;
                    let names = page.elements("Key").into_iter().chain(page.elements("Prefix").into_iter().skip(1));
                    let names: Vec<String> = names.map(str::to_owned).collect();
                    assert!(names.len() <= limit);
                    found.extend(names.clone());
                    if page.element("IsTruncated") == Some("false") {
                        break;
                    }
                    next = match page.element("NextContinuationToken") {
                        Some(token) => format!("&continuation-token={token}"),
                        None => {
                            let marker = page.element("NextMarker").unwrap_or(names.last().unwrap());
                            format!("&marker={}", marker.replace('ü', "%C3%BC"))
                        }
                    };
                }
            }
            let mut expected = expected.clone();
            expected.sort_unstable();
            for (version, mut found) in found.into_iter().enumerate() {
                found.sort_unstable();
                assert_eq!(found, expected, "version {} in pages of {limit}, {delimiter}", version + 1);
            }
        }
    }
}

#[tokio::test]
async fn listings_echo_what_was_asked() {
    let door = Door::open().await;
    door.store("a%20b", "x").await;
    let page = door
        .get("/bucket?list-type=2&prefix=a%20&delimiter=%2B&start-after=a%20&encoding-type=url&fetch-owner=true&max-keys=7")
        .send()
        .await;
    for (name, text) in [
        ("Name", "bucket"),
        ("Prefix", "a%20"),
        ("Delimiter", "%2B"),
        ("StartAfter", "a%20"),
        ("EncodingType", "url"),
        ("MaxKeys", "7"),
        ("KeyCount", "1"),
        ("IsTruncated", "false"),
        ("Key", "a%20b"),
        ("Size", "1"),
        ("StorageClass", "STANDARD"),
        ("DisplayName", "root"),
    ] {
        assert_eq!(page.element(name), Some(text), "{name}");
    }
    assert_eq!(door.get("/bucket?list-type=2").send().await.element("Owner"), None);
    assert!(door.get("/bucket").send().await.element("Owner").is_some());
    let none = door.get("/bucket?list-type=2&max-keys=0").send().await;
    assert_eq!((none.element("KeyCount"), none.element("IsTruncated")), (Some("0"), Some("false")));
    let versions = door.get("/bucket?versions").send().await;
    assert_eq!((versions.elements("VersionId"), versions.element("IsLatest")), (vec!["null"], Some("true")));
    for query in [
        "max-keys=-1",
        "max-keys=many",
        "max-keys=99999999999",
        "encoding-type=base64",
        "list-type=2&continuation-token=!",
        "list-type=7",
        "versions&version-id-marker=null",
    ] {
        assert_eq!(door.get(&format!("/bucket?{query}")).send().await.error(), (400, "InvalidArgument"), "{query}");
    }
    assert_eq!(door.get("/missing?list-type=2").send().await.error(), (404, "NoSuchBucket"));
}

#[tokio::test]
async fn many_keys_are_deleted_each_on_its_own() {
    let door = Door::open().await;
    for key in ["a", "b", "c", "d"] {
        door.store(key, "x").await;
    }
    let delete = async |inside: &str| {
        let body = format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inside}</Delete>");
        let crc32 = crc32_base64(body.as_bytes());
        door.post("/bucket?delete").header("x-amz-checksum-crc32", &crc32).body(body).send().await
    };
    let answer = delete(
        "<Object><Key>a</Key></Object><Object><Key>b</Key><VersionId>null</VersionId></Object><Object><Key>c</Key>\
         <VersionId>abc</VersionId></Object><Object><Key>d</Key><ETag>other</ETag></Object><Object><Key>missing</Key></Object>",
    )
    .await;
    assert_eq!(answer.elements("Deleted").len(), 3, "{}", answer.text());
    assert_eq!(answer.elements("Code"), ["InvalidArgument", "PreconditionFailed"]);
    assert_eq!(door.keys().await, ["c", "d"]);
    let quiet = delete("<Quiet>true</Quiet><Object><Key>c</Key></Object>").await;
    assert_eq!((quiet.elements("Deleted").len(), door.keys().await), (0, vec!["d".to_owned()]));

    assert_eq!(delete("").await.error(), (400, "MalformedXML"));
    assert_eq!(delete(&"<Object><Key>k</Key></Object>".repeat(1001)).await.error(), (400, "MalformedXML"));
    let body = "<Delete><Object><Key>d</Key></Object></Delete>";
    let undigested = door.post("/bucket?delete").body(body).send().await;
    assert_eq!(undigested.error(), (400, "InvalidRequest"));
    let wrong = door.post("/bucket?delete").header("x-amz-checksum-crc32", "AAAAAA==").body(body).send().await;
    assert_eq!((wrong.error(), door.keys().await), ((400, "BadDigest"), vec!["d".to_owned()]));
}

fn crc32_base64(bytes: &[u8]) -> String {
    use base64::Engine;
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        (0..8).for_each(|_| crc = (crc >> 1) ^ (0xedb8_8320 & (!(crc & 1)).wrapping_add(1)));
    }
    base64::engine::general_purpose::STANDARD.encode((!crc).to_be_bytes())
}

#[tokio::test]
async fn configurations_that_were_never_set_answer_so() {
    let door = Door::open().await;
    for (query, expected) in [
        ("policy", (404, "NoSuchBucketPolicy")),
        ("lifecycle", (404, "NoSuchLifecycleConfiguration")),
        ("cors", (404, "NoSuchCORSConfiguration")),
        ("tagging", (404, "NoSuchTagSet")),
        ("object-lock", (404, "ObjectLockConfigurationNotFoundError")),
        ("encryption", (404, "ServerSideEncryptionConfigurationNotFoundError")),
        ("website", (404, "NoSuchWebsiteConfiguration")),
        ("notification", (200, "")),
        ("versioning", (200, "")),
        ("acl", (200, "")),
    ] {
        assert_eq!(door.get(&format!("/bucket?{query}")).send().await.error(), expected, "{query}");
        assert_eq!(door.get(&format!("/missing?{query}")).send().await.error(), (404, "NoSuchBucket"), "{query}");
    }
    for query in ["website", "replication", "notification"] {
        assert_eq!(door.put(&format!("/bucket?{query}")).send().await.error(), (501, "NotImplemented"), "{query}");
    }
    for query in ["lifecycle", "encryption"] {
        assert_eq!(door.put(&format!("/bucket?{query}")).send().await.error(), (400, "MalformedXML"), "{query}");
    }
}
