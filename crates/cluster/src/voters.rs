//! Which nodes vote: a pure decision.

use std::collections::{BTreeMap, BTreeSet};

use placement::{NodeId, RackId};

/// A node that may vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) id: NodeId,
    pub(crate) rack: RackId,
    /// It votes now.
    pub(crate) votes: bool,
    /// It answers, has the log, and stays.
    pub(crate) fit: bool,
    /// It was told to leave.
    pub(crate) leaving: bool,
}

/// How many of so many nodes vote. Two would have to agree on everything, and either's death would stop both.
fn voter_count(nodes: usize) -> usize {
    match nodes {
        0..3 => 1,
        3..5 => 3,
        _ => 5,
    }
}

/// Chooses the voters: spread over racks, those that vote now before others. Voters that are not fit stay while nobody
/// can take their place: fewer would not make the rest safer. Empty when there is nobody to choose.
pub(crate) fn choose_voters(candidates: &[Candidate]) -> BTreeSet<NodeId> {
    let staying = candidates.iter().filter(|candidate| !candidate.leaving).count();
    let count = voter_count(staying);
    let mut chosen = BTreeSet::new();
    let mut in_rack: BTreeMap<RackId, usize> = BTreeMap::new();
    while chosen.len() < count {
        let open = candidates.iter().filter(|candidate| !chosen.contains(&candidate.id));
        let eligible = open.filter(|candidate| candidate.fit || (candidate.votes && !candidate.leaving));
        let cost = |candidate: &&Candidate| {
            let crowd = in_rack.get(&candidate.rack).copied().unwrap_or(0);
            (!candidate.fit, crowd, !candidate.votes, candidate.id)
        };
        let Some(best) = eligible.min_by_key(cost) else { break };
        chosen.insert(best.id);
        *in_rack.entry(best.rack).or_insert(0) += 1;
    }
    // An even number tolerates no more failures than one less, and is slower.
    if chosen.len() % 2 == 0
        && let Some(last) = chosen.iter().rev().find(|id| !votes(candidates, **id)).or(chosen.last()).copied()
    {
        chosen.remove(&last);
    }
    chosen
}

fn votes(candidates: &[Candidate], id: NodeId) -> bool {
    candidates.iter().any(|candidate| candidate.id == id && candidate.votes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(nodes: &[(u64, u32, char)]) -> Vec<Candidate> {
        let candidate = |&(id, rack, kind): &(u64, u32, char)| Candidate {
            id: NodeId(id),
            rack: RackId(rack),
            votes: matches!(kind, 'v' | 'd'),
            fit: matches!(kind, 'v' | 'l'),
            leaving: kind == 'x',
        };
        nodes.iter().map(candidate).collect()
    }

    #[test]
    fn voters_are_chosen_over_racks_and_kept_while_they_are_fit() {
        // v: votes, l: learner with the log, b: learner behind, d: dead voter, x: leaves.
        type Case = (&'static str, &'static [(u64, u32, char)], &'static [u64]);
        let cases: &[Case] = &[
            ("alone", &[(1, 0, 'v')], &[1]),
            ("two", &[(1, 0, 'v'), (2, 0, 'l')], &[1]),
            ("three", &[(1, 0, 'v'), (2, 0, 'l'), (3, 0, 'l')], &[1, 2, 3]),
            ("the third is behind", &[(1, 0, 'v'), (2, 0, 'l'), (3, 0, 'b')], &[1]),
            ("four", &[(1, 0, 'v'), (2, 0, 'v'), (3, 0, 'v'), (4, 0, 'l')], &[1, 2, 3]),
            ("a dead one is replaced", &[(1, 0, 'v'), (2, 0, 'd'), (3, 0, 'v'), (4, 0, 'l')], &[1, 3, 4]),
            ("a dead one stays if nobody can", &[(1, 0, 'v'), (2, 0, 'd'), (3, 0, 'v')], &[1, 2, 3]),
            ("five", &[(1, 0, 'v'), (2, 0, 'v'), (3, 0, 'v'), (4, 0, 'l'), (5, 0, 'l')], &[1, 2, 3, 4, 5]),
            ("racks", &[(1, 0, 'v'), (2, 0, 'l'), (3, 1, 'l'), (4, 2, 'l')], &[1, 3, 4]),
            ("one leaves", &[(1, 0, 'x'), (2, 0, 'v'), (3, 0, 'v'), (4, 0, 'l')], &[2, 3, 4]),
            ("nobody", &[], &[]),
        ];
        for (name, nodes, expected) in cases {
            let expected: BTreeSet<NodeId> = expected.iter().copied().map(NodeId).collect();
            assert_eq!(choose_voters(&fleet(nodes)), expected, "{name}");
        }
    }
}
