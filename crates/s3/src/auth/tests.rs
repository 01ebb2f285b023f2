//! The examples of the S3 documentation, the signatures of an independent signer, and every way of failing.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use env::ManualClock;
use http::Request;
use proptest::prelude::*;

use super::fuzzing::{ACCESS_KEY, NOW, SECRET_KEY};
use super::*;

const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// An authenticator that knows the documentation's credential, `seconds` after the examples were signed.
fn authenticator(seconds: i64) -> Authenticator {
    let now = NOW.0.checked_add_signed(seconds * 1000).unwrap();
    let clock = Arc::new(ManualClock::new(UnixMillis(now)));
    Authenticator::new(&Config::default(), clock)
}

/// What the front door does, for a server that knows this key alone.
pub(crate) fn authenticate_with(
    authenticator: &Authenticator,
    (access_key, secret_key): (&str, &str),
    head: &Parts,
    query: &Query,
) -> Result<Authenticated> {
    let Some(claim) = authenticator.claim(head, query, &[Service::S3])? else { return unsigned(head, query) };
    if claim.access_key() != access_key {
        return Err(ErrorCode::InvalidAccessKeyId.into());
    }
    if claim.token().is_some() {
        return Err(ErrorCode::InvalidToken.into());
    }
    let known = Known::root(fuzzing::credential(access_key, secret_key));
    authenticator.verify(claim, head, query, Arc::new(known))
}

fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn authenticate_at(seconds: i64, head: &Parts) -> Result<Authenticated> {
    let query = Query::parse(head.uri.query().unwrap_or_default())?;
    authenticate_with(&authenticator(seconds), (ACCESS_KEY, SECRET_KEY), head, &query)
}

fn refusal(seconds: i64, head: &Parts) -> (&'static str, String) {
    let error = authenticate_at(seconds, head).err().expect("the request is refused");
    (error.code().as_str(), error.message().to_owned())
}

fn authorization(signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed_headers},\
         Signature={signature}"
    )
}

/// The documentation's "GET Object" example.
fn example_get(authorization: &str) -> Parts {
    head(
        "GET",
        "/test.txt",
        &[
            ("host", "examplebucket.s3.amazonaws.com"),
            ("authorization", authorization),
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", EMPTY_SHA256),
            ("x-amz-date", "20130524T000000Z"),
        ],
    )
}

const EXAMPLE_GET_HEADERS: &str = "host;range;x-amz-content-sha256;x-amz-date";
const EXAMPLE_GET_SIGNATURE: &str = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";

const EXAMPLE_PRESIGNED: &str = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
    &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z\
    &X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
    &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

const EXAMPLE_HOST: [(&str, &str); 1] = [("host", "examplebucket.s3.amazonaws.com")];

#[test]
fn the_documented_get_is_accepted() {
    let found = authenticate_at(0, &example_get(&authorization(EXAMPLE_GET_HEADERS, EXAMPLE_GET_SIGNATURE))).unwrap();
    let signature = found.signature.unwrap();
    assert_eq!(signature.known.credential.access_key.as_str(), ACCESS_KEY);
    assert!(matches!(found.payload, Payload::Sha256(_)));
    assert!(!signature.presigned);
}

#[test]
fn the_documented_put_is_accepted() {
    let signed = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class";
    let signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
    for path in ["/test$file.text", "/test%24file.text"] {
        let head = head(
            "PUT",
            path,
            &[
                ("host", "examplebucket.s3.amazonaws.com"),
                ("authorization", &authorization(signed, signature)),
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-date", "20130524T000000Z"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
            ],
        );
        assert!(authenticate_at(0, &head).is_ok(), "{path}");
    }
}

