//! Tags and access control lists of objects.

use http::StatusCode;

use crate::door::Door;

const TAGGING: &str = "<Tagging><TagSet><Tag><Key>color</Key><Value>red</Value></Tag></TagSet></Tagging>";

async fn tags(door: &Door, key: &str) -> Vec<String> {
    let found = door.get(&format!("/bucket/{key}?tagging")).send().await;
    assert_eq!(found.status, StatusCode::OK, "{}", found.text());
    let (keys, values) = (found.elements("Key"), found.elements("Value"));
    keys.into_iter().zip(values).map(|(key, value)| format!("{key}={value}")).collect()
}

#[tokio::test]
async fn objects_have_the_tags_that_they_were_given() {
    let door = Door::open().await;
    door.put("/bucket/key").header("x-amz-tagging", "color=red&size=big%20one").body("x").send().await;
    assert_eq!(tags(&door, "key").await, ["color=red", "size=big one"]);
    assert_eq!(door.head("/bucket/key").send().await.header("x-amz-tagging-count"), Some("2"));
    let copy = |key: &str| door.put(&format!("/bucket/{key}")).header("x-amz-copy-source", "bucket/key");
    copy("same").send().await;
    assert_eq!(tags(&door, "same").await, ["color=red", "size=big one"]);
    copy("other").header("x-amz-tagging-directive", "REPLACE").header("x-amz-tagging", "a=b").send().await;
    assert_eq!(tags(&door, "other").await, ["a=b"]);
    copy("none").header("x-amz-tagging-directive", "REPLACE").send().await;
    assert_eq!(tags(&door, "none").await, [""; 0]);
    assert_eq!(door.put("/bucket/key?tagging").body(TAGGING).send().await.status, StatusCode::OK);
    assert_eq!(tags(&door, "key").await, ["color=red"]);
    assert_eq!(door.get("/bucket/key").send().await.text(), "x");
    assert_eq!(door.delete("/bucket/key?tagging").send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(tags(&door, "key").await, [""; 0]);
    assert_eq!(door.get("/bucket/key").send().await.header("x-amz-tagging-count"), None);

    let created = door.post("/bucket/large?uploads").header("x-amz-tagging", "a=b").send().await;
    let upload = created.element("UploadId").unwrap().to_owned();
    let part = door.put(&format!("/bucket/large?partNumber=1&uploadId={upload}")).body("part").send().await;
    let etag = part.header("etag").unwrap();
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    assert_eq!(door.post(&format!("/bucket/large?uploadId={upload}")).body(body).send().await.status, StatusCode::OK);
    assert_eq!(tags(&door, "large").await, ["a=b"]);
}

#[tokio::test]
async fn wrong_tags_change_nothing() {
    let door = Door::open().await;
    door.store("key", "content").await;
    door.put("/bucket/key?tagging").body(TAGGING).send().await;
    for (body, expected) in [
        ("<Tagging/>".to_owned(), (400, "MalformedXML")),
        (TAGGING.replace("color", "aws:color"), (400, "InvalidTag")),
        (TAGGING.replace("red", "red!"), (400, "InvalidTag")),
    ] {
        assert_eq!(door.put("/bucket/key?tagging").body(body).send().await.error(), expected);
    }
    assert_eq!(tags(&door, "key").await, ["color=red"]);
    assert_eq!(door.put("/bucket/missing?tagging").body(TAGGING).send().await.error(), (404, "NoSuchKey"));
    assert_eq!(door.get("/bucket/missing?tagging").send().await.error(), (404, "NoSuchKey"));
    let many: Vec<_> = (0..11).map(|number| format!("k{number}=")).collect();
    let refused = door.put("/bucket/new").header("x-amz-tagging", &many.join("&")).send().await;
    assert_eq!(refused.error(), (400, "BadRequest"));
    assert_eq!(door.keys().await, ["key"]);
}

#[tokio::test]
async fn policies_see_the_tags_of_objects() {
    let door = Door::open().await;
    for (key, color) in [("red", "red"), ("blue", "blue")] {
        door.put(&format!("/bucket/{key}")).header("x-amz-tagging", &format!("color={color}")).body(key).send().await;
    }
    let statement = |action: &str, key: &str| {
        format!(
            r#"{{"Effect": "Allow", "Principal": "*", "Action": "{action}", "Resource": "arn:aws:s3:::bucket/*",
                "Condition": {{"StringEquals": {{"{key}": "red"}}}}}}"#
        )
    };
    let existing = statement("s3:GetObject", "s3:ExistingObjectTag/color");
    let requested = statement("s3:PutObject*", "s3:RequestObjectTag/color");
    let text = format!(r#"{{"Version": "2012-10-17", "Statement": [{existing}, {requested}]}}"#);
    assert_eq!(door.put("/bucket?policy").body(text).send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(door.get("/bucket/red").anonymously().send().await.text(), "red");
    assert_eq!(door.get("/bucket/blue").anonymously().send().await.error(), (403, "AccessDenied"));
    let put = |tagging: &str| door.put("/bucket/new").by_other().header("x-amz-tagging", tagging).send();
    assert_eq!(put("color=red").await.status, StatusCode::OK);
    assert_eq!(put("color=blue").await.error(), (403, "AccessDenied"));
}

#[tokio::test]
async fn objects_are_shared_by_their_lists() {
    let door = Door::open().await;
    door.store("key", "content").await;
    let read = async || door.get("/bucket/key").anonymously().send().await.status == 200;
    assert!(!read().await);
    assert_eq!(door.put("/bucket/key?acl").header("x-amz-acl", "public-read").send().await.status, StatusCode::OK);
    assert!(read().await);
    assert_eq!(door.get("/bucket/key?acl").send().await.elements("Permission"), ["READ", "FULL_CONTROL"]);
    assert_eq!(door.get("/bucket/key?acl").anonymously().send().await.error(), (403, "AccessDenied"));
    let public = door.get("/bucket/key?acl").send().await.body;
    door.put("/bucket/key?acl").header("x-amz-acl", "private").send().await;
    assert!(!read().await);
    assert_eq!(door.put("/bucket/key?acl").body(public).send().await.status, StatusCode::OK);
    assert!(read().await);
    door.put("/bucket/key").body("new").send().await;
    assert!(!read().await, "a new object has a new list");
    door.put("/bucket/key").header("x-amz-acl", "public-read").body("new").send().await;
    assert!(read().await);
    let block = "<PublicAccessBlockConfiguration><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicAcls>true\
                 </BlockPublicAcls></PublicAccessBlockConfiguration>";
    door.put("/bucket?publicAccessBlock").body(block).send().await;
    assert!(!read().await);
    let refused = door.put("/bucket/key").header("x-amz-acl", "public-read").send().await;
    assert_eq!(refused.error(), (403, "AccessDenied"));
    assert_eq!(door.get("/bucket/key").send().await.text(), "new");
}

#[tokio::test]
async fn writers_own_what_they_write_as_the_bucket_has_it() {
    let door = Door::open().await;
    let text = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::bucket/*"}}"#;
    door.put("/bucket?policy").body(text).send().await;
    let (own, other) =
        (door.get("/").send().await.element("ID").unwrap().to_owned(), door.other_account().canonical_id().to_owned());
    for (ownership, plain_owner, given_owner) in
        [("ObjectWriter", &other, &other), ("BucketOwnerPreferred", &other, &own), ("BucketOwnerEnforced", &own, &own)]
    {
        let controls = format!(
            "<OwnershipControls><Rule><ObjectOwnership>{ownership}</ObjectOwnership></Rule></OwnershipControls>"
        );
        door.put("/bucket?ownershipControls").body(controls).send().await;
        let put = || door.put("/bucket/key").by_other().body("theirs");
        assert_eq!(put().send().await.status, StatusCode::OK, "{ownership}");
        let acl = door.get("/bucket/key?acl").by_other().send().await;
        assert_eq!(acl.element("ID"), Some(plain_owner.as_str()), "{ownership}");
        let read = door.get("/bucket/key").send().await.status;
        let theirs = plain_owner == &other;
        assert_eq!(read, if theirs { StatusCode::FORBIDDEN } else { StatusCode::OK }, "{ownership}");
        put().header("x-amz-acl", "bucket-owner-full-control").send().await;
        let acl = door.get("/bucket/key?acl").by_other().send().await;
        assert_eq!(acl.element("ID"), Some(given_owner.as_str()), "{ownership}");
        assert_eq!(door.get("/bucket/key").send().await.text(), "theirs", "{ownership}");
        let private = put().header("x-amz-acl", "private").send().await;
        assert_eq!(private.status, if theirs { StatusCode::OK } else { StatusCode::BAD_REQUEST }, "{ownership}");
        assert_eq!(door.delete("/bucket/key").send().await.status, StatusCode::NO_CONTENT, "{ownership}");
    }
}
