//! Any body in chunks, however it is cut up on its way, against a decoder that has the whole of it.

use bytes::Bytes;
use store::BodyError;

use super::chunk_decoder::{ChunkDecoder, Trailers};
use crate::auth::fuzzing::{SCOPE, SIGNED_AT, chunk_signer, sha256, sign};

/// What the head of the request was signed with.
const SEED: &str = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Unsigned,
    Signed,
    SignedTrailer,
}

/// A line with a mode and the declared size, then a body. Where it has signatures they are replaced by right ones, as nobody
/// guesses those.
///
/// The decoder gives the same in pieces of any size, and what the documentation says; no more than was declared; and no
/// other bytes when some of a signed body were changed.
pub fn chunks(input: &[u8]) {
    let Some((mode, size, wire)) = parse(input) else { return };
    let wire = if mode == Mode::Unsigned { wire.to_vec() } else { signed(wire, mode) };
    let whole = decode(mode, size, &wire, wire.len().max(1));
    assert_eq!(whole.as_ref().ok(), reference(mode, size, &wire).as_ref());
    for piece in [1, 2, 7, wire.len() / 2 + 1] {
        assert_eq!(decode(mode, size, &wire, piece), whole, "in pieces of {piece}");
    }
    let Ok((content, _)) = &whole else { return };
    assert_eq!(content.len() as u64, size);
    if mode != Mode::Unsigned {
        let at = sha256(&wire).bytes().map(usize::from).sum::<usize>() * 31 % wire.len();
        let mut changed = wire;
        changed[at] ^= 0x20;
        if let Ok(accepted) = decode(mode, size, &changed, 64) {
            assert_eq!(Ok(accepted), whole, "byte {at} was changed");
        }
    }
}

fn parse(input: &[u8]) -> Option<(Mode, u64, &[u8])> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    let (mode, size) = std::str::from_utf8(&input[..end]).ok()?.split_once(' ')?;
    let mode = match mode {
        "unsigned" => Mode::Unsigned,
        "signed" => Mode::Signed,
        "signed-trailer" => Mode::SignedTrailer,
        _ => return None,
    };
    Some((mode, size.parse().ok()?, &input[end + 1..]))
}

fn decode(mode: Mode, size: u64, wire: &[u8], piece: usize) -> Result<(Vec<u8>, Trailers), BodyError> {
    let signer = (mode != Mode::Unsigned).then(|| chunk_signer(SEED));
    let mut decoder = ChunkDecoder::new(signer, mode != Mode::Signed, size);
    let mut decoded = Vec::new();
    for piece in wire.chunks(piece) {
        let mut input = Bytes::copy_from_slice(piece);
        while let Some(data) = decoder.decode(&mut input)? {
            decoded.extend_from_slice(&data);
            assert!(decoded.len() as u64 <= size, "more than was declared");
        }
    }
    let trailers = decoder.finish()?;
    Ok((decoded, trailers))
}

fn chunk_signature(previous: &str, content: &[u8]) -> String {
    let (empty, content) = (sha256(b""), sha256(content));
    sign(&format!("AWS4-HMAC-SHA256-PAYLOAD\n{SIGNED_AT}\n{SCOPE}\n{previous}\n{empty}\n{content}"))
}

fn trailer_signature(previous: &str, trailers: &Trailers) -> String {
    let lines: String = trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    sign(&format!("AWS4-HMAC-SHA256-TRAILER\n{SIGNED_AT}\n{SCOPE}\n{previous}\n{}", sha256(lines.as_bytes())))
}

/// `wire` up to the first `end`, and what follows that.
fn split<'a>(wire: &'a [u8], end: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = wire.windows(end.len()).position(|window| window == end)?;
    Some((&wire[..at], &wire[at + end.len()..]))
}

fn size_of(digits: &[u8]) -> Option<u64> {
    let valid = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| valid)?;
    u64::from_str_radix(digits, 16).ok()
}

