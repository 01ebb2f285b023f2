//! Who may do what: owners, other accounts and nobody in particular, by policy, list and public access block.

use http::StatusCode;
use iam::Account;

use crate::door::{Door, Proof};

fn policy(effect: &str, principal: &str, actions: &str, more: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "{effect}", "Principal": {principal}, "Action": {actions},
            "Resource": ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/*"]{more}}}}}"#
    )
}

async fn set_policy(door: &Door, policy: String) {
    let set = door.put("/bucket?policy").body(policy).send().await;
    assert_eq!(set.status, StatusCode::NO_CONTENT, "{}", set.text());
}

#[tokio::test]
async fn nobody_else_may_do_anything_until_the_owner_says_so() {
    let door = Door::open().await;
    door.store("key", "content").await;
    for (method, uri) in [
        ("GET", "/bucket"),
        ("GET", "/bucket?location"),
        ("GET", "/bucket?versions"),
        ("GET", "/bucket?uploads"),
        ("GET", "/bucket?acl"),
        ("GET", "/bucket?policy"),
        ("PUT", "/bucket?policy"),
        ("DELETE", "/bucket?policy"),
        ("PUT", "/bucket?acl"),
        ("DELETE", "/bucket?tagging"),
        ("DELETE", "/bucket"),
        ("GET", "/bucket/key"),
        ("GET", "/bucket/missing"),
        ("GET", "/bucket/key?acl"),
        ("GET", "/bucket/key?attributes"),
        ("PUT", "/bucket/key"),
        ("DELETE", "/bucket/key"),
        ("POST", "/bucket/key?uploads"),
        ("PUT", "/bucket/key?partNumber=1&uploadId=x"),
        ("DELETE", "/bucket/key?uploadId=x"),
    ] {
        let call = || match method {
            "GET" => door.get(uri),
            "PUT" => door.put(uri),
            "POST" => door.post(uri),
            _ => door.delete(uri),
        };
        assert_eq!(call().by_other().send().await.error(), (403, "AccessDenied"), "{method} {uri}");
        assert_eq!(call().anonymously().send().await.error(), (403, "AccessDenied"), "{method} {uri}");
    }
    assert_eq!(door.get("/bucket/key").send().await.text(), "content");
    assert_eq!(door.get("/").by_other().send().await.elements("Name"), [""; 0], "it sees its own buckets only");
    assert_eq!(door.put("/bucket").by_other().send().await.error(), (409, "BucketAlreadyExists"));
    assert_eq!(door.put("/other-bucket").by_other().send().await.status, StatusCode::OK);
    assert_eq!(door.get("/").by_other().send().await.elements("Name"), ["other-bucket"]);
    assert_eq!(door.get("/").send().await.elements("Name"), ["bucket"]);
    assert_eq!(
        door.get("/other-bucket").send().await.error(),
        (403, "AccessDenied"),
        "nor does root see those of others"
    );
}

#[tokio::test]
async fn a_policy_acts_from_the_next_request_on() {
    let door = Door::open().await;
    door.store("key", "content").await;
    for _ in 0..2 {
        set_policy(&door, policy("Allow", r#""*""#, r#"["s3:GetObject", "s3:ListBucket"]"#, "")).await;
        assert_eq!(door.get("/bucket/key").anonymously().send().await.text(), "content");
        assert_eq!(door.get("/bucket").by_other().send().await.elements("Key"), ["key"]);
        assert_eq!(door.put("/bucket/key").by_other().send().await.error(), (403, "AccessDenied"));
        door.delete("/bucket?policy").send().await;
        assert_eq!(door.get("/bucket/key").anonymously().send().await.error(), (403, "AccessDenied"));
    }
    let id = door.other_account().account_id().to_owned();
    set_policy(&door, policy("Allow", &format!(r#"{{"AWS": "{id}"}}"#), r#""s3:*Object""#, "")).await;
    assert_eq!(door.put("/bucket/new").by_other().body("new").send().await.status, StatusCode::OK);
    assert_eq!(door.get("/bucket/new").by_other().send().await.text(), "new");
    assert_eq!(door.get("/bucket/new").anonymously().send().await.error(), (403, "AccessDenied"));
}

#[tokio::test]
async fn a_denial_holds_for_the_owner_too_but_for_the_policy_itself() {
    let door = Door::open().await;
    door.store("key", "content").await;
    set_policy(&door, policy("Deny", r#""*""#, r#""s3:*""#, "")).await;
    let denied = door.get("/bucket/key").send().await;
    assert_eq!(denied.error(), (403, "AccessDenied"));
    let why = "is not authorized to perform: s3:GetObject on resource: &quot;arn:aws:s3:::bucket/key&quot; with an \
               explicit deny in a resource-based policy";
    assert!(denied.element("Message").unwrap().ends_with(why), "{}", denied.text());
    assert_eq!(door.get("/bucket?policy").send().await.status, StatusCode::OK);
    assert_eq!(door.delete("/bucket?policy").send().await.status, StatusCode::NO_CONTENT);
    assert_eq!(door.get("/bucket/key").send().await.text(), "content");
}

#[tokio::test]
async fn conditions_look_at_the_request() {
    let door = Door::open().await;
    door.store("home/a", "content").await;
    let allow = |condition: &str| {
        policy("Allow", r#""*""#, r#"["s3:ListBucket", "s3:PutObject"]"#, &format!(r#", "Condition": {condition}"#))
    };
    set_policy(
        &door,
        allow(r#"{"StringEquals": {"s3:prefix": "home/"}, "NumericLessThanEquals": {"s3:max-keys": 10}}"#),
    )
    .await;
    for (query, expected) in [
        ("prefix=home/&max-keys=10", 200),
        ("list-type=2&prefix=home/&max-keys=1", 200),
        ("prefix=home/&max-keys=11", 403),
        ("prefix=home/", 403),
        ("prefix=&max-keys=1", 403),
    ] {
        assert_eq!(door.get(&format!("/bucket?{query}")).anonymously().send().await.status, expected, "{query}");
    }
    set_policy(&door, allow(r#"{"StringLike": {"aws:UserAgent": "curl/*"}}"#)).await;
    for (agent, expected) in [("curl/8", 200), ("wget", 403)] {
        let put = door.put("/bucket/key").anonymously().header("user-agent", agent).send().await;
        assert_eq!(put.status, expected, "{agent}");
    }
    set_policy(&door, allow(r#"{"StringLike": {"s3:x-amz-copy-source": "bucket/home/*"}}"#)).await;
    let copy = || door.put("/bucket/copy").anonymously().header("x-amz-copy-source", "/bucket/home%2Fa");
    assert_eq!(copy().send().await.error(), (403, "AccessDenied"), "the source may not be read");
    assert_eq!(door.put("/bucket/copy").anonymously().send().await.error(), (403, "AccessDenied"));
    set_policy(&door, policy("Allow", r#""*""#, r#""s3:*Object""#, "")).await;
    assert_eq!(copy().send().await.status, StatusCode::OK);
    set_policy(&door, allow(r#"{"StringEquals": {"s3:authType": "REST-QUERY-STRING"}}"#)).await;
    for (proof, expected) in [(Proof::Presigned, 200), (Proof::Header, 403), (Proof::None, 403)] {
        assert_eq!(door.get("/bucket").by_other().proof(proof).send().await.status, expected, "{proof:?}");
    }
}

#[tokio::test]
async fn each_key_of_a_deletion_is_decided_on_its_own() {
    let door = Door::open().await;
    for key in ["public/a", "private/a"] {
        door.store(key, "content").await;
    }
    let text = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::bucket/public/*"}}"#;
    set_policy(&door, text.to_owned()).await;
    let body = "<Delete><Object><Key>public/a</Key></Object><Object><Key>private/a</Key></Object></Delete>";
    let call = door.post("/bucket?delete").by_other().header("content-md5", &md5(body)).body(body);
    let deleted = call.send().await;
    assert_eq!((deleted.status, deleted.elements("Code")), (StatusCode::OK, vec!["AccessDenied"]));
    assert_eq!(deleted.elements("Key"), ["public/a", "private/a"]);
    assert_eq!(door.keys().await, ["private/a"]);
}

fn md5(body: &str) -> String {
    use base64::Engine;
    use md5::Digest;
    base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(body))
}

#[tokio::test]
async fn lists_and_the_public_access_block_decide_about_the_public() {
    let door = Door::open().await;
    door.store("key", "content").await;
    let status = async || {
        let status = door.get("/bucket?policyStatus").send().await;
        status.element("IsPublic").unwrap() == "true"
    };
    let listed = async || door.get("/bucket").anonymously().send().await.status == 200;
    assert!(!status().await && !listed().await);
    door.put("/bucket?acl").header("x-amz-acl", "public-read").send().await;
    assert!(status().await && listed().await);
    assert_eq!(door.get("/bucket/key").anonymously().send().await.error(), (403, "AccessDenied"));
    assert_eq!(door.put("/bucket/new").anonymously().send().await.error(), (403, "AccessDenied"));
    let block = |name: &str| {
        let body = format!("<PublicAccessBlockConfiguration><{name}>true</{name}></PublicAccessBlockConfiguration>");
        door.put("/bucket?publicAccessBlock").body(body).send()
    };
    assert_eq!(block("IgnorePublicAcls").await.status, StatusCode::OK);
    assert!(!status().await && !listed().await);
    block("BlockPublicAcls").await;
    assert!(listed().await, "what is there stays");
    for acl in ["public-read", "public-read-write", "authenticated-read"] {
        assert_eq!(
            door.put("/bucket?acl").header("x-amz-acl", acl).send().await.error(),
            (403, "AccessDenied"),
            "{acl}"
        );
    }
    assert_eq!(door.put("/bucket?acl").header("x-amz-acl", "private").send().await.status, StatusCode::OK);
    block("BlockPublicPolicy").await;
    let public = || policy("Allow", r#""*""#, r#""s3:ListBucket""#, "");
    assert_eq!(door.put("/bucket?policy").body(public()).send().await.error(), (403, "AccessDenied"));
    door.delete("/bucket?publicAccessBlock").send().await;
    set_policy(&door, public()).await;
    assert!(status().await && listed().await);
    block("RestrictPublicBuckets").await;
    assert!(!listed().await);
}

#[tokio::test]
async fn lists_let_other_accounts_in() {
    let door = Door::open().await;
    let grant = format!("id=\"{}\"", door.other_account().canonical_id());
    let granted = door.put("/bucket?acl").header("x-amz-grant-write", &grant).send().await;
    assert_eq!(granted.status, StatusCode::OK);
    assert_eq!(door.put("/bucket/key").by_other().body("theirs").send().await.status, StatusCode::OK);
    assert_eq!(door.get("/bucket").by_other().send().await.error(), (403, "AccessDenied"));
    assert_eq!(door.put("/bucket/key").anonymously().send().await.error(), (403, "AccessDenied"));
    assert_eq!(door.delete("/bucket/key").by_other().send().await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn requesters_pay_when_they_must_and_say_so() {
    let door = Door::open().await;
    set_policy(&door, policy("Allow", r#""*""#, r#""s3:ListBucket""#, "")).await;
    let document = "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>";
    door.put("/bucket?requestPayment").body(document).send().await;
    let own = door.get("/bucket").send().await;
    assert_eq!((own.status, own.header("x-amz-request-charged")), (StatusCode::OK, None));
    assert_eq!(door.get("/bucket").by_other().send().await.error(), (403, "AccessDenied"));
    let payer = ("x-amz-request-payer", "requester");
    let paid = door.get("/bucket").by_other().header(payer.0, payer.1).send().await;
    assert_eq!((paid.status, paid.header("x-amz-request-charged")), (StatusCode::OK, Some("requester")));
    assert_eq!(door.get("/bucket").anonymously().header(payer.0, payer.1).send().await.error(), (403, "AccessDenied"));
}

#[tokio::test]
async fn the_expected_owner_is_that_of_the_bucket() {
    let door = Door::open().await;
    for (account, expected) in [(&Account::root(), 200), (door.other_account(), 403)] {
        let call = door.get("/bucket").header("x-amz-expected-bucket-owner", account.account_id());
        assert_eq!(call.send().await.status, expected);
    }
    let call = door.get("/missing").header("x-amz-expected-bucket-owner", "123456789012");
    assert_eq!(call.send().await.error(), (404, "NoSuchBucket"));
}

#[tokio::test]
async fn a_key_that_is_not_there_is_known_to_those_who_may_list() {
    let door = Door::open().await;
    let allow = |actions: &str| policy("Allow", r#""*""#, actions, "");
    set_policy(&door, allow(r#""s3:GetObject""#)).await;
    assert_eq!(door.get("/bucket/missing").anonymously().send().await.error(), (403, "AccessDenied"));
    assert_eq!(door.get("/bucket/missing").send().await.error(), (404, "NoSuchKey"));
    for actions in [r#"["s3:GetObject", "s3:ListBucket"]"#, r#""s3:ListBucket""#] {
        set_policy(&door, allow(actions)).await;
        assert_eq!(door.get("/bucket/missing").anonymously().send().await.error(), (404, "NoSuchKey"), "{actions}");
    }
    let below = r#", "Condition": {"StringLike": {"s3:prefix": "public/*"}}"#;
    set_policy(&door, policy("Allow", r#""*""#, r#""s3:ListBucket""#, below)).await;
    assert_eq!(door.get("/bucket/public/missing").anonymously().send().await.error(), (404, "NoSuchKey"));
    assert_eq!(door.get("/bucket/private/missing").anonymously().send().await.error(), (403, "AccessDenied"));
}
