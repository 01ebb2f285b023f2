//! Fixed fields of the on-disk structures: little-endian integers under a CRC.

/// CRC-32C of `bytes`.
pub(crate) fn crc(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// Bytes of a structure whose last four are the CRC of those before.
pub(crate) struct Frame<const SIZE: usize> {
    bytes: [u8; SIZE],
}

impl<const SIZE: usize> Frame<SIZE> {
    /// Starts a structure with `magic`; all else is zero.
    pub(crate) fn new(magic: &[u8]) -> Self {
        let mut frame = Self { bytes: [0; SIZE] };
        frame.put(0, magic);
        frame
    }

    /// Takes `bytes` if `magic` and CRC are right.
    pub(crate) fn check(bytes: &[u8], magic: &[u8]) -> Option<Self> {
        let bytes: [u8; SIZE] = bytes.try_into().ok()?;
        let frame = Self { bytes };
        let intact = bytes.starts_with(magic) && frame.u32(SIZE - 4) == crc(&bytes[..SIZE - 4]);
        intact.then_some(frame)
    }

    /// Sets the CRC and gives the bytes.
    pub(crate) fn seal(mut self) -> [u8; SIZE] {
        let crc = crc(&self.bytes[..SIZE - 4]);
        self.put(SIZE - 4, &crc.to_le_bytes());
        self.bytes
    }

    pub(crate) fn put(&mut self, offset: usize, field: &[u8]) {
        self.bytes[offset..offset + field.len()].copy_from_slice(field);
    }

    pub(crate) fn u8(&self, offset: usize) -> u8 {
        self.bytes[offset]
    }

    pub(crate) fn u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.array(offset))
    }

    pub(crate) fn u64(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.array(offset))
    }

    pub(crate) fn u128(&self, offset: usize) -> u128 {
        u128::from_le_bytes(self.array(offset))
    }

    pub(crate) fn array<const LENGTH: usize>(&self, offset: usize) -> [u8; LENGTH] {
        *self.bytes[offset..].first_chunk().expect("fields lie inside the frame")
    }
}
