//! Sealing and opening the chunks of one segment: AES-256-GCM in the STREAM construction (Hoang et al., CRYPTO 2015).

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

use crate::chunk::{CHUNK_SIZE, ChunkFormat, TAG_SIZE};
use crate::data_key::DataKey;
use crate::error::{Error, Result};

/// First bytes of what segment keys are derived for.
const PURPOSE: &[u8] = b"stonecrop segment v1";

/// What is encrypted under one key. Under one data key, no two different segments may have one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentName {
    /// All of an object: its data key is its own.
    Whole,
    /// One upload of one part. A part that is uploaded again is another write.
    Part {
        /// The number of the part.
        number: u16,
        /// Identity of the write.
        write_id: u128,
    },
}

/// Whether a segment goes on behind the chunks at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Other chunks follow.
    More,
    /// The last chunk of these is the last of the segment.
    Final,
}

/// Seals and opens the chunks of one segment.
pub struct SegmentCipher {
    /// The key of each layer: the innermost first.
    keys: Vec<LessSafeKey>,
    format: ChunkFormat,
}

impl SegmentCipher {
    /// The cipher of the segment `name` under an object's data keys, one a layer.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] unless there are one or two keys.
    pub fn new(data_keys: &[DataKey], name: SegmentName) -> Result<Self> {
        let layers = u8::try_from(data_keys.len()).ok();
        let format = layers.and_then(ChunkFormat::new).ok_or(Error::Damaged { what: "an envelope" })?;
        let keys = data_keys.iter().zip(0..).map(|(key, layer)| derive(key, name, layer)).collect();
        Ok(Self { keys, format })
    }

    /// How it cuts bytes into chunks.
    pub fn format(&self) -> ChunkFormat {
        self.format
    }

    /// Seals `plain`, which begins with chunk `first`, into `sealed`; returns how many bytes it has filled.
    ///
    /// # Panics
    ///
    /// Panics when `sealed` is too small, and when `plain` ends within a chunk that is not the segment's last.
    pub fn seal(&self, first: u64, plain: &[u8], ending: Ending, sealed: &mut [u8]) -> usize {
        let whole = plain.len().is_multiple_of(CHUNK_SIZE);
        assert!(whole || ending == Ending::Final, "only the last chunk of a segment is short");
        let mut filled = 0;
        let last = plain.len().div_ceil(CHUNK_SIZE);
        for (position, chunk) in plain.chunks(CHUNK_SIZE).enumerate() {
            let ends = ending == Ending::Final && position + 1 == last;
            let mut end = filled + chunk.len();
            sealed[filled..end].copy_from_slice(chunk);
            for key in &self.keys {
                let nonce = nonce(first + position as u64, ends);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut sealed[filled..end]);
                let tag = tag.expect("a chunk is far below the limit of the cipher");
                sealed[end..end + TAG_SIZE].copy_from_slice(tag.as_ref());
                end += TAG_SIZE;
            }
            filled = end;
        }
        filled
    }

    /// Opens whole chunks from chunk `first` on, which lie in `pieces` one after the other, into `plain`; returns how
    /// many bytes it has opened. Behind them, `plain` needs room for [`ChunkFormat::overhead`] more, which is overwritten.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] for anything but what [`SegmentCipher::seal`] made, at this place of this segment.
    ///
    /// # Panics
    ///
    /// Panics when `plain` is too small.
    pub fn open<P: AsRef<[u8]>>(&self, first: u64, pieces: &[P], ending: Ending, plain: &mut [u8]) -> Result<usize> {
        let mut rest: usize = pieces.iter().map(|piece| piece.as_ref().len()).sum();
        let mut pieces = Pieces { pieces: pieces.iter().map(AsRef::as_ref).collect(), position: 0 };
        let mut opened = 0;
        for number in first.. {
            if rest == 0 {
                break;
            }
            let size = rest.min(self.format.sealed_chunk_size());
            rest -= size;
            let ends = ending == Ending::Final && rest == 0;
            let chunk = &mut plain[opened..opened + size];
            pieces.take(chunk);
            opened += self.open_chunk(number, ends, chunk)?;
        }
        Ok(opened)
    }

    /// Opens a chunk where it lies; returns the size of what is in it.
    fn open_chunk(&self, number: u64, ends: bool, chunk: &mut [u8]) -> Result<usize> {
        const DAMAGED: Error = Error::Damaged { what: "an encrypted chunk" };
        let mut end = chunk.len();
        for key in self.keys.iter().rev() {
            let (sealed, tag) = chunk[..end].split_at_mut(end.checked_sub(TAG_SIZE).ok_or(DAMAGED)?);
            let tag = Tag::try_from(&*tag).map_err(|_| DAMAGED)?;
            key.open_in_place_separate_tag(nonce(number, ends), Aad::empty(), tag, sealed, 0..).map_err(|_| DAMAGED)?;
            end -= TAG_SIZE;
        }
        Ok(end)
    }
}

