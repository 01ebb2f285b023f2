//! Configurations of a bucket: set, read, removed, and refused when they are malformed.

use http::StatusCode;

use crate::door::Door;

/// The query of a configuration, a document of it, and what reading it answers when there is none.
const DOCUMENTS: [(&str, &str, (u16, &str)); 5] = [
    (
        "policy",
        r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:PutBucketWebsite","Resource":"arn:aws:s3:::bucket"}}"#,
        (404, "NoSuchBucketPolicy"),
    ),
    (
        "publicAccessBlock",
        "<PublicAccessBlockConfiguration><IgnorePublicAcls>true</IgnorePublicAcls></PublicAccessBlockConfiguration>",
        (404, "NoSuchPublicAccessBlockConfiguration"),
    ),
    (
        "ownershipControls",
        "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule></OwnershipControls>",
        (404, "OwnershipControlsNotFoundError"),
    ),
    (
        "tagging",
        "<Tagging><TagSet><Tag><Key>color</Key><Value>red</Value></Tag></TagSet></Tagging>",
        (404, "NoSuchTagSet"),
    ),
    (
        "cors",
        "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>\
         </CORSConfiguration>",
        (404, "NoSuchCORSConfiguration"),
    ),
];

#[tokio::test]
async fn configurations_are_set_read_and_removed() {
    let door = Door::open().await;
    for (query, document, missing) in DOCUMENTS {
        let uri = format!("/bucket?{query}");
        assert_eq!(door.get(&uri).send().await.error(), missing, "{query}");
        assert!(door.put(&uri).body(document).send().await.status.is_success(), "{query}");
        let read = door.get(&uri).send().await;
        assert_eq!(read.status, StatusCode::OK, "{query}");
        // What was read can be set again.
        assert!(door.put(&uri).body(read.body.clone()).send().await.status.is_success(), "{query}");
        assert_eq!(door.get(&uri).send().await.body, read.body, "{query}");
        assert_eq!(door.delete(&uri).send().await.status, StatusCode::NO_CONTENT, "{query}");
        assert_eq!(door.get(&uri).send().await.error(), missing, "{query}");
        assert_eq!(door.delete(&uri).send().await.status, StatusCode::NO_CONTENT, "{query}");
        assert_eq!(door.put(&format!("/missing?{query}")).body(document).send().await.error(), (404, "NoSuchBucket"));
    }
}

#[tokio::test]
async fn malformed_configurations_change_nothing() {
    let door = Door::open().await;
    for (query, document, _) in DOCUMENTS {
        let uri = format!("/bucket?{query}");
        door.put(&uri).body(document).send().await;
        let before = door.get(&uri).send().await.body;
        let code = if query == "policy" { "MalformedPolicy" } else { "MalformedXML" };
        for body in ["", "<x/>", &document[..document.len() - 2]] {
            let refused = door.put(&uri).body(body.to_owned()).send().await;
            assert_eq!(refused.error(), (400, code), "{query} {body}");
        }
        let damaged = door.put(&uri).header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==").body(document).send().await;
        assert_eq!(damaged.error(), (400, "BadDigest"), "{query}");
        assert_eq!(door.get(&uri).send().await.body, before, "{query}");
    }
}

#[tokio::test]
async fn payment_belongs_to_the_owner_until_it_is_changed() {
    let door = Door::open().await;
    let uri = "/bucket?requestPayment";
    assert_eq!(door.get(uri).send().await.element("Payer"), Some("BucketOwner"));
    let document = "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>";
    assert_eq!(door.put(uri).body(document).send().await.status, StatusCode::OK);
    assert_eq!(door.get(uri).send().await.element("Payer"), Some("Requester"));
}

#[tokio::test]
async fn lists_of_a_bucket_are_set_by_name_header_and_document() {
    let door = Door::open().await;
    let uri = "/bucket?acl";
    assert_eq!(door.get(uri).send().await.elements("Permission"), ["FULL_CONTROL"]);
    assert_eq!(door.put(uri).header("x-amz-acl", "public-read").send().await.status, StatusCode::OK);
    let public = door.get(uri).send().await;
    assert_eq!(public.elements("Permission"), ["READ", "FULL_CONTROL"]);
    assert_eq!(public.elements("URI"), ["http://acs.amazonaws.com/groups/global/AllUsers"]);
    assert_eq!(door.put(uri).header("x-amz-acl", "private").send().await.status, StatusCode::OK);
    assert_eq!(door.put(uri).body(public.body).send().await.status, StatusCode::OK);
    assert_eq!(door.get(uri).send().await.elements("Permission"), ["READ", "FULL_CONTROL"]);

    for (name, value, expected) in [
        ("x-amz-acl", "public", (400, "InvalidArgument")),
        ("x-amz-grant-read", "id=nobody", (400, "InvalidArgument")),
        ("x-amz-grant-read", "emailAddress=a@b.c", (400, "UnresolvableGrantByEmailAddress")),
    ] {
        assert_eq!(door.put(uri).header(name, value).send().await.error(), expected, "{name}: {value}");
    }
    assert_eq!(door.put(uri).body("<x>").send().await.error(), (400, "MalformedACLError"));

    let enforced =
        "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";
    let controls = door.put("/bucket?ownershipControls").body(enforced).send().await;
    assert_eq!(controls.error(), (400, "InvalidBucketAclWithObjectOwnership"));
    door.put(uri).header("x-amz-acl", "private").send().await;
    assert_eq!(door.put("/bucket?ownershipControls").body(enforced).send().await.status, StatusCode::OK);
    let refused = door.put(uri).header("x-amz-acl", "public-read").send().await;
    assert_eq!(refused.error(), (400, "AccessControlListNotSupported"));
}

#[tokio::test]
async fn pages_of_other_origins_see_what_the_rules_let_them() {
    let door = Door::open().await;
    let rules = "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>http://*.a</AllowedOrigin>\
                 <AllowedHeader>x-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>9</MaxAgeSeconds>\
                 </CORSRule></CORSConfiguration>";
    assert_eq!(door.put("/bucket?cors").body(rules).send().await.status, StatusCode::OK);
    let ask = |origin: &str, method: &str, header: &str| {
        let call = door.options("/bucket/key").anonymously().header("origin", origin);
        call.header("access-control-request-method", method).header("access-control-request-headers", header)
    };
    let allowed = ask("http://www.a", "GET", "X-Amz-Date").send().await;
    assert_eq!(allowed.status, StatusCode::OK);
    for (name, value) in [
        ("access-control-allow-origin", "http://www.a"),
        ("access-control-allow-methods", "GET"),
        ("access-control-allow-headers", "x-amz-date"),
        ("access-control-expose-headers", "ETag"),
        ("access-control-max-age", "9"),
        ("access-control-allow-credentials", "true"),
    ] {
        assert_eq!(allowed.header(name), Some(value), "{name}");
    }
    for (origin, method, header) in
        [("http://www.b", "GET", "x-a"), ("http://www.a", "PUT", "x-a"), ("http://www.a", "GET", "range")]
    {
        assert_eq!(ask(origin, method, header).send().await.error(), (403, "AccessForbidden"));
    }
    let missing = door.get("/bucket/missing").header("origin", "http://www.a").send().await;
    assert_eq!(missing.error(), (404, "NoSuchKey"));
    assert_eq!(missing.header("access-control-allow-origin"), Some("http://www.a"), "errors can be read too");
    let elsewhere = door.get("/bucket?list-type=2").header("origin", "http://b").send().await;
    assert_eq!((elsewhere.status, elsewhere.header("access-control-allow-origin")), (StatusCode::OK, None));
}
