//! Tables of documents: what is refused with which message, and what counts as public.

use super::*;

const ALL: &str =
    r#""Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*""#;

fn document(statement: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": [{{{statement}}}]}}"#)
}

#[track_caller]
fn refused_in_bucket(text: &str, message: &str) {
    let error = Policy::of_bucket(text, "photos").expect_err(text);
    assert_eq!(error.to_string(), message, "{text}");
}

#[test]
fn documents_of_buckets_are_read_in_all_their_forms() {
    for text in [
        document(ALL),
        format!(r#"{{"Statement": {{{ALL}}}}}"#),
        format!(
            r#"{{"Version": "2008-10-17", "Id": "x", "Statement": [{{"Sid": "a", {ALL}}}, {{"Sid": "a", {ALL}}}]}}"#
        ),
        document(&format!(
            r#"{ALL}, "Condition": {{"Bool": {{"aws:SecureTransport": false}}, "NumericLessThan": {{"s3:max-keys": 10}}}}"#
        )),
        document(
            r#""Effect": "Deny", "NotPrincipal": {"AWS": "123456789012"}, "NotAction": "s3:Get*", "NotResource": "arn:aws:s3:::photos/*""#,
        ),
        document(
            r#""Effect": "Allow", "Principal": "*", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"]"#,
        ),
        document(r#""Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "arn:aws:s3:::photos""#),
        document(r#""Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::*""#),
    ] {
        assert!(Policy::of_bucket(&text, "photos").is_ok(), "{text}");
    }
}

#[test]
fn malformed_documents_are_refused_in_the_words_of_aws() {
    let replaced = |from: &str, to: &str| document(&ALL.replacen(from, to, 1));
    let with = |more: &str| document(&format!("{ALL}, {more}"));
    let condition = |inside: &str| with(&format!(r#""Condition": {inside}"#));
    for (text, message) in [
        (String::new(), "Policies must be valid JSON and the first byte must be '{'"),
        ("[]".to_owned(), "Policies must be valid JSON and the first byte must be '{'"),
        ("{".to_owned(), "This policy contains invalid Json"),
        (format!("{} x", document(ALL)), "This policy contains invalid Json"),
        (with(r#""Effect": "Deny""#), "This policy contains invalid Json"),
        ("{}".to_owned(), "Missing required field Statement"),
        (r#"{"Statement": []}"#.to_owned(), "Could not parse the policy: Statement is empty!"),
        (r#"{"Statement": ["x"]}"#.to_owned(), "Invalid policy syntax."),
        (
            format!(r#"{{"Version": "2012-10-18", "Statement": {{{ALL}}}}}"#),
            "The policy must contain a valid version string",
        ),
        (format!(r#"{{"Versions": "2012-10-17", "Statement": {{{ALL}}}}}"#), "Unknown field Versions"),
        (with(r#""Principals": "*""#), "Unknown field Principals"),
        (replaced(r#""Effect": "Allow","#, ""), "Missing required field Effect"),
        (replaced("Allow", "allow"), "Invalid effect: allow"),
        (replaced(r#""Principal": "*","#, ""), "Missing required field Principal"),
        (replaced(r#""Action": "s3:GetObject","#, ""), "Missing required field Action"),
        (replaced(r#", "Resource": "arn:aws:s3:::photos/*""#, ""), "Missing required field Resource"),
        (replaced("\"Principal\"", "\"NotPrincipal\""), "Allow with NotPrincipal is not allowed."),
        (replaced("\"*\"", "\"me\""), "Invalid principal in policy"),
        (replaced("s3:GetObject", "s3:GetObjekt"), "Policy has invalid action"),
        (replaced("s3:GetObject", "GetObject"), "Policy has invalid action"),
        (replaced("s3:GetObject", "iam:GetUser"), "Policy has invalid action"),
        (replaced("s3:GetObject", "s3:ListBucket"), "Action does not apply to any resource(s) in statement"),
        (replaced("s3:GetObject", "s3:ListAllMyBuckets"), "Action does not apply to any resource(s) in statement"),
        (replaced("photos/*", "photos"), "Action does not apply to any resource(s) in statement"),
        (replaced("photos/*", "videos/*"), "Policy has invalid resource"),
        (replaced("arn:aws:s3:::photos/*", "photos/*"), "Policy has invalid resource"),
        (replaced("arn:aws:s3:::photos/*", "*"), "Policy has invalid resource"),
        (with(r#""NotAction": "s3:PutObject""#), "Invalid policy syntax."),
        (with(r#""Sid": 5"#), "Invalid policy syntax."),
        (condition(r#"{"StringIs": {"aws:Referer": "x"}}"#), "Invalid Condition type : StringIs"),
        (condition(r#"{"StringLike": {"aws:Refferer": "x"}}"#), "Policy has an invalid condition key"),
        (condition(r#"{"IpAddress": {"aws:SourceIp": "x"}}"#), "Conditions have an invalid value for key aws:SourceIp"),
        (condition(r#"{"StringLike": {"aws:Referer": []}}"#), "Invalid policy syntax."),
        (condition(r#"{"StringLike": {"aws:Referer": {}}}"#), "Invalid policy syntax."),
        (condition(r#"{"StringLike": "x"}"#), "Invalid policy syntax."),
        (condition(r#"[]"#), "Invalid policy syntax."),
    ] {
        refused_in_bucket(&text, message);
    }
}

#[test]
fn identities_name_no_principals_and_roles_no_resources() {
    let identity = |statement: &str| {
        Policy::of_identity(&document(statement), PolicyLimit::Managed).map(drop).map_err(|error| error.to_string())
    };
    let refused = |message: &str| Err(message.to_owned());
    assert_eq!(identity(r#""Effect": "Allow", "Action": ["s3:*", "ec2:RunInstances"], "Resource": "*""#), Ok(()));
    assert_eq!(identity(ALL), refused("Policy document should not specify a principal."));
    assert_eq!(
        identity(r#""Effect": "Allow", "Action": "GetObject", "Resource": "*""#),
        refused("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    );
    assert_eq!(
        identity(r#""Effect": "Allow", "Action": "s3:*", "Resource": "bucket""#),
        refused("Resource bucket must be in ARN format or \"*\".")
    );
    let twice = r#""Sid": "a", "Effect": "Allow", "Action": "s3:*", "Resource": "*""#;
    assert_eq!(
        identity(&format!("{twice}}}, {{{twice}")),
        refused("Statement IDs (SID) in a single policy must be unique.")
    );

    let role = |statement: &str| Policy::of_role(&document(statement)).map(drop).map_err(|error| error.to_string());
    assert_eq!(role(r#""Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole""#), Ok(()));
    assert_eq!(role(r#""Effect": "Allow", "Action": "sts:AssumeRole""#), refused("Missing required field Principal"));
    assert_eq!(
        role(r#""Effect": "Allow", "Principal": "*", "Action": "s3:GetObject""#),
        refused("AssumeRole policy may only specify STS AssumeRole actions.")
    );
    assert_eq!(
        role(r#""Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Resource": "*""#),
        refused("Has prohibited field Resource")
    );
}

#[test]
fn lengths_are_limited() {
    let padded = |length: usize| {
        let sid = "s".repeat(length - document(&format!(r#""Sid": "", {ALL}"#)).len());
        document(&format!(r#""Sid": "{sid}", {ALL}"#))
    };
    assert!(Policy::of_bucket(&padded(20 * 1024), "photos").is_ok());
    refused_in_bucket(&padded(20 * 1024 + 1), "Policy exceeds the maximum allowed document size.");

    let statement = r#""Effect": "Allow", "Action": "s3:*", "Resource": "*""#;
    let spaced = document(&format!("{}{statement}", " ".repeat(10_000)));
    assert!(Policy::of_identity(&spaced, PolicyLimit::InUser).is_ok(), "white space does not count");
    let long = document(&format!(r#""Sid": "{}", {statement}"#, "s".repeat(2048)));
    assert_eq!(Policy::of_identity(&long, PolicyLimit::InUser), Err(PolicyError::TooLong));
    assert!(Policy::of_identity(&long, PolicyLimit::Managed).is_ok());
}

#[test]
fn the_public_is_whom_nobody_can_count() {
    let statement = |principal: &str, condition: &str| {
        let statement = ALL.replacen("\"*\"", principal, 1);
        let condition = if condition.is_empty() { String::new() } else { format!(r#", "Condition": {condition}"#) };
        Policy::of_bucket(&document(&format!("{statement}{condition}")), "photos").unwrap().is_public()
    };
    for (principal, condition, public) in [
        (r#""*""#, "", true),
        (r#"{"AWS": "*"}"#, "", true),
        (r#"{"AWS": "123456789012"}"#, "", false),
        (r#"{"Service": "logging.s3.amazonaws.com"}"#, "", false),
        (r#"{"AWS": ["123456789012", "*"]}"#, "", true),
        (r#""*""#, r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/32"}}"#, false),
        (r#""*""#, r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#, false),
        (r#""*""#, r#"{"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/1"]}}"#, true),
        (r#""*""#, r#"{"IpAddress": {"aws:SourceIp": "2001:db8::/31"}}"#, true),
        (r#""*""#, r#"{"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#, true),
        (r#""*""#, r#"{"IpAddressIfExists": {"aws:SourceIp": "10.0.0.0/8"}}"#, true),
        (r#""*""#, r#"{"StringEquals": {"aws:SourceVpc": "vpc-91237329"}}"#, false),
        (r#""*""#, r#"{"StringLike": {"aws:SourceVpc": "vpc-*"}}"#, true),
        (r#""*""#, r#"{"StringEquals": {"aws:SourceVpc": "${aws:PrincipalTag/vpc}"}}"#, true),
        (r#""*""#, r#"{"StringLike": {"aws:userid": "AROAEXAMPLE:*"}}"#, false),
        (r#""*""#, r#"{"StringLike": {"aws:userid": "AROA*"}}"#, true),
        (r#""*""#, r#"{"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::123456789012:role/r"}}"#, false),
        (r#""*""#, r#"{"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-1"}}"#, true),
        (r#""*""#, r#"{"StringEquals": {"aws:UserAgent": "me"}}"#, true),
    ] {
        assert_eq!(statement(principal, condition), public, "{principal} {condition}");
    }
    let denial = document(&ALL.replacen("Allow", "Deny", 1));
    assert!(!Policy::of_bucket(&denial, "photos").unwrap().is_public());
}

#[test]
fn a_policy_tells_which_values_it_needs() {
    let text = document(
        r#""Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/${s3:ExistingObjectTag/team}/*",
           "Condition": {"StringEquals": {"aws:PrincipalTag/team": "${s3:RequestObjectTag/team}"}}"#,
    );
    let policy = Policy::of_bucket(&text, "photos").unwrap();
    let of_object = |key: &ConditionKey| matches!(key, ConditionKey::ExistingObjectTag(_));
    assert!(policy.needs(Action::GetObject, of_object));
    assert!(!policy.needs(Action::PutObject, of_object));
    assert!(policy.needs(Action::GetObject, |key| matches!(key, ConditionKey::RequestObjectTag(_))));
    assert!(!policy.needs(Action::GetObject, |key| *key == ConditionKey::SourceIp));
}
