//! Encryption of objects where they are stored: the ciphers, the keys, and the services that keep keys.
//!
//! An object gets a fresh [`DataKey`] for each layer of encryption. [`SegmentCipher`] seals its bytes under keys derived
//! from these in chunks that are verified one by one, so that a range costs the chunks it touches
//! ([`ChunkFormat`]). [`Envelopes`] wraps the data keys as the client asked ([`Protection`]): by the server's own master
//! key, by a named key of a [`KeyService`], or by a key that the client keeps ([`CustomerKey`]). The result, an
//! [`Envelope`], goes into the object's record.
//!
//! Invariants: a nonce is never used twice under one key; a chunk that was changed, moved, cut off or taken from
//! somewhere else is never opened; keys are wiped when they are dropped, and never formatted. This crate knows nothing of
//! objects, requests or disks (`docs/formats/encryption.md`, `docs/decisions/0007-encryption.md`).

mod chunk;
mod cipher;
mod data_key;
mod wrap;

mod customer;
mod envelope;
mod envelopes;

mod cache;
mod key_file;
mod key_name;
mod local;
mod service;
mod vault;

mod error;

pub use chunk::{CHUNK_SIZE, ChunkFormat, TAG_SIZE};
pub use cipher::{Ending, SegmentCipher, SegmentName};
pub use customer::CustomerKey;
pub use data_key::{DataKey, DataKeys};
pub use envelope::{Envelope, KeyUse, Method};
pub use envelopes::{EnvelopeConfig, Envelopes, Protection};
pub use error::{Error, Result};
pub use key_file::KeyFile;
pub use key_name::{KeyName, MANAGED_KEY};
pub use local::{LocalKeys, MasterKey};
pub use service::{KeyFuture, KeyService};
pub use vault::{Vault, VaultConfig};
