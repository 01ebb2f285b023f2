//! The `aws-chunked` encoding: `<hex size>[;chunk-signature=<hex>]\r\n<bytes>\r\n` and so on to a chunk of size zero,
//! then trailers, then an empty line.
//!
//! A pure state machine. Data leaves it as it arrives; a chunk whose signature turns out wrong is reported at its end,
//! so whoever consumes the data must not make it visible before the decoder says that the body is complete.

use bytes::{Buf, Bytes};
use sha2::{Digest, Sha256};
use store::BodyError;

use crate::auth::ChunkSigner;

/// Longest line between chunks, and longest trailer. AWS writes 85 bytes before a chunk.
const LINE_SIZE_MAX: usize = 1024;

/// Most trailers; AWS knows a checksum and a signature.
const TRAILERS_MAX: usize = 8;

/// Name of the trailer that signs the others.
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// Names, in lower case, and values.
pub(crate) type Trailers = Vec<(String, String)>;

/// Decodes one body.
pub(crate) struct ChunkDecoder {
    state: State,
    signer: Option<ChunkSigner>,
    trailers_allowed: bool,
    /// Bytes that all chunks together must still bring.
    remaining_size: u64,
    /// The unfinished line.
    line: Vec<u8>,
    trailers: Trailers,
}

enum State {
    /// In the line before a chunk.
    Header,
    /// In the bytes of a chunk.
    Data { remaining_size: u64, signed: Option<SignedChunk> },
    /// In the line end behind the bytes of a chunk.
    DataEnd { signed: Option<SignedChunk> },
    /// In the lines behind the last chunk.
    Trailers,
    /// Behind everything.
    Complete,
}

/// A chunk whose signature is checked at its end.
struct SignedChunk {
    hasher: Sha256,
    signature: String,
}

impl ChunkDecoder {
    /// A decoder for a body of `decoded_size` bytes.
    pub(crate) fn new(signer: Option<ChunkSigner>, trailers_allowed: bool, decoded_size: u64) -> Self {
        Self {
            state: State::Header,
            signer,
            trailers_allowed,
            remaining_size: decoded_size,
            line: Vec::new(),
            trailers: Vec::new(),
        }
    }

    /// Consumes `input` up to the next piece of data and returns it; `None` when the input is used up.
    pub(crate) fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, BodyError> {
        while !input.is_empty() {
            match &mut self.state {
                State::Header => {
                    if let Some(line) = self.take_line(input)? {
                        self.start_chunk(&line)?;
                    }
                }
                State::Data { remaining_size, signed } => {
                    let size = usize::try_from(*remaining_size).unwrap_or(usize::MAX).min(input.len());
                    let data = input.split_to(size);
                    *remaining_size -= size as u64;
                    if let Some(signed) = signed {
                        signed.hasher.update(&data);
                    }
                    if *remaining_size == 0 {
                        let signed = signed.take();
                        self.state = State::DataEnd { signed };
                    }
                    return Ok(Some(data));
                }
                State::DataEnd { signed } => {
                    let signed = signed.take();
                    let Some(line) = self.take_line(input)? else {
                        self.state = State::DataEnd { signed };
                        continue;
                    };
                    if !line.is_empty() {
                        return Err(BodyError::Malformed("a chunk is longer than its header says"));
                    }
                    self.check_chunk(signed)?;
                    self.state = State::Header;
                }
                State::Trailers => {
                    if let Some(line) = self.take_line(input)? {
                        self.read_trailer(&line)?;
                    }
                }
                State::Complete => return Err(BodyError::Malformed("bytes follow the last chunk")),
            }
        }
        Ok(None)
    }

    /// Checks that the body was complete, and returns its trailers without their signature.
    pub(crate) fn finish(&mut self) -> Result<Trailers, BodyError> {
        let complete = matches!(self.state, State::Complete) && self.remaining_size == 0;
        if complete { Ok(std::mem::take(&mut self.trailers)) } else { Err(BodyError::Incomplete) }
    }