#[test]
fn the_documented_queries_are_accepted() {
    for (uri, signature) in [
        ("/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/?lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ("/?prefix=%4A&max-keys=2", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ] {
        let authorization = authorization("host;x-amz-content-sha256;x-amz-date", signature);
        let head = head(
            "GET",
            uri,
            &[
                ("host", "examplebucket.s3.amazonaws.com"),
                ("authorization", &authorization),
                ("x-amz-content-sha256", EMPTY_SHA256),
                ("x-amz-date", "20130524T000000Z"),
            ],
        );
        assert!(authenticate_at(0, &head).is_ok(), "{uri}");
    }
}

#[test]
fn the_documented_presigned_url_is_accepted_until_it_expires() {
    let head = head("GET", EXAMPLE_PRESIGNED, &EXAMPLE_HOST);
    for seconds in [-900, 0, 86_399] {
        let found = authenticate_at(seconds, &head).unwrap();
        assert!(matches!(found.payload, Payload::Unsigned) && found.signature.unwrap().presigned);
    }
    assert_eq!(refusal(86_400, &head), ("AccessDenied", "Request has expired".to_owned()));
    assert_eq!(refusal(-901, &head), ("AccessDenied", "Request is not yet valid".to_owned()));
}

#[test]
fn a_changed_presigned_url_is_refused() {
    for (from, to, code) in [
        ("test.txt", "best.txt", "SignatureDoesNotMatch"),
        ("X-Amz-Expires=86400", "X-Amz-Expires=86401", "SignatureDoesNotMatch"),
        ("aeeed9", "beeed9", "SignatureDoesNotMatch"),
        ("X-Amz-Signature=aeeed9", "X-Amz-Signature=zeeed9", "SignatureDoesNotMatch"),
        ("&X-Amz-Date", "&added=1&X-Amz-Date", "SignatureDoesNotMatch"),
        ("X-Amz-Expires=86400", "X-Amz-Expires=604801", "AccessDenied"),
        ("X-Amz-Expires=86400", "X-Amz-Expires=-7", "AccessDenied"),
        ("X-Amz-Expires=86400", "X-Amz-Expires=soon", "AuthorizationQueryParametersError"),
        ("X-Amz-Expires=86400", "X-Amz-Expires=86400&X-Amz-Expires=1", "AuthorizationQueryParametersError"),
        ("X-Amz-Expires=86400&", "", "AuthorizationQueryParametersError"),
        ("X-Amz-Date=20130524T000000Z", "X-Amz-Date=20130524", "AuthorizationQueryParametersError"),
        ("X-Amz-Date=20130524", "X-Amz-Date=20130525", "AuthorizationQueryParametersError"),
        ("us-east-1", "us-west-2", "AuthorizationQueryParametersError"),
        ("%2Fs3%2F", "%2Fiam%2F", "AuthorizationQueryParametersError"),
        ("aws4_request", "aws5_request", "AuthorizationQueryParametersError"),
        ("%2F20130524", "", "AuthorizationQueryParametersError"),
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-MD5", "AuthorizationQueryParametersError"),
        ("SignedHeaders=host", "SignedHeaders=range", "AccessDenied"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7UNKNOWN", "InvalidAccessKeyId"),
    ] {
        let uri = EXAMPLE_PRESIGNED.replacen(from, to, 1);
        assert_ne!(uri, EXAMPLE_PRESIGNED);
        assert_eq!(refusal(0, &head("GET", &uri, &EXAMPLE_HOST)).0, code, "{from} -> {to}");
    }
}

#[test]
fn every_header_that_acts_must_be_signed() {
    for name in [
        "x-amz-meta-color",
        "x-amz-copy-source",
        "x-amz-acl",
        "x-amz-storage-class",
        "x-amz-tagging",
        "x-amz-checksum-crc32",
    ] {
        let headers = [EXAMPLE_HOST[0], (name, "value")];
        let error = authenticate_at(0, &head("PUT", EXAMPLE_PRESIGNED, &headers)).err().unwrap();
        assert_eq!(error.message(), "There were headers present in the request which were not signed", "{name}");
        assert!(error.details().contains(&("HeadersNotSigned", name.to_owned())), "{name}");
    }
}

#[test]
fn a_changed_header_signature_is_refused() {
    let valid = authorization(EXAMPLE_GET_HEADERS, EXAMPLE_GET_SIGNATURE);
    for (from, to, code) in [
        ("f0e8bdb8", "00e8bdb8", "SignatureDoesNotMatch"),
        ("Signature=f0e8bdb8", "Signature=f0e8bdb", "SignatureDoesNotMatch"),
        ("host;range;", "host;", "SignatureDoesNotMatch"),
        ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7UNKNOWN", "InvalidAccessKeyId"),
        ("us-east-1", "us-west-2", "AuthorizationHeaderMalformed"),
        ("/s3/", "/iam/", "AuthorizationHeaderMalformed"),
        ("aws4_request", "aws5_request", "AuthorizationHeaderMalformed"),
        ("/20130524", "/20130523", "AuthorizationHeaderMalformed"),
        ("/20130524/", "/", "AuthorizationHeaderMalformed"),
        ("Credential=", "Credentials=", "AuthorizationHeaderMalformed"),
        ("SignedHeaders=", "Credential=x,SignedHeaders=", "AuthorizationHeaderMalformed"),
        (",Signature=", ",Sig=", "AuthorizationHeaderMalformed"),
        ("host;", "", "AccessDenied"),
        (";x-amz-date", "", "AccessDenied"),
        ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-MD5 ", "InvalidRequest"),
        ("AWS4-HMAC-SHA256 ", "Bearer ", "InvalidArgument"),
        ("AWS4-HMAC-SHA256 ", "AWS ", "InvalidRequest"),
    ] {
        let changed = valid.replacen(from, to, 1);
        assert_ne!(changed, valid);
        assert_eq!(refusal(0, &example_get(&changed)).0, code, "{from} -> {to}");
    }
}

#[test]
fn a_wrong_region_names_the_right_one() {
    let changed = authorization(EXAMPLE_GET_HEADERS, EXAMPLE_GET_SIGNATURE).replace("us-east-1", "us-west-2");
    let error = authenticate_at(0, &example_get(&changed)).err().unwrap();
    assert_eq!(
        error.message(),
        "The authorization header is malformed; the region 'us-west-2' is wrong; expecting 'us-east-1'"
    );
    assert!(error.details().contains(&("Region", "us-east-1".to_owned())));
}

#[test]
fn a_wrong_signature_explains_what_was_signed_and_no_more() {
    let changed = authorization(EXAMPLE_GET_HEADERS, &"0".repeat(64));
    let error = authenticate_at(0, &example_get(&changed)).err().unwrap();
    let detail = |name| error.details().iter().find(|(found, _)| *found == name).unwrap().1.as_str();
    assert_eq!(detail("AWSAccessKeyId"), ACCESS_KEY);
    assert_eq!(detail("SignatureProvided"), "0".repeat(64));
    assert_eq!(
        detail("StringToSign"),
        "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
         7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972"
    );
    assert!(detail("CanonicalRequest").starts_with("GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\n"));
    assert!(!format!("{error:?}").contains(EXAMPLE_GET_SIGNATURE), "the right signature must not leak");
}

#[test]
fn a_clock_that_is_off_is_told_so() {
    let head = example_get(&authorization(EXAMPLE_GET_HEADERS, EXAMPLE_GET_SIGNATURE));
    for seconds in [-900, 900] {
        assert!(authenticate_at(seconds, &head).is_ok(), "{seconds}");
    }
    for seconds in [-901, 901] {
        let error = authenticate_at(seconds, &head).err().unwrap();
        assert_eq!(error.code(), ErrorCode::RequestTimeTooSkewed);
        assert!(error.details().contains(&("MaxAllowedSkewMilliseconds", "900000".to_owned())));
    }
}

#[test]
fn a_request_that_claims_nothing_is_anonymous() {
    let hash = ("x-amz-content-sha256", EMPTY_SHA256);
    for (headers, hashed) in [
        ([EXAMPLE_HOST[0]].as_slice(), false),
        (&[EXAMPLE_HOST[0], ("authorization", "")], false),
        (&[EXAMPLE_HOST[0], hash], true),
    ] {
        let found = authenticate_at(0, &head("GET", "/bucket/key", headers)).unwrap();
        assert!(found.signature.is_none(), "{headers:?}");
        assert_eq!(matches!(found.payload, Payload::Sha256(_)), hashed, "{headers:?}");
    }
    let signed_chunks = ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    let claims_chunks = [EXAMPLE_HOST[0], signed_chunks, ("x-amz-decoded-content-length", "1")];
    assert_eq!(refusal(0, &head("PUT", "/bucket/key", &claims_chunks)).0, "AccessDenied");
}

#[test]
fn doubly_signed_requests_are_refused() {
    let valid = authorization(EXAMPLE_GET_HEADERS, EXAMPLE_GET_SIGNATURE);
    let both = [EXAMPLE_HOST[0], ("authorization", valid.as_str())];
    assert_eq!(refusal(0, &head("GET", EXAMPLE_PRESIGNED, &both)).0, "InvalidArgument");
    let twice = [EXAMPLE_HOST[0], ("authorization", valid.as_str()), ("authorization", valid.as_str())];
    assert_eq!(refusal(0, &head("GET", "/test.txt", &twice)).0, "InvalidArgument");
    let version_2 = "/test.txt?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=abc&Expires=1";
    assert_eq!(refusal(0, &head("GET", version_2, &EXAMPLE_HOST)).0, "InvalidRequest");
}

#[test]
fn dates_hashes_and_tokens_are_checked_before_the_signature() {
    let valid = authorization(EXAMPLE_GET_HEADERS, EXAMPLE_GET_SIGNATURE);
    let check = |changed: (&'static str, Option<&str>)| {
        let mut head = example_get(&valid);
        head.headers.remove(changed.0);
        if let Some(value) = changed.1 {
            head.headers.insert(changed.0, value.parse().unwrap());
        }
        refusal(0, &head).0
    };
    assert_eq!(check(("x-amz-date", None)), "AccessDenied");
    assert_eq!(check(("x-amz-date", Some("today"))), "AccessDenied");
    assert_eq!(check(("x-amz-content-sha256", None)), "InvalidRequest");
    assert_eq!(check(("x-amz-content-sha256", Some("abc"))), "InvalidArgument");
    assert_eq!(check(("x-amz-content-sha256", Some("STREAMING-AWS4-HMAC-SHA512-PAYLOAD"))), "InvalidArgument");
    let uri = EXAMPLE_PRESIGNED.replace("X-Amz-Signature", "X-Amz-Security-Token=token&X-Amz-Signature");
    assert_eq!(refusal(0, &head("GET", &uri, &EXAMPLE_HOST)).0, "InvalidToken");
}

/// Signs with the SDK's own signer, then verifies.
fn verify_signed(method: &str, uri: &str, headers: &[(&str, &str)], location: SignatureLocation) -> Result<()> {
    let identity = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test").into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.signature_location = location;
    settings.expires_in = (location == SignatureLocation::QueryParams).then_some(Duration::from_secs(60));
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(UNIX_EPOCH + Duration::from_millis(NOW.0))
        .settings(settings)
        .build()
        .unwrap();
    let url = format!("http://localhost:9000{uri}");
    let body = SignableBody::UnsignedPayload;
    let signable = SignableRequest::new(method, url.as_str(), headers.iter().copied(), body).unwrap();
    let (instructions, _) = sign(signable, &parameters.into()).unwrap().into_parts();
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(()).unwrap();
    instructions.apply_to_request_http1x(&mut request);
    let (mut head, ()) = request.into_parts();
    head.headers.insert("host", "localhost:9000".parse().unwrap());
    authenticate_at(0, &head).map(|_| ())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_an_sdk_signs_is_accepted(
        key in "[a-zA-Z0-9/ .~_+&=$@,:;?#%*'()!äß🌱-]{1,40}",
        name in "[a-zA-Z-]{1,10}",
        value in "[a-zA-Z0-9/ ~_+&=äß-]{0,20}",
        color in "[a-zA-Z][a-zA-Z0-9 ]{0,10}[a-zA-Z]",
    ) {
        let uri = format!("/bucket/{}?{}={}&x-id=GetObject", crate::uri::encode_path(&key), name, crate::uri::encode(&value));
        let headers = [("x-amz-meta-color", color.as_str()), ("content-type", "text/plain")];
        for location in [SignatureLocation::Headers, SignatureLocation::QueryParams] {
            let outcome = verify_signed("PUT", &uri, &headers, location);
            prop_assert!(outcome.is_ok(), "{} {}: {:?}", location == SignatureLocation::Headers, uri, outcome.err());
        }
    }

    #[test]
    fn no_authorization_header_that_somebody_makes_up_is_believed(text in "[ -~]{0,120}") {
        let head = example_get(&text);
        prop_assert!(authenticate_at(0, &head).is_ok_and(|found| found.signature.is_none()) == text.trim().is_empty());
        let prefixed = example_get(&format!("AWS4-HMAC-SHA256 {text}"));
        prop_assert!(authenticate_at(0, &prefixed).is_err());
    }

    #[test]
    fn no_query_that_somebody_makes_up_is_believed(text in "(X-Amz-(Algorithm|Credential|Date|Expires|Signature)=[a-zA-Z0-9%/-]{0,20}&){0,8}") {
        if let Ok(query) = Query::parse(&text) {
            let head = head("GET", "/bucket/key", &EXAMPLE_HOST);
            let found = authenticate_with(&authenticator(0), (ACCESS_KEY, SECRET_KEY), &head, &query);
            prop_assert!(found.is_err() || found.is_ok_and(|found| found.signature.is_none()));
        }
    }
}
