//! Encrypting a body on its way from its digests to its stripes.

use std::sync::Arc;

use bytes::Bytes;
use encryption::{CHUNK_SIZE, DataKeys, Ending, Envelope, Method, SegmentCipher, SegmentName, TAG_SIZE};
use env::Buffers;
use meta::record::EncryptionRecord;

use crate::error::Result;
use crate::etag::Etag;
use crate::layout;

// The metadata knows sizes by its own constants.
const _: () =
    assert!(EncryptionRecord::CHUNK_SIZE == CHUNK_SIZE as u64 && EncryptionRecord::TAG_SIZE == TAG_SIZE as u64);

/// What new bytes are encrypted with.
pub(crate) struct Seal {
    keys: DataKeys,
    envelope: Envelope,
}

impl Seal {
    /// Encrypts under `keys`, which `envelope` wraps.
    pub(crate) fn new(keys: DataKeys, envelope: Envelope) -> Self {
        Self { keys, envelope }
    }

    /// What the record says about it.
    pub(crate) fn record(&self) -> EncryptionRecord {
        record_of(&self.envelope)
    }

    /// The keys themselves.
    pub(crate) fn keys(&self) -> &DataKeys {
        &self.keys
    }

    /// What the client asked for.
    pub(crate) fn method(&self) -> &Method {
        &self.envelope.method
    }

    /// The entity tag of bytes with this MD5: of bytes whose key is somebody else's it must not tell what they are, as on AWS.
    pub(crate) fn etag(&self, md5: [u8; 16]) -> Etag {
        match self.envelope.method {
            Method::S3 => Etag::Md5(md5),
            Method::Kms(_) | Method::Dual(_) | Method::Customer => Etag::Md5(self.keys[0].conceal(md5)),
        }
    }

    /// Encrypts the segment `name`.
    pub(crate) fn sealer(&self, name: SegmentName) -> Result<Sealer> {
        Ok(Sealer { cipher: Arc::new(SegmentCipher::new(&self.keys, name)?) })
    }
}

/// What a record says about `envelope`.
pub(crate) fn record_of(envelope: &Envelope) -> EncryptionRecord {
    EncryptionRecord { layers: envelope.format().layers(), envelope: envelope.encode().into() }
}

/// Encrypts one segment, stripe by stripe.
#[derive(Clone)]
pub(crate) struct Sealer {
    cipher: Arc<SegmentCipher>,
}

impl Sealer {
    /// Plain bytes in a data shard of a full stripe where shards of plain bodies have `unit`: whole chunks, at least one.
    pub(crate) fn plain_unit(unit: usize) -> usize {
        (unit / CHUNK_SIZE).max(1) * CHUNK_SIZE
    }

    /// Bytes that a body of `size` takes.
    pub(crate) fn stored_size(&self, size: u64) -> u64 {
        self.cipher.format().sealed_size(size)
    }

    /// Bytes that `plain_size` of them take.
    pub(crate) fn sealed_size(&self, plain_size: usize) -> usize {
        usize::try_from(self.stored_size(plain_size as u64)).expect("what becomes of a stripe fits into memory")
    }

    /// Encrypts a whole small body.
    pub(crate) fn seal_small(&self, plain: &[u8]) -> Bytes {
        let mut sealed = vec![0; self.sealed_size(plain.len())];
        self.cipher.seal(0, plain, Ending::Final, &mut sealed);
        sealed.into()
    }

    /// Encrypts a stripe whose first byte is plain byte `start` of the segment, padded for `data_count` shards.
    pub(crate) fn seal_stripe(
        &self,
        buffers: &Buffers,
        start: u64,
        (plain, ending): (&[u8], Ending),
        data_count: usize,
    ) -> Bytes {
        let padded = layout::shard_size(self.sealed_size(plain.len()), data_count) * data_count;
        let mut sealed = buffers.take(padded);
        let filled = self.cipher.seal(start / CHUNK_SIZE as u64, plain, ending, sealed.as_mut());
        sealed.as_mut()[filled..padded].fill(0);
        sealed.into_bytes(0..padded)
    }
}
