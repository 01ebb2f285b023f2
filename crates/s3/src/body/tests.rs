//! Every way of protecting a body, with every way of signing its head, whole and damaged.

use env::ManualClock;
use futures_util::StreamExt;
use http::Request;

use super::*;
use crate::auth::Authenticator;
use crate::auth::fuzzing::{NOW, SCOPE, SECRET_KEY, SIGNED_AT, sha256, sign as signature};
use crate::auth::tests::authenticate_with;
use crate::uri::Query;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Unsigned,
    Literal,
    SignedChunks,
    SignedChunksTrailer,
    UnsignedChunksTrailer,
}

const MODES: [Mode; 5] =
    [Mode::Unsigned, Mode::Literal, Mode::SignedChunks, Mode::SignedChunksTrailer, Mode::UnsignedChunksTrailer];

impl Mode {
    fn declared(self, content: &[u8]) -> String {
        match self {
            Self::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            Self::Literal => sha256(content),
            Self::SignedChunks => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(),
            Self::SignedChunksTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER".to_owned(),
            Self::UnsignedChunksTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
        }
    }

    fn is_chunked(self) -> bool {
        !matches!(self, Self::Unsigned | Self::Literal)
    }

    fn has_trailer(self) -> bool {
        matches!(self, Self::SignedChunksTrailer | Self::UnsignedChunksTrailer)
    }
}

/// A signed request: its head and its body on the wire.
struct Signed {
    head: http::request::Parts,
    wire: Vec<u8>,
}

/// Signs a PUT of `content` with `mode`, in the header or in the query.
fn sign(mode: Mode, presigned: bool, content: &[u8]) -> Signed {
    let declared = mode.declared(content);
    let mut headers = vec![("host", "localhost".to_owned()), ("x-amz-content-sha256", declared.clone())];
    if mode.is_chunked() {
        headers.push(("x-amz-decoded-content-length", content.len().to_string()));
    }
    if mode.has_trailer() {
        headers.push(("x-amz-trailer", "x-amz-checksum-crc32".to_owned()));
    }
    if !presigned {
        headers.push(("x-amz-date", SIGNED_AT.to_owned()));
    }
    headers.sort();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let canonical_headers: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let query = if presigned {
        format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F{}&X-Amz-Date={SIGNED_AT}\
             &X-Amz-Expires=60&X-Amz-SignedHeaders={}",
            SCOPE.replace('/', "%2F"),
            names.replace(';', "%3B"),
        )
    } else {
        String::new()
    };
    let canonical = format!("PUT\n/bucket/key\n{query}\n{canonical_headers}\n{names}\n{declared}");
    let seed = signature(&format!("AWS4-HMAC-SHA256\n{SIGNED_AT}\n{SCOPE}\n{}", sha256(canonical.as_bytes())));
    let uri = if presigned { format!("/bucket/key?{query}&X-Amz-Signature={seed}") } else { "/bucket/key".to_owned() };
    let mut request = Request::builder().method("PUT").uri(uri);
    for (name, value) in &headers {
        request = request.header(*name, value);
    }
    if !presigned {
        let credential = format!("Credential=AKIAIOSFODNN7EXAMPLE/{SCOPE}");
        let value = format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={seed}");
        request = request.header("authorization", value);
    }
    let head = request.body(()).unwrap().into_parts().0;
    Signed { head, wire: encode(mode, &seed, content) }
}

/// The body on the wire, in chunks of 5 bytes where there are chunks.
fn encode(mode: Mode, seed: &str, content: &[u8]) -> Vec<u8> {
    if !mode.is_chunked() {
        return content.to_vec();
    }
    let mut wire = Vec::new();
    let mut previous = seed.to_owned();
    for chunk in content.chunks(5).chain([&b""[..]]) {
        let extension = if mode == Mode::UnsignedChunksTrailer {
            String::new()
        } else {
            let (empty, content) = (sha256(b""), sha256(chunk));
            previous =
                signature(&format!("AWS4-HMAC-SHA256-PAYLOAD\n{SIGNED_AT}\n{SCOPE}\n{previous}\n{empty}\n{content}"));
            format!(";chunk-signature={previous}")
        };
        wire.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        if !chunk.is_empty() {
            wire.extend_from_slice(b"\r\n");
        }
    }
    if mode.has_trailer() {
        // The CRC-32 of "hello world", the content of these tests.
        wire.extend_from_slice(b"x-amz-checksum-crc32:DUoRhQ==\r\n");
    }
    if mode == Mode::SignedChunksTrailer {
        let content = sha256(b"x-amz-checksum-crc32:DUoRhQ==\n");
        let trailers = signature(&format!("AWS4-HMAC-SHA256-TRAILER\n{SIGNED_AT}\n{SCOPE}\n{previous}\n{content}"));
        wire.extend_from_slice(format!("x-amz-trailer-signature:{trailers}\r\n").as_bytes());
    }
    wire.extend_from_slice(b"\r\n");
    wire
}

