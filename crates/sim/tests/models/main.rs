//! Models of the protocols that no test of the code can exhaust, checked over every interleaving of a small scope.
//!
//! [`commit`] is PUT, overwrite and garbage collection by intent epochs; [`slot_move`] is a slot that changes its disk
//! under writers, with fences and a census; [`multipart`] is the end of an upload. Each step names the function it stands for; each has mutations, rules left
//! out, of which the checker must find the consequence: a model that cannot fail shows nothing.
//!
//! The log is one sequence of entries here: that Raft makes one of many nodes is openraft's to prove.

mod commit;
mod multipart;
mod slot_move;

use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, HasDiscoveries, Model};

/// Whether larger scopes are asked for: `STONECROP_TEST_CASES` above 1.
fn is_long_run() -> bool {
    #[expect(clippy::disallowed_methods, reason = "a longer run is asked for from outside")]
    let factor = std::env::var("STONECROP_TEST_CASES").ok().and_then(|text| text.parse::<u64>().ok());
    factor.is_some_and(|factor| 1 < factor)
}

/// Explores all states of `model`: none violates a property. Returns how many there are.
fn check_holds<M>(name: &str, model: M) -> usize
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    let checker = model.checker().threads(2).spawn_bfs().join();
    println!("{name}: {} states, {} steps deep", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
    checker.unique_state_count()
}

/// The property `violated` is violated in some state of `model`.
fn check_fails<M>(name: &str, model: M, violated: &'static str)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let path = checker.discovery(violated).unwrap_or_else(|| panic!("{name}: nobody noticed that {violated:?} fails"));
    println!("{name}: {violated:?} fails after {} steps", path.into_actions().len());
}
