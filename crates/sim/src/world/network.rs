//! What goes wrong between machines: one trouble at a time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::machine::Machine;
use crate::dice::Dice;

/// What may happen to the links of one machine to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Nothing passes.
    Isolated,
    /// What it sends is lost.
    Mute,
    /// What others send is lost.
    Deaf,
    /// Everything is held back, and delivered in the end.
    Held,
}

enum State {
    Fine {
        until: Duration,
    },
    Troubled {
        machine: usize,
        /// The machines that it cannot reach as usual.
        others: BTreeSet<usize>,
        trouble: Trouble,
        until: Duration,
    },
}

/// Harms the network.
pub(super) struct NetworkNemesis {
    machines: Arc<Vec<Arc<Machine>>>,
    dice: Dice,
    state: State,
}

impl NetworkNemesis {
    pub(super) fn new(machines: Arc<Vec<Arc<Machine>>>, seed: u64) -> Self {
        let dice = Dice::new(seed);
        let until = dice.millis(500, 8000);
        Self { machines, dice, state: State::Fine { until } }
    }

    /// Does what is due; says what it did.
    pub(super) fn act(&mut self, sim: &turmoil::Sim<'_>) -> Option<String> {
        let now = sim.elapsed();
        match &self.state {
            State::Fine { until } if 1 < self.machines.len() && *until <= now => {
                let machine = self.pick();
                let mut others: BTreeSet<usize> = (0..self.machines.len()).filter(|other| *other != machine).collect();
                // Now and then a single link: everybody is still reached by somebody.
                if self.dice.below(4) == 0 {
                    let spared = self.pick();
                    others.retain(|other| *other != spared);
                }
                let trouble = self.dice.pick(&[
                    Trouble::Isolated,
                    Trouble::Isolated,
                    Trouble::Mute,
                    Trouble::Deaf,
                    Trouble::Held,
                ]);
                others.iter().for_each(|other| self.begin(sim, trouble, machine, *other));
                let what = format!("{} is {trouble:?} for {}", self.machines[machine].name, self.names(&others));
                self.state = State::Troubled { machine, others, trouble, until: now + self.dice.millis(300, 8000) };
                Some(what)
            }
            State::Troubled { until, .. } if *until <= now => self.relent(sim),
            _ => None,
        }
    }

    /// `machine` starts. Every other time its link to one that has trouble is whole again from then on, that one's other
    /// links are not yet: whoever lost touch with a majority reaches somebody who has just begun. Says what it did.
    pub(super) fn greet(&mut self, sim: &turmoil::Sim<'_>, started: usize) -> Option<String> {
        let is_lucky = self.dice.below(2) == 0;
        let State::Troubled { machine, others, trouble, .. } = &mut self.state else { return None };
        let (machine, trouble) = (*machine, *trouble);
        if !is_lucky || !others.remove(&started) {
            return None;
        }
        self.end(sim, trouble, machine, started);
        Some(format!("{} is no longer {trouble:?} for {}", self.machines[machine].name, self.machines[started].name))
    }

    /// Ends what goes wrong; says what it was.
    pub(super) fn relent(&mut self, sim: &turmoil::Sim<'_>) -> Option<String> {
        let fine = State::Fine { until: sim.elapsed() + self.dice.millis(300, 6000) };
        match std::mem::replace(&mut self.state, fine) {
            State::Troubled { machine, others, trouble, .. } => {
                others.iter().for_each(|other| self.end(sim, trouble, machine, *other));
                Some(format!("{} is no longer {trouble:?}", self.machines[machine].name))
            }
            State::Fine { .. } => None,
        }
    }

    fn begin(&self, sim: &turmoil::Sim<'_>, trouble: Trouble, machine: usize, other: usize) {
        let [this, other] = [machine, other].map(|number| self.machines[number].name.as_str());
        match trouble {
            Trouble::Isolated => sim.partition(this, other),
            Trouble::Mute => sim.partition_oneway(this, other),
            Trouble::Deaf => sim.partition_oneway(other, this),
            Trouble::Held => sim.hold(this, other),
        }
    }

    fn end(&self, sim: &turmoil::Sim<'_>, trouble: Trouble, machine: usize, other: usize) {
        let [this, other] = [machine, other].map(|number| self.machines[number].name.as_str());
        match trouble {
            Trouble::Isolated => sim.repair(this, other),
            Trouble::Mute => sim.repair_oneway(this, other),
            Trouble::Deaf => sim.repair_oneway(other, this),
            Trouble::Held => sim.release(this, other),
        }
    }

    fn pick(&self) -> usize {
        usize::try_from(self.dice.below(self.machines.len() as u64)).expect("below a length")
    }

    fn names(&self, machines: &BTreeSet<usize>) -> String {
        machines.iter().map(|machine| self.machines[*machine].name.as_str()).collect::<Vec<_>>().join(", ")
    }
}