/// Authenticates the head, then reads the body to its end.
fn receive(signed: &Signed) -> Result<(Bytes, Option<Checksum>)> {
    let clock = Arc::new(ManualClock::new(NOW));
    let authenticator = Authenticator::new(&crate::config::Config::default(), clock.clone());
    let query = Query::parse(signed.head.uri.query().unwrap_or_default())?;
    let keys = ("AKIAIOSFODNN7EXAMPLE", SECRET_KEY);
    let payload = authenticate_with(&authenticator, keys, &signed.head, &query)?.payload;
    let framing = BodyFraming {
        payload,
        content_length: None,
        checksum_trailer: checksum::announced_trailer(&signed.head.headers)?,
        patience: Duration::from_secs(1),
    };
    let pieces: Vec<_> = signed.wire.chunks(7).map(Bytes::copy_from_slice).map(Ok::<_, std::io::Error>).collect();
    let body = axum::body::Body::from_stream(futures_util::stream::iter(pieces));
    let mut body = RequestBody::new(body, framing, clock, Arc::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let content = runtime.block_on(body.read_bounded(100_000))?;
    Ok((content, body.trailer()))
}

fn code(signed: &Signed) -> &'static str {
    receive(signed).map_or_else(|error| error.code().as_str(), |_| "accepted")
}

const CONTENT: &[u8] = b"hello world";

#[test]
fn whole_bodies_are_accepted_in_every_mode_and_location() {
    for mode in MODES {
        for presigned in [false, true] {
            let (content, trailer) = receive(&sign(mode, presigned, CONTENT)).unwrap();
            assert_eq!(content, CONTENT, "{mode:?} {presigned}");
            assert_eq!(trailer.is_some(), mode.has_trailer(), "{mode:?} {presigned}");
        }
    }
}

#[test]
fn a_wrong_signature_of_the_head_is_refused_in_every_mode_and_location() {
    for mode in MODES {
        for presigned in [false, true] {
            let mut signed = sign(mode, presigned, CONTENT);
            signed.head.method = http::Method::POST;
            assert_eq!(code(&signed), "SignatureDoesNotMatch", "{mode:?} {presigned}");
        }
    }
}

#[test]
fn the_mode_cannot_be_changed_without_the_signature() {
    for mode in MODES {
        for other in MODES.into_iter().filter(|other| *other != mode) {
            for presigned in [false, true] {
                let mut signed = sign(mode, presigned, CONTENT);
                let declared = other.declared(CONTENT).parse().unwrap();
                signed.head.headers.insert("x-amz-content-sha256", declared);
                assert_eq!(code(&signed), "SignatureDoesNotMatch", "{mode:?} -> {other:?} {presigned}");
            }
        }
    }
}

#[test]
fn every_changed_byte_of_a_protected_body_is_refused() {
    for mode in [Mode::Literal, Mode::SignedChunks, Mode::SignedChunksTrailer] {
        for presigned in [false, true] {
            let whole = sign(mode, presigned, CONTENT);
            for index in 0..whole.wire.len() {
                let mut signed = sign(mode, presigned, CONTENT);
                signed.wire[index] ^= 0x01;
                assert_ne!(code(&signed), "accepted", "{mode:?} {presigned} byte {index}");
            }
        }
    }
}

#[test]
fn every_truncated_body_is_refused() {
    for mode in MODES.into_iter().filter(|mode| *mode != Mode::Unsigned) {
        let whole = sign(mode, false, CONTENT);
        for size in 0..whole.wire.len() {
            let mut signed = sign(mode, false, CONTENT);
            signed.wire.truncate(size);
            assert_ne!(code(&signed), "accepted", "{mode:?} cut at {size}");
        }
    }
}

#[test]
fn each_damage_has_its_error() {
    let replaced = |mode: Mode, from: &str, to: &str| {
        let mut signed = sign(mode, false, CONTENT);
        let wire = String::from_utf8(signed.wire).unwrap();
        assert!(wire.contains(from), "{wire:?}");
        signed.wire = wire.replacen(from, to, 1).into_bytes();
        code(&signed)
    };
    assert_eq!(replaced(Mode::Literal, "hello", "jello"), "XAmzContentSHA256Mismatch");
    assert_eq!(replaced(Mode::SignedChunks, "hello", "jello"), "SignatureDoesNotMatch");
    assert_eq!(replaced(Mode::SignedChunks, ";chunk-signature=", ";chunk-signaturf="), "SignatureDoesNotMatch");
    assert_eq!(replaced(Mode::SignedChunksTrailer, "DUoRhQ", "DUoRhR"), "SignatureDoesNotMatch");
    assert_eq!(replaced(Mode::SignedChunksTrailer, "trailer-signature:", "trailer-signatur:"), "SignatureDoesNotMatch");
    assert_eq!(replaced(Mode::UnsignedChunksTrailer, "\r\n\r\n", "\r\n\r\nmore"), "InvalidRequest");
    assert_eq!(replaced(Mode::UnsignedChunksTrailer, "5\r\nhello", "6\r\nhello"), "InvalidRequest");
    assert_eq!(replaced(Mode::UnsignedChunksTrailer, "crc32:DUoRhQ==", "sha1:DUoRhQ=="), "InvalidRequest");
    assert_eq!(replaced(Mode::UnsignedChunksTrailer, "1\r\nd\r\n0\r\n", "0\r\n"), "IncompleteBody");
}

