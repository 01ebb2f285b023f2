//! How many slots each disk should hold: water-filling by weight under nested caps.

use crate::fleet::DiskState;

use super::draft::Draft;
use super::fleet::Fleet;

/// Halvings of the interval that holds the water level; more than the bits of an `f64`'s mantissa.
const BISECTIONS: usize = 64;

/// Forgives the rounding of sums of quotas that are whole numbers.
const TOLERANCE: f64 = 1e-6;

/// A disk, a node of disks, a rack of nodes, or all racks.
struct Domain {
    /// The most slots it can take.
    capacity: u64,
    /// Slots that it holds now.
    held: u64,
    content: Content,
}

enum Content {
    Disk { position: usize, weight: f64 },
    Parts(Vec<Domain>),
}

/// The number of slots that each disk of `fleet` should hold.
///
/// They sum to the number of slots, or to what the disks can take under the caps. Each is the disk's exact share
/// rounded up or down; who holds the larger number already keeps it, which makes planning idempotent.
pub(crate) fn targets(fleet: &Fleet, draft: &Draft<'_>) -> Vec<u64> {
    let group_count = draft.group_count() as u64;
    let weight_max = (0..fleet.len()).map(|disk| fleet.disk(disk).weight).max().unwrap_or(0).max(1);
    let disk = |position: usize| {
        let spec = fleet.disk(position);
        let held = draft.count(position);
        let capacity = match spec.state {
            DiskState::In if 0 < spec.weight => group_count,
            DiskState::Suspect if 0 < spec.weight => held,
            _ => 0,
        };
        let weight = spec.weight as f64 / weight_max as f64;
        Domain { capacity, held, content: Content::Disk { position, weight } }
    };
    let node =
        |disks: &Vec<usize>| join(disks.iter().map(|&position| disk(position)), fleet.node_cap() as u64 * group_count);
    let rack = |nodes: &Vec<usize>| {
        join(nodes.iter().map(|&position| node(&fleet.nodes()[position])), fleet.rack_cap() as u64 * group_count)
    };
    let root = join(fleet.racks().iter().map(rack), fleet.profile().shards() as u64 * group_count);
    let mut targets = vec![0; fleet.len()];
    root.pour(root.capacity, &mut targets);
    targets
}

fn join(parts: impl Iterator<Item = Domain>, cap: u64) -> Domain {
    let parts: Vec<Domain> = parts.collect();
    let capacity = cap.min(parts.iter().map(|part| part.capacity).sum());
    let held = parts.iter().map(|part| part.held).sum();
    Domain { capacity, held, content: Content::Parts(parts) }
}

impl Domain {
    /// The exact share of the domain when a disk of weight one gets `level` slots.
    fn share(&self, level: f64) -> f64 {
        let wanted = match &self.content {
            Content::Disk { weight, .. } => weight * level,
            Content::Parts(parts) => parts.iter().map(|part| part.share(level)).sum(),
        };
        wanted.min(self.capacity as f64)
    }

    /// Distributes `slots`, at most the capacity, over the disks below.
    fn pour(&self, slots: u64, targets: &mut [u64]) {
        match &self.content {
            Content::Disk { position, .. } => targets[*position] = slots,
            Content::Parts(parts) => {
                for (part, portion) in parts.iter().zip(portions(parts, slots)) {
                    part.pour(portion, targets);
                }
            }
        }
    }
}

/// Splits `slots` over `parts`: the exact share of each, rounded so that the sum is right.
fn portions(parts: &[Domain], slots: u64) -> Vec<u64> {
    let level = level(parts, slots);
    let shares: Vec<f64> = parts.iter().map(|part| part.share(level)).collect();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shares are positive and below 2^32")]
    let mut portions: Vec<u64> = shares.iter().map(|share| (share + TOLERANCE) as u64).collect();
    let mut rest = slots - portions.iter().sum::<u64>().min(slots);
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by(|&a, &b| {
        let keeps = |part: usize| portions[part] < parts[part].held;
        let remainder = |part: usize| shares[part] - portions[part] as f64;
        keeps(b).cmp(&keeps(a)).then(remainder(b).total_cmp(&remainder(a))).then(a.cmp(&b))
    });
    for part in order {
        if 0 < rest && portions[part] < parts[part].capacity && TOLERANCE < shares[part] {
            portions[part] += 1;
            rest -= 1;
        }
    }
    portions
}

/// The level at which the parts together take `slots`.
fn level(parts: &[Domain], slots: u64) -> f64 {
    let taken = |level: f64| parts.iter().map(|part| part.share(level)).sum::<f64>();
    let enough = |level: f64| slots as f64 - TOLERANCE <= taken(level);
    // The smallest positive weight is 2^-64, so the doubling ends before the level overflows.
    let mut high = 1.0;
    while !enough(high) && high < 1e40 {
        high *= 2.0;
    }
    let mut low = 0.0;
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}
