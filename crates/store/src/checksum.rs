//! The checksums that S3 clients ask for, beside the MD5 of the ETag.

/// A checksum algorithm of the S3 API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME, what S3 computes when the client names none.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// What a checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumKind {
    /// The object's bytes.
    FullObject,
    /// The concatenated checksums of a multipart object's parts.
    Composite,
}

/// The value of a checksum. `value` has the algorithm's length, big-endian as S3 encodes it in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// How it was computed.
    pub algorithm: ChecksumAlgorithm,
    /// Over what it was computed.
    pub kind: ChecksumKind,
    /// The bytes of the checksum.
    pub value: Vec<u8>,
}

/// What the client said about the checksum of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ChecksumRequest {
    /// Nothing: compute and store CRC64NVME.
    #[default]
    Unspecified,
    /// An algorithm without a value: compute and store it.
    Compute(ChecksumAlgorithm),
    /// A value in the head of the request: compute, compare, store.
    Expect(Checksum),
    /// An algorithm whose value [`crate::Body::trailer`] supplies: compute, compare, store. A missing trailer is
    /// [`crate::BodyError::Malformed`].
    Trailer(ChecksumAlgorithm),
}