#[test]
fn a_body_that_stalls_is_cut_off() {
    let stalled = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"hello"))])
        .chain(futures_util::stream::pending());
    let framing = BodyFraming {
        payload: Payload::Unsigned,
        content_length: Some(11),
        checksum_trailer: None,
        patience: Duration::from_secs(30),
    };
    // The timers of this clock are over at once.
    let clock = Arc::new(ManualClock::new(NOW));
    let received = Arc::new(Received::default());
    let mut body = RequestBody::new(axum::body::Body::from_stream(stalled), framing, clock, received.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(body.read_bounded(1000)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::RequestTimeout);
    assert_eq!(received.bytes(), 5);
}

#[test]
fn a_body_in_memory_is_bounded_by_what_it_declares_and_by_what_it_is() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (content_length, declared) in [(Some(11), "declared"), (None, "not declared")] {
        let framing = BodyFraming {
            payload: Payload::Unsigned,
            content_length,
            checksum_trailer: None,
            patience: Duration::from_secs(30),
        };
        let clock = Arc::new(ManualClock::new(NOW));
        let mut body = RequestBody::new(axum::body::Body::from(CONTENT), framing, clock, Arc::default());
        let error = runtime.block_on(body.read_bounded(10)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::MaxMessageLengthExceeded, "{declared}");
    }
}

/// The documentation's "Transferring payload in multiple chunks" examples: 65 KiB of the letter a.
mod documented {
    use super::*;

    fn receive_documented(head: &[(&str, &str)], wire: Vec<u8>) -> Result<(Bytes, Option<Checksum>)> {
        let mut request = Request::builder().method("PUT").uri("/examplebucket/chunkObject.txt");
        for (name, value) in head {
            request = request.header(*name, *value);
        }
        let head = request.body(()).unwrap().into_parts().0;
        super::receive(&Signed { head, wire })
    }

    fn wire(signatures: [&str; 3], trailers: &str) -> Vec<u8> {
        let [first, second, last] = signatures;
        let mut wire = format!("10000;chunk-signature={first}\r\n").into_bytes();
        wire.extend_from_slice(&[b'a'; 65536]);
        wire.extend_from_slice(format!("\r\n400;chunk-signature={second}\r\n").as_bytes());
        wire.extend_from_slice(&[b'a'; 1024]);
        wire.extend_from_slice(format!("\r\n0;chunk-signature={last}\r\n{trailers}\r\n").as_bytes());
        wire
    }

    fn authorization(signed_headers: &str, signature: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{SCOPE},SignedHeaders={signed_headers},\
             Signature={signature}"
        )
    }

    #[test]
    fn signed_chunks_are_accepted() {
        let authorization = authorization(
            "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
             x-amz-storage-class",
            "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        );
        let head = [
            ("host", "s3.amazonaws.com"),
            ("x-amz-date", SIGNED_AT),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("authorization", authorization.as_str()),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("content-length", "66824"),
        ];
        let signatures = [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ];
        let wire = wire(signatures, "");
        assert_eq!(wire.len(), 66824);
        let (content, _) = receive_documented(&head, wire).unwrap();
        assert_eq!(content.len(), 66560);
    }

    #[test]
    fn signed_chunks_with_a_trailer_are_accepted() {
        let authorization = authorization(
            "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class;\
             x-amz-trailer",
            "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        );
        let head = [
            ("host", "s3.amazonaws.com"),
            ("x-amz-date", SIGNED_AT),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("authorization", authorization.as_str()),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "66560"),
            ("x-amz-trailer", "x-amz-checksum-crc32c"),
        ];
        let signatures = [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ];
        let trailers = "x-amz-checksum-crc32c:sOO8/Q==\n\
            x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n";
        let (content, trailer) = receive_documented(&head, wire(signatures, trailers)).unwrap();
        assert_eq!(content.len(), 66560);
        assert_eq!(trailer.unwrap().algorithm(), ChecksumAlgorithm::Crc32c);
    }
}
