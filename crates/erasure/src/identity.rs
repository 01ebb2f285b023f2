//! Which shard a run of bytes is.

use std::fmt;

/// Names one shard: the write it came from, the stripe of that write, and its place in the stripe.
///
/// Ordered by write, then stripe, then index; the encoding keeps that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardIdentity {
    /// Random number of the write; every attempt to write an object or a part draws a new one.
    pub write_id: u128,
    /// Number of the stripe within the write, from 0.
    pub stripe: u32,
    /// Index of the shard within the stripe: data shards first, then parity.
    pub index: u8,
}

impl ShardIdentity {
    /// Length of the encoding, in bytes.
    pub const ENCODED_SIZE: usize = 21;

    /// Encodes the fields in order, big-endian, so that encodings compare as identities do.
    pub fn encode(self) -> [u8; Self::ENCODED_SIZE] {
        let mut bytes = [0; Self::ENCODED_SIZE];
        bytes[..16].copy_from_slice(&self.write_id.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.stripe.to_be_bytes());
        bytes[20] = self.index;
        bytes
    }

    /// Decodes what `encode` wrote. Any 21 bytes are some identity.
    pub fn decode(bytes: &[u8; Self::ENCODED_SIZE]) -> Self {
        let [write_id @ .., s0, s1, s2, s3, index] = *bytes;
        Self { write_id: u128::from_be_bytes(write_id), stripe: u32::from_be_bytes([s0, s1, s2, s3]), index }
    }
}

impl fmt::Display for ShardIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}/{}/{}", self.write_id, self.stripe, self.index)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn identities() -> impl Strategy<Value = ShardIdentity> {
        // Few distinct values a field, so that equal prefixes and neighbours are common.
        let write_id = prop_oneof![Just(0), Just(1), Just(256), Just(u128::MAX), any::<u128>()];
        let stripe = prop_oneof![Just(0), Just(255), Just(256), Just(u32::MAX), any::<u32>()];
        (write_id, stripe, any::<u8>()).prop_map(|(write_id, stripe, index)| ShardIdentity { write_id, stripe, index })
    }

    proptest! {
        #[test]
        fn decode_inverts_encode_and_order_is_kept(a in identities(), b in identities()) {
            prop_assert_eq!(ShardIdentity::decode(&a.encode()), a);
            prop_assert_eq!(a.cmp(&b), a.encode().cmp(&b.encode()));
        }
    }

    #[test]
    fn the_encoding_is_the_documented_one() {
        let identity =
            ShardIdentity { write_id: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10, stripe: 0x1112_1314, index: 0x15 };
        assert_eq!(identity.encode(), std::array::from_fn(|position| u8::try_from(position + 1).unwrap()));
        assert_eq!(identity.to_string(), "0102030405060708090a0b0c0d0e0f10/286397204/21");
    }
}