    /// Appends to the unfinished line; returns it without its end once that is there.
    fn take_line(&mut self, input: &mut Bytes) -> Result<Option<String>, BodyError> {
        let end = input.iter().position(|byte| *byte == b'\n');
        let size = end.unwrap_or(input.len());
        if LINE_SIZE_MAX < self.line.len() + size {
            return Err(BodyError::Malformed("a line between chunks is too long"));
        }
        self.line.extend_from_slice(&input[..size]);
        input.advance(size + usize::from(end.is_some()));
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.line);
        if line.pop_if(|last| *last == b'\r').is_none() && !matches!(self.state, State::Trailers) {
            return Err(BodyError::Malformed("a line between chunks does not end in CR LF"));
        }
        String::from_utf8(line).map(Some).map_err(|_| BodyError::Malformed("a line between chunks is not text"))
    }

    fn start_chunk(&mut self, line: &str) -> Result<(), BodyError> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let size = parse_size(size).ok_or(BodyError::Malformed("a chunk has no valid size"))?;
        self.remaining_size = self
            .remaining_size
            .checked_sub(size)
            .ok_or(BodyError::Malformed("the chunks hold more bytes than x-amz-decoded-content-length says"))?;
        let signed = if self.signer.is_some() {
            let signature = extension.strip_prefix("chunk-signature=").ok_or(BodyError::ChunkSignature)?;
            Some(SignedChunk { hasher: Sha256::new(), signature: signature.to_owned() })
        } else {
            None
        };
        if size > 0 {
            self.state = State::Data { remaining_size: size, signed };
            return Ok(());
        }
        self.check_chunk(signed)?;
        self.state = State::Trailers;
        Ok(())
    }

    fn check_chunk(&mut self, signed: Option<SignedChunk>) -> Result<(), BodyError> {
        let (Some(signed), Some(signer)) = (signed, &mut self.signer) else { return Ok(()) };
        let content: [u8; 32] = signed.hasher.finalize().into();
        if signer.verify_chunk(&content, &signed.signature) { Ok(()) } else { Err(BodyError::ChunkSignature) }
    }

    fn read_trailer(&mut self, line: &str) -> Result<(), BodyError> {
        if line.is_empty() {
            self.check_trailers()?;
            self.state = State::Complete;
            return Ok(());
        }
        if !self.trailers_allowed {
            return Err(BodyError::Malformed("trailers follow the last chunk but none were announced"));
        }
        let (name, value) = line.split_once(':').ok_or(BodyError::Malformed("a trailer has no colon"))?;
        if TRAILERS_MAX <= self.trailers.len() {
            return Err(BodyError::Malformed("too many trailers follow the last chunk"));
        }
        let trim = |text: &str| text.trim_matches([' ', '\t']).to_owned();
        self.trailers.push((trim(name).to_ascii_lowercase(), trim(value)));
        Ok(())
    }

    /// Signed chunks ask for signed trailers, even where there are none to sign.
    fn check_trailers(&mut self) -> Result<(), BodyError> {
        let Some(signer) = self.signer.as_mut().filter(|_| self.trailers_allowed) else { return Ok(()) };
        let position = self.trailers.iter().position(|(name, _)| name == TRAILER_SIGNATURE);
        let (_, signature) = position.map(|index| self.trailers.remove(index)).ok_or(BodyError::ChunkSignature)?;
        let canonical: String = self.trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let content: [u8; 32] = Sha256::digest(canonical).into();
        if signer.verify_trailers(&content, &signature) { Ok(()) } else { Err(BodyError::ChunkSignature) }
    }
}