/// The key of one layer of a segment.
fn derive(data_key: &DataKey, name: SegmentName, layer: u8) -> LessSafeKey {
    let mut info = [0; 1 + 1 + 2 + 16];
    info[0] = layer;
    if let SegmentName::Part { number, write_id } = name {
        info[1] = 1;
        info[2..4].copy_from_slice(&number.to_be_bytes());
        info[4..].copy_from_slice(&write_id.to_be_bytes());
    }
    let extracted = Salt::new(HKDF_SHA256, &[]).extract(data_key.expose());
    let info = [PURPOSE, &info];
    let expanded = extracted.expand(&info, &AES_256_GCM).expect("32 bytes are far below the limit of HKDF");
    LessSafeKey::new(UnboundKey::from(expanded))
}

/// Unique under the key of a segment: the number of the chunk, and whether it is the last.
fn nonce(number: u64, ends: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[3..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(ends);
    Nonce::assume_unique_for_key(nonce)
}

/// Bytes that lie in several places.
struct Pieces<'a> {
    pieces: std::collections::VecDeque<&'a [u8]>,
    /// Bytes of the first that are taken.
    position: usize,
}

impl Pieces<'_> {
    /// Takes as many bytes as `target` holds; the caller knows that they are there.
    fn take(&mut self, target: &mut [u8]) {
        let mut filled = 0;
        while filled < target.len() {
            let piece = self.pieces.front().expect("the caller has counted the bytes");
            let count = (piece.len() - self.position).min(target.len() - filled);
            target[filled..filled + count].copy_from_slice(&piece[self.position..self.position + count]);
            filled += count;
            self.position += count;
            if self.position == piece.len() {
                self.pieces.pop_front();
                self.position = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use env::SeededEntropy;
    use proptest::prelude::*;

    use super::*;

    const WHOLE: SegmentName = SegmentName::Whole;

    fn keys(count: usize) -> Vec<DataKey> {
        let entropy = SeededEntropy::new(7);
        (0..count).map(|_| DataKey::generate(&entropy)).collect()
    }

    fn cipher(layers: usize, name: SegmentName) -> SegmentCipher {
        SegmentCipher::new(&keys(layers), name).unwrap()
    }

    fn body(size: usize) -> Vec<u8> {
        (0..size).map(|position| (position * 7 + position / 256).to_le_bytes()[0]).collect()
    }

    fn seal(cipher: &SegmentCipher, plain: &[u8]) -> Vec<u8> {
        let size = cipher.format().sealed_size(plain.len() as u64);
        let mut sealed = vec![0; usize::try_from(size).unwrap()];
        let filled = cipher.seal(0, plain, Ending::Final, &mut sealed);
        assert_eq!(filled, sealed.len());
        sealed
    }

    fn open(cipher: &SegmentCipher, first: u64, pieces: &[&[u8]], ending: Ending) -> Result<Vec<u8>> {
        let size: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut plain = vec![0; size + cipher.format().overhead()];
        let opened = cipher.open(first, pieces, ending, &mut plain)?;
        plain.truncate(opened);
        Ok(plain)
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let key = DataKey::from_bytes(&[0x42; 32]).unwrap();
        let cipher = SegmentCipher::new(&[key], SegmentName::Part { number: 3, write_id: 9 }).unwrap();
        let sealed = seal(&cipher, b"stonecrop");
        let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN, "a released format never changes");
    }

    const GOLDEN: &str = "058572acd49c8d1a48c9906ac0facbef05fbf1a04e479987fc";

    #[test]
    fn chunks_cannot_be_moved_cut_off_or_swapped() {
        for layers in [1, 2] {
            let cipher = cipher(layers, WHOLE);
            let plain = body(3 * CHUNK_SIZE + 5);
            let sealed = seal(&cipher, &plain);
            let chunks: Vec<&[u8]> = sealed.chunks(cipher.format().sealed_chunk_size()).collect();
            assert_eq!(open(&cipher, 0, &chunks, Ending::Final).unwrap(), plain);
            assert_eq!(open(&cipher, 1, &chunks[1..2], Ending::More).unwrap(), plain[CHUNK_SIZE..2 * CHUNK_SIZE]);
            let damaged = |first, pieces: &[&[u8]], ending| assert!(open(&cipher, first, pieces, ending).is_err());
            damaged(0, &chunks[1..2], Ending::More);
            damaged(0, &chunks[..3], Ending::Final);
            damaged(0, &chunks, Ending::More);
            damaged(0, &[chunks[1], chunks[0], chunks[2], chunks[3]], Ending::Final);
            damaged(3, &[&chunks[3][..4]], Ending::Final);
        }
    }

    #[test]
    fn segments_and_keys_cannot_be_swapped() {
        let part = |number, write_id| SegmentName::Part { number, write_id };
        let names = [WHOLE, part(1, 1), part(2, 1), part(1, 2)];
        for name in names {
            let sealed = seal(&cipher(1, name), b"some bytes");
            for other in names {
                let opened = open(&cipher(1, other), 0, &[&sealed], Ending::Final);
                assert_eq!(opened.is_ok(), name == other, "{name:?} {other:?}");
            }
        }
        let (inner, outer) = (keys(2)[0].clone(), keys(2)[1].clone());
        let sealed = seal(&cipher(2, WHOLE), b"some bytes");
        let swapped = SegmentCipher::new(&[outer, inner], WHOLE).unwrap();
        assert!(open(&swapped, 0, &[&sealed], Ending::Final).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_range_opens_to_the_bytes_that_were_sealed(
            body_size in 1usize..5 * CHUNK_SIZE,
            bounds in (0usize..5 * CHUNK_SIZE, 0usize..5 * CHUNK_SIZE),
            cut in 1usize..3 * CHUNK_SIZE,
            layers in 1usize..=2,
        ) {
            let cipher = cipher(layers, WHOLE);
            let format = cipher.format();
            let plain = body(body_size);
            let sealed = seal(&cipher, &plain);
            let (start, end) = (bounds.0.min(bounds.1) % body_size, bounds.0.max(bounds.1).min(body_size));
            prop_assume!(start < end);
            let covering = format.covering(&(start as u64..end as u64), body_size as u64);
            let first = format.chunk_at(covering.start);
            let ending = if covering.end == sealed.len() as u64 { Ending::Final } else { Ending::More };
            let size = |number: u64| usize::try_from(number).unwrap();
            let wanted = &sealed[size(covering.start)..size(covering.end)];
            let pieces: Vec<&[u8]> = wanted.chunks(cut).collect();
            let opened = open(&cipher, first, &pieces, ending).unwrap();
            let skipped = size(first) * CHUNK_SIZE;
            prop_assert_eq!(&opened[start - skipped..end - skipped], &plain[start..end]);
        }

        #[test]
        fn any_changed_bit_is_noticed(size in 1usize..2 * CHUNK_SIZE, position in any::<usize>(), bit in 0u8..8) {
            let cipher = cipher(1, WHOLE);
            let mut sealed = seal(&cipher, &body(size));
            let position = position % sealed.len();
            sealed[position] ^= 1 << bit;
            prop_assert!(open(&cipher, 0, &[&sealed], Ending::Final).is_err());
        }
    }
}
