//! Which group a new stripe goes to.

use std::hash::Hasher;

use jumphash::CustomJumpHasher;

use crate::identity::{DiskId, GroupId, StripeId};
use crate::table::Table;

/// The groups that accept new stripes, sorted; made once for each table version and set of healthy disks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WritableGroups {
    groups: Vec<GroupId>,
}

impl WritableGroups {
    /// The group for a new stripe, by jump consistent hash (Lamping and Veach, 2014) over the writable groups.
    ///
    /// `None` when no group is writable.
    pub fn choose(&self, stripe: StripeId) -> Option<GroupId> {
        let count = u32::try_from(self.groups.len()).expect("at most 65536 groups");
        if count == 0 {
            return None;
        }
        Some(self.groups[jump(stripe.hash(), count) as usize])
    }

    /// How many groups are writable.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether no group is writable.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

impl Table {
    /// The groups in which at least `live_min` slots have a write target that `is_writable`.
    pub fn writable_groups(&self, live_min: usize, is_writable: impl Fn(DiskId) -> bool) -> WritableGroups {
        let live = |disk: &DiskId| is_writable(*disk);
        let groups = self.groups().filter(|(_, group)| {
            let targets = group.slots.iter().filter_map(|slot| slot.write_target());
            live_min <= targets.filter(live).count()
        });
        WritableGroups { groups: groups.map(|(id, _)| id).collect() }
    }
}

/// Hands the stripe's own hash to the jump hash, which would otherwise hash it once more, seeded at random.
#[derive(Clone)]
struct Prehashed(u64);

impl Hasher for Prehashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}
}

fn jump(hash: u64, count: u32) -> u32 {
    CustomJumpHasher::new(Prehashed(hash)).slot(&(), count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The ten lines of the paper's figure 1, in its own terms.
    fn jump_as_published(mut key: u64, buckets: i64) -> i64 {
        let (mut b, mut j) = (-1i64, 0i64);
        while j < buckets {
            b = j;
            key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
            #[expect(clippy::cast_possible_truncation, reason = "as published")]
            let next = ((b + 1) as f64 * ((1u64 << 31) as f64 / ((key >> 33) + 1) as f64)) as i64;
            j = next;
        }
        b
    }

    proptest! {
        #[test]
        fn jump_is_the_published_algorithm(hash: u64, count in 1u32..70_000) {
            prop_assert_eq!(i64::from(jump(hash, count)), jump_as_published(hash, i64::from(count)));
        }

        #[test]
        fn one_more_bucket_takes_keys_only_for_itself(hash: u64, count in 1u32..5_000) {
            let (before, after) = (jump(hash, count), jump(hash, count + 1));
            prop_assert!(after == before || after == count);
        }
    }

    #[test]
    fn stripes_spread_evenly() {
        let groups = WritableGroups { groups: (0..256).map(GroupId).collect() };
        let mut counts = [0u32; 256];
        for number in 0..256_000 {
            let group = groups.choose(StripeId { write_id: u128::from(number % 7), number: number / 7 }).unwrap();
            counts[group.0 as usize] += 1;
        }
        // 1000 each on average; five standard deviations are 158.
        assert!(counts.iter().all(|&count| (842..=1158).contains(&count)), "{counts:?}");
    }

    #[test]
    fn nothing_is_chosen_when_nothing_is_writable() {
        let groups = WritableGroups { groups: Vec::new() };
        assert_eq!(groups.choose(StripeId { write_id: 1, number: 0 }), None);
    }
}
