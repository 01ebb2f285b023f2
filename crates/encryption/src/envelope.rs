//! What an object's record says about its encryption.

use serde::{Deserialize, Serialize};

use crate::chunk::ChunkFormat;
use crate::error::{Error, Result};

/// First byte of every encoding so far.
const VERSION: u8 = 1;

/// How an object is encrypted, with its wrapped data keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// What the client asked for.
    pub method: Method,
    /// The data key of each layer: the innermost first.
    pub(crate) keys: Vec<WrappedKey>,
}

/// Which of the ways that S3 knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// SSE-S3: under a key that clients need not know of.
    S3,
    /// SSE-KMS: under a named key.
    Kms(KeyUse),
    /// DSSE-KMS: twice, the inner time under a named key.
    Dual(KeyUse),
    /// SSE-C: under a key that the client keeps.
    Customer,
}

/// How a named key is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    /// The key as the client called it.
    pub key_id: String,
    /// The client's encryption context: a JSON object of strings, its names in order.
    pub context: Option<String>,
    /// Whether one key of the bucket stands in between, so that the service is asked rarely.
    pub bucket_key: bool,
}

/// A wrapped key, and what it was wrapped under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WrappedKey {
    pub(crate) under: Wrapping,
    pub(crate) bytes: Vec<u8>,
}

/// What a key was wrapped under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wrapping {
    /// The key that follows from the master key for this purpose.
    Master(String),
    /// A key of the key service.
    Named(String),
    /// A key of the bucket, which was wrapped under the named one.
    Bucket { name: String, key: Vec<u8> },
    /// The customer's key.
    Customer,
}

impl Envelope {
    /// How the bytes are cut into chunks.
    ///
    /// # Panics
    ///
    /// Panics on no envelope that was decoded or sealed.
    pub fn format(&self) -> ChunkFormat {
        let layers = u8::try_from(self.keys.len()).ok();
        layers.and_then(ChunkFormat::new).expect("checked where it was made")
    }

    /// The bytes for the record.
    pub fn encode(&self) -> Vec<u8> {
        let start = vec![VERSION];
        postcard::to_extend(self, start).expect("an envelope can always be encoded")
    }

    /// Reads what [`Envelope::encode`] writes.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        const DAMAGED: Error = Error::Damaged { what: "an envelope" };
        let (&VERSION, rest) = bytes.split_first().ok_or(DAMAGED)? else { return Err(DAMAGED) };
        let (envelope, rest): (Self, _) = postcard::take_from_bytes(rest).map_err(|_| DAMAGED)?;
        let valid = rest.is_empty() && matches!(envelope.keys.len(), 1 | 2);
        if valid { Ok(envelope) } else { Err(DAMAGED) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_read_is_an_error_or_an_envelope(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            for bytes in [bytes.clone(), [[VERSION].as_slice(), &bytes].concat()] {
                if let Ok(envelope) = Envelope::decode(&bytes) {
                    prop_assert!((1..=2).contains(&envelope.format().layers()));
                }
            }
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let envelope = Envelope {
            method: Method::Kms(KeyUse {
                key_id: "testkey-1".to_owned(),
                context: Some("{}".to_owned()),
                bucket_key: true,
            }),
            keys: vec![WrappedKey {
                under: Wrapping::Bucket { name: "testkey-1".to_owned(), key: vec![1, 2] },
                bytes: vec![3],
            }],
        };
        let expected = b"\x01\x01\x09testkey-1\x01\x02{}\x01\x01\x02\x09testkey-1\x02\x01\x02\x01\x03";
        assert_eq!(envelope.encode(), expected);
        assert_eq!(Envelope::decode(expected), Ok(envelope));
        for end in 0..expected.len() {
            assert!(Envelope::decode(&expected[..end]).is_err());
        }
        assert!(Envelope::decode(&[expected.as_slice(), b"\0"].concat()).is_err());
        assert!(Envelope::decode(b"\x02").is_err());
        assert!(Envelope::decode(b"\x01\x00\x00").is_err(), "no key is no layer");
    }
}