fn trailer(line: &[u8]) -> Option<(String, String)> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    let trim = |text: &str| text.trim_matches([' ', '\t']).to_owned();
    Some((trim(name).to_ascii_lowercase(), trim(value)))
}

/// Puts right signatures in the places of those in `wire`, as far as its chunks can be told apart.
fn signed(wire: &[u8], mode: Mode) -> Vec<u8> {
    const MARK: &[u8] = b";chunk-signature=";
    let (mut signed, mut rest, mut previous) = (Vec::new(), wire, SEED.to_owned());
    while let Some((line, after)) = split(rest, b"\r\n") {
        let Some((digits, _)) = split(line, MARK) else { break };
        let size = size_of(digits).and_then(|size| usize::try_from(size).ok());
        let Some(content) = size.and_then(|size| after.get(..size)) else { break };
        previous = chunk_signature(&previous, content);
        signed.extend([digits, MARK, previous.as_bytes(), b"\r\n", content].concat());
        rest = &after[content.len()..];
        if content.is_empty() {
            break;
        }
        let end = if rest.starts_with(b"\r\n") { 2 } else { 0 };
        signed.extend(&rest[..end]);
        rest = &rest[end..];
    }
    if mode == Mode::SignedTrailer {
        let lines: Vec<&[u8]> = rest.split_inclusive(|byte| *byte == b'\n').collect();
        let is_signature = |line: &&[u8]| line.starts_with(b"x-amz-trailer-signature:");
        let others = lines.iter().filter(|line| !is_signature(line));
        let trailers: Trailers = others.map_while(|line| trailer(line.trim_ascii_end())).collect();
        let line = format!("x-amz-trailer-signature:{}\r\n", trailer_signature(&previous, &trailers));
        for part in lines {
            signed.extend(if is_signature(&part) { line.as_bytes() } else { part });
        }
        return signed;
    }
    signed.extend(rest);
    signed
}

/// What the body holds, if all of it is as it should be.
fn reference(mode: Mode, size: u64, wire: &[u8]) -> Option<(Vec<u8>, Trailers)> {
    const LINE_MAX: usize = 1024;
    let (mut content, mut rest, mut previous) = (Vec::new(), wire, SEED.to_owned());
    loop {
        let (line, after) = split(rest, b"\n")?;
        let line = Some(line).filter(|line| line.len() <= LINE_MAX)?.strip_suffix(b"\r")?;
        let line = std::str::from_utf8(line).ok()?;
        let (digits, extension) = line.split_once(';').unwrap_or((line, ""));
        let chunk = after.get(..usize::try_from(size_of(digits.as_bytes())?).ok()?)?;
        if mode != Mode::Unsigned {
            let claimed = extension.strip_prefix("chunk-signature=")?;
            let expected = chunk_signature(&previous, chunk);
            previous = Some(claimed).filter(|claimed| claimed.eq_ignore_ascii_case(&expected))?.to_owned();
        }
        content.extend_from_slice(chunk);
        rest = &after[chunk.len()..];
        if chunk.is_empty() {
            break;
        }
        rest = rest.strip_prefix(b"\r\n")?;
    }
    let mut trailers = Trailers::new();
    loop {
        let (line, after) = split(rest, b"\n")?;
        let line = Some(line).filter(|line| line.len() <= LINE_MAX)?;
        rest = after;
        match line.strip_suffix(b"\r").unwrap_or(line) {
            b"" => break,
            _ if mode == Mode::Signed || trailers.len() == 8 => return None,
            line => trailers.push(trailer(line)?),
        }
    }
    if mode == Mode::SignedTrailer {
        let at = trailers.iter().position(|(name, _)| name == "x-amz-trailer-signature")?;
        let (_, claimed) = trailers.remove(at);
        Some(()).filter(|()| claimed.eq_ignore_ascii_case(&trailer_signature(&previous, &trailers)))?;
    }
    (rest.is_empty() && content.len() as u64 == size).then_some((content, trailers))
}
