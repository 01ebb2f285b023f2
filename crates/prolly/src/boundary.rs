//! The boundary rule: where pages end. `docs/formats/prolly-page.md` states it.
//!
//! Everything here works on the hashes of consecutive records. Pairs `(hash, key)` never tie, and keys ascend with the
//! position, so of equal hashes the later one counts as greater.

use std::ops::Range;

use crate::page::WEIGHT_MAX;

/// Most records of a page at width `w`.
pub(crate) fn count_max(width: usize) -> usize {
    16 * width + 8
}

/// Whether the record at `position` exceeds its `width` neighbours on the left, of which all must be there.
pub(crate) fn exceeds_left(hashes: impl Fn(usize) -> u64, position: usize, width: usize) -> bool {
    let hash = hashes(position);
    width <= position && (position - width..position).all(|left| hashes(left) <= hash)
}

/// Whether a record with `hash` exceeds the `width` records that follow it from `next`, of which all must be there.
pub(crate) fn exceeds_right(hash: u64, hashes: impl Fn(usize) -> u64, next: usize, width: usize, count: usize) -> bool {
    next + width <= count && (next..next + width).all(|right| hashes(right) < hash)
}

/// Positions of the natural boundaries within `count` records that begin behind a boundary or at the level's start.
/// One whose right neighbours are not all among them is not found; nor is the last record, whatever it ends.
pub(crate) fn natural_ends(hashes: impl Fn(usize) -> u64, count: usize, width: usize) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut position = width;
    while position + width < count {
        let hash = hashes(position);
        match (position + 1..=position + width).find(|&right| hash <= hashes(right)) {
            // All between are exceeded by `position`, which is exceeded itself.
            Some(greater) => position = greater,
            None => {
                if exceeds_left(&hashes, position, width) {
                    ends.push(position);
                }
                // All of them are exceeded by `position`.
                position += width + 1;
            }
        }
    }
    ends
}

/// Whether a chunk is too long or too heavy for a page.
pub(crate) fn is_too_big(chunk: &Range<usize>, width: usize, weights: impl Fn(usize) -> usize) -> bool {
    let is_too_long = count_max(width) < chunk.len();
    is_too_long || (1 < chunk.len() && WEIGHT_MAX < chunk.clone().map(weights).sum())
}

/// Cuts a natural chunk that is too long or too heavy; returns the ranges of its pages in order.
pub(crate) fn fail_safe(
    chunk: Range<usize>,
    width: usize,
    hashes: impl Fn(usize) -> u64 + Copy,
    weights: impl Fn(usize) -> usize + Copy,
) -> Vec<Range<usize>> {
    let mut done = Vec::new();
    let mut pending = vec![chunk];
    while let Some(part) = pending.pop() {
        if !is_too_big(&part, width, weights) {
            done.push(part);
            continue;
        }
        let middle_start = part.start + part.len() / 4;
        let middle_end = (part.start + part.len() * 3 / 4).max(middle_start + 1);
        let last = (middle_start..middle_end).max_by_key(|&position| (hashes(position), position));
        let cut = last.expect("the middle half is never empty") + 1;
        pending.push(cut..part.end);
        pending.push(part.start..cut);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule as it is written, without any haste.
    fn ends_by_definition(hashes: &[u64], width: usize) -> Vec<usize> {
        let exceeds = |i: usize, j: usize| (hashes[j], j) < (hashes[i], i);
        (width..hashes.len().saturating_sub(width))
            .filter(|&i| (i - width..=i + width).all(|j| i == j || exceeds(i, j)))
            .collect()
    }

    proptest::proptest! {
        #[test]
        fn natural_ends_follow_the_definition(
            hashes in proptest::collection::vec(0u64..40, 0..300), width in 1usize..9
        ) {
            let found = natural_ends(|i| hashes[i], hashes.len(), width);
            proptest::prop_assert_eq!(found, ends_by_definition(&hashes, width));
        }

        #[test]
        fn fail_safe_parts_tile_the_chunk_within_limits(
            hashes in proptest::collection::vec(0u64..40, 1..900), weight in 1usize..6000, width in 1usize..9
        ) {
            let parts = fail_safe(0..hashes.len(), width, |i| hashes[i], |_| weight);
            let tiled: Vec<usize> = parts.iter().cloned().flatten().collect();
            proptest::prop_assert_eq!(tiled, (0..hashes.len()).collect::<Vec<_>>());
            for part in parts {
                proptest::prop_assert!(!part.is_empty() && part.len() <= count_max(width));
                proptest::prop_assert!(part.len() == 1 || part.len() * weight <= WEIGHT_MAX);
            }
        }
    }
}
