//! What a reader may find: the memory of one writer.

use std::collections::BTreeMap;

use bytes::Bytes;

/// A body that was written once: its bytes follow from these numbers, and no two are equal in all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Written {
    pub(crate) writer: u64,
    pub(crate) sequence: u64,
    pub(crate) size: usize,
}

impl Written {
    /// The bytes: writer and sequence at the start of each 16, so that any piece tells where it belongs.
    pub(crate) fn content(self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.size + 16);
        let mut position = 0_u64;
        while bytes.len() < self.size {
            bytes.extend_from_slice(&(self.writer << 48 | self.sequence).to_le_bytes());
            bytes.extend_from_slice(&position.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
            position += 1;
        }
        bytes.truncate(self.size);
        bytes.into()
    }
}

/// `None`: the key does not exist.
pub(crate) type State = Option<Written>;

/// The store lost, resurrected or tore something that it had acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

impl std::fmt::Display for Violation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}

/// For each key the states that a reader may find: one when the last operation was answered, several while one is under
/// way or was cut off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oracle {
    states: BTreeMap<String, Vec<State>>,
}

impl Oracle {
    /// An operation that would turn `key` into `state` is about to begin.
    pub(crate) fn begin(&mut self, key: &str, state: State) {
        self.states.entry(key.to_owned()).or_insert_with(|| vec![None]).push(state);
    }

    /// The operation was acknowledged: nothing else may be found from now on.
    pub(crate) fn acknowledge(&mut self, key: &str, state: State) {
        self.states.insert(key.to_owned(), vec![state]);
    }

    /// Keys of which anything is known, in order.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.states.keys().cloned().collect()
    }

    /// A key that certainly exists, chosen by `choose` among all such.
    pub(crate) fn existing(&self, choose: impl FnOnce(u64) -> u64) -> Option<(String, Written)> {
        let certain: Vec<_> = self
            .states
            .iter()
            .filter_map(|(key, states)| match states[..] {
                [Some(written)] => Some((key.clone(), written)),
                _ => None,
            })
            .collect();
        let position = if certain.is_empty() { 0 } else { choose(certain.len() as u64) };
        certain.into_iter().nth(usize::try_from(position).expect("below a length"))
    }

    /// Compares what was found under `key` with what may be there, and remembers it.
    pub(crate) fn found(&mut self, key: &str, body: Option<&Bytes>) -> Result<(), Violation> {
        let states = self.states.entry(key.to_owned()).or_insert_with(|| vec![None]);
        let matches = |state: &&State| match (state, body) {
            (None, None) => true,
            (Some(written), Some(body)) => written.size == body.len() && written.content() == *body,
            _ => false,
        };
        let Some(state) = states.iter().find(matches).copied() else {
            let what = body.map_or_else(|| "nothing".to_owned(), |body| format!("{} bytes", body.len()));
            return Err(Violation(format!("{key}: found {what}, expected one of {states:?}")));
        };
        *states = vec![state];
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Written = Written { writer: 1, sequence: 1, size: 40 };
    const NEW: Written = Written { writer: 1, sequence: 2, size: 40 };

    #[test]
    fn a_cut_off_write_may_have_happened_or_not_but_not_both() {
        let mut oracle = Oracle::default();
        oracle.acknowledge("k", Some(OLD));
        oracle.begin("k", Some(NEW));
        oracle.clone().found("k", Some(&OLD.content())).unwrap();
        oracle.found("k", Some(&NEW.content())).unwrap();
        assert!(oracle.found("k", Some(&OLD.content())).is_err(), "what was seen once cannot be undone");
    }

    #[test]
    fn loss_resurrection_and_tearing_are_violations() {
        let mut oracle = Oracle::default();
        oracle.acknowledge("k", Some(OLD));
        assert!(oracle.found("k", None).is_err());
        assert!(oracle.found("k", Some(&OLD.content().slice(..20))).is_err());
        oracle.acknowledge("k", None);
        assert!(oracle.found("k", Some(&OLD.content())).is_err());
    }
}