/// Up to sixteen hexadecimal digits and nothing else.
fn parse_size(text: &str) -> Option<u64> {
    let valid = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if valid { u64::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds `encoded` in pieces of `piece` bytes; returns the decoded bytes and the trailers.
    fn decode(mut decoder: ChunkDecoder, encoded: &[u8], piece: usize) -> Result<(Vec<u8>, Trailers), BodyError> {
        let mut decoded = Vec::new();
        for piece in encoded.chunks(piece) {
            let mut input = Bytes::copy_from_slice(piece);
            while let Some(data) = decoder.decode(&mut input)? {
                decoded.extend_from_slice(&data);
            }
        }
        let trailers = decoder.finish()?;
        Ok((decoded, trailers))
    }

    fn unsigned(decoded_size: u64) -> ChunkDecoder {
        ChunkDecoder::new(None, true, decoded_size)
    }

    #[test]
    fn an_unsigned_body_gives_its_bytes_and_trailers() {
        let encoded = b"5\r\nhello\r\n6\r\n world\r\n0\r\nX-Amz-Checksum-Crc32: DUoRhQ==\r\n\r\n";
        for piece in 1..encoded.len() {
            let (decoded, trailers) = decode(unsigned(11), encoded, piece).unwrap();
            assert_eq!(decoded, b"hello world");
            assert_eq!(trailers, [("x-amz-checksum-crc32".to_owned(), "DUoRhQ==".to_owned())]);
        }
    }

    #[test]
    fn every_truncation_is_incomplete() {
        let encoded = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
        for size in 0..encoded.len() {
            assert_eq!(decode(unsigned(5), &encoded[..size], 7), Err(BodyError::Incomplete), "cut at {size}");
        }
    }

    #[test]
    fn lies_are_refused() {
        let cases: [(&[u8], u64); 12] = [
            (b"5\r\nhello!\r\n0\r\n\r\n", 5),
            (b"4\r\nhello\r\n0\r\n\r\n", 5),
            (b"5\r\nhello\r\n0\r\n\r\nextra", 5),
            (b"5\r\nhello\r\n0\r\n\r\n", 4),
            (b"-5\r\nhello\r\n0\r\n\r\n", 5),
            (b"+5\r\nhello\r\n0\r\n\r\n", 5),
            (b"0x5\r\nhello\r\n0\r\n\r\n", 5),
            (b"\r\nhello\r\n0\r\n\r\n", 5),
            (b"ffffffffffffffff1\r\nhello\r\n0\r\n\r\n", 5),
            (b"5\nhello\r\n0\r\n\r\n", 5),
            (b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", 5),
            (b"5\r\nhello\r\n0\r\n\xff:\r\n\r\n", 5),
        ];
        for (encoded, size) in cases {
            let error = decode(unsigned(size), encoded, 3).unwrap_err();
            assert!(matches!(error, BodyError::Malformed(_)), "{:?}: {error:?}", String::from_utf8_lossy(encoded));
        }
        assert_eq!(decode(unsigned(6), b"5\r\nhello\r\n0\r\n\r\n", 3), Err(BodyError::Incomplete));
    }

    #[test]
    fn lines_and_trailers_are_bounded() {
        let long_line = [b'1'; LINE_SIZE_MAX + 1];
        assert!(matches!(decode(unsigned(5), &long_line, 100), Err(BodyError::Malformed(_))));
        let many_trailers = format!("0\r\n{}\r\n", "a:b\r\n".repeat(TRAILERS_MAX + 1));
        assert!(matches!(decode(unsigned(0), many_trailers.as_bytes(), 100), Err(BodyError::Malformed(_))));
        let unannounced = ChunkDecoder::new(None, false, 0);
        assert!(matches!(decode(unannounced, b"0\r\na:b\r\n\r\n", 100), Err(BodyError::Malformed(_))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_end_in_a_result(encoded in any::<Vec<u8>>(), piece in 1usize..50) {
            let _ = decode(unsigned(1000), &encoded, piece);
        }

        #[test]
        fn decoding_undoes_encoding(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..200), 0..8),
            piece in 1usize..300,
        ) {
            let mut encoded = Vec::new();
            for chunk in &chunks {
                encoded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                encoded.extend_from_slice(chunk);
                encoded.extend_from_slice(b"\r\n");
            }
            encoded.extend_from_slice(b"0\r\n\r\n");
            let plain = chunks.concat();
            let (decoded, _) = decode(unsigned(plain.len() as u64), &encoded, piece).unwrap();
            prop_assert_eq!(decoded, plain);
        }
    }
}
