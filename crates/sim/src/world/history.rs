//! What clients did and found, and the hash of it all.

use std::collections::BTreeMap;
use std::time::Duration;

use store::Etag;

use super::linear::{Effect, OPERATIONS_MAX, Operation, Version, is_linearizable};
use crate::oracle::{Violation, Written};

/// Operations on a key after which clients turn to another: the rest is for the last look.
const OPERATIONS_WANTED: usize = OPERATIONS_MAX - 28;
/// Unanswered operations on a key after which they do: each doubles the orders to check.
const UNANSWERED_WANTED: usize = 8;

/// Everything that happened, as clients see it.
pub(super) struct History {
    keys: BTreeMap<String, KeyHistory>,
    events: u64,
    trace: blake3::Hasher,
    lines: Option<Vec<String>>,
}

#[derive(Default)]
struct KeyHistory {
    operations: Vec<Operation>,
    /// What was or may have been written, by version.
    bodies: Vec<(Written, Etag)>,
}

/// An operation that has begun.
#[derive(Clone)]
pub(super) struct Begun {
    key: String,
    number: usize,
}

impl History {
    /// An empty history; keeps a line of text for each event if `is_verbose`.
    pub(super) fn new(is_verbose: bool) -> Self {
        Self { keys: BTreeMap::new(), events: 0, trace: blake3::Hasher::new(), lines: is_verbose.then(Vec::new) }
    }

    /// Takes note of an event at virtual time `now`.
    pub(super) fn note(&mut self, now: Duration, what: &str) {
        let line = format!("{:>9.3} {what}", now.as_secs_f64());
        tracing::debug!("{line}");
        self.trace.update(line.as_bytes());
        self.trace.update(b"\n");
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    /// Hash of all events.
    pub(super) fn trace_hash(&self) -> String {
        self.trace.finalize().to_hex()[..32].to_owned()
    }

    /// A line for each event, if they were kept.
    pub(super) fn take_lines(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }

    /// How many operations there were, and how many of them were never answered.
    pub(super) fn counts(&self) -> (usize, usize) {
        let all = || self.keys.values().flat_map(|key| &key.operations);
        (all().count(), all().filter(|operation| operation.ended.is_none()).count())
    }

    /// Whether `key` takes more operations.
    pub(super) fn has_room(&self, key: &str) -> bool {
        self.keys.get(key).is_none_or(|key| {
            let unanswered = key.operations.iter().filter(|operation| operation.ended.is_none()).count();
            key.operations.len() < OPERATIONS_WANTED && unanswered < UNANSWERED_WANTED
        })
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.keys.keys().cloned().collect()
    }

    /// Registers a body that is about to be written under `key`.
    pub(super) fn add_version(&mut self, key: &str, written: Written, etag: Etag) -> Version {
        let bodies = &mut self.keys.entry(key.to_owned()).or_default().bodies;
        bodies.push((written, etag));
        Version::try_from(bodies.len() - 1).expect("runs are short")
    }

    /// The version of `key` with this tag.
    ///
    /// # Errors
    ///
    /// Nobody ever wrote it.
    pub(super) fn version_of(&self, key: &str, etag: &Etag) -> Result<Version, Violation> {
        let bodies = self.keys.get(key).map(|key| &key.bodies[..]).unwrap_or_default();
        let position = bodies.iter().position(|(_, written)| written == etag);
        let position = position.ok_or_else(|| Violation(format!("{key}: nobody wrote what has the tag {etag:?}")))?;
        Ok(Version::try_from(position).expect("runs are short"))
    }

    /// What was written as `version` of `key`.
    pub(super) fn written(&self, key: &str, version: Version) -> (Written, Etag) {
        self.keys[key].bodies[version as usize].clone()
    }

    /// A random version of `key`, chosen by `choose`, to put conditions on.
    pub(super) fn some_version(&self, key: &str, choose: impl FnOnce(u64) -> u64) -> Option<Version> {
        let count = self.keys.get(key)?.bodies.len();
        (0 < count).then(|| Version::try_from(choose(count as u64)).expect("below a length"))
    }

    /// `client` begins an operation on `key` that would have `effect`.
    pub(super) fn begin(&mut self, key: &str, effect: Effect) -> Begun {
        self.events += 1;
        let operations = &mut self.keys.entry(key.to_owned()).or_default().operations;
        operations.push(Operation { begun: self.events, ended: None, effect });
        Begun { key: key.to_owned(), number: operations.len() - 1 }
    }

    /// The operation was answered: it had `effect`.
    pub(super) fn end(&mut self, begun: &Begun, effect: Effect) {
        self.events += 1;
        let now = self.events;
        let operation = &mut self.key_of(begun).operations[begun.number];
        operation.effect = effect;
        operation.ended = Some(now);
    }

    /// The operation certainly had no effect, and found nothing.
    pub(super) fn forget(&mut self, begun: &Begun) {
        self.events += 1;
        let now = self.events;
        let operation = &mut self.key_of(begun).operations[begun.number];
        // In no order does it matter.
        operation.effect = Effect::Read(None);
        operation.ended = None;
        operation.begun = now;
    }

    fn key_of(&mut self, begun: &Begun) -> &mut KeyHistory {
        self.keys.get_mut(&begun.key).expect("an operation began on it")
    }

    /// Checks every key.
    ///
    /// # Errors
    ///
    /// The first key whose answers no order explains.
    pub(super) fn check(&self) -> Result<(), Violation> {
        for (key, history) in &self.keys {
            let matters =
                |operation: &&Operation| operation.ended.is_some() || matches!(operation.effect, Effect::Write { .. });
            let operations: Vec<Operation> = history.operations.iter().filter(matters).copied().collect();
            if !is_linearizable(&operations) {
                let lines: Vec<String> = operations.iter().map(|operation| format!("    {operation:?}")).collect();
                return Err(Violation(format!("{key}: no order explains\n{}", lines.join("\n"))));
            }
        }
        Ok(())
    }
}
