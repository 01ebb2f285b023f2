//! What goes wrong between machines: one trouble at a time.

use std::sync::Arc;
use std::time::Duration;

use super::machine::Machine;
use crate::dice::Dice;

/// What may happen to the links of one machine to all others.
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
    Fine { until: Duration },
    Troubled { machine: usize, trouble: Trouble, until: Duration },
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
        let until = dice.millis(3000, 10_000);
        Self { machines, dice, state: State::Fine { until } }
    }

    /// Does what is due; says what it did.
    pub(super) fn act(&mut self, sim: &turmoil::Sim<'_>) -> Option<String> {
        let now = sim.elapsed();
        match self.state {
            State::Fine { until } if 1 < self.machines.len() && until <= now => {
                let machine = usize::try_from(self.dice.below(self.machines.len() as u64)).expect("below a length");
                let trouble = self.dice.pick(&[
                    Trouble::Isolated,
                    Trouble::Isolated,
                    Trouble::Mute,
                    Trouble::Deaf,
                    Trouble::Held,
                ]);
                self.for_each_link(machine, |this, other| match trouble {
                    Trouble::Isolated => sim.partition(this, other),
                    Trouble::Mute => sim.partition_oneway(this, other),
                    Trouble::Deaf => sim.partition_oneway(other, this),
                    Trouble::Held => sim.hold(this, other),
                });
                self.state = State::Troubled { machine, trouble, until: now + self.dice.millis(500, 12_000) };
                Some(format!("{} is {trouble:?}", self.machines[machine].name))
            }
            State::Troubled { until, .. } if until <= now => self.relent(sim),
            _ => None,
        }
    }

    /// Ends what goes wrong; says what it was.
    pub(super) fn relent(&mut self, sim: &turmoil::Sim<'_>) -> Option<String> {
        let State::Troubled { machine, trouble, .. } = self.state else { return None };
        self.for_each_link(machine, |this, other| match trouble {
            Trouble::Isolated => sim.repair(this, other),
            Trouble::Mute => sim.repair_oneway(this, other),
            Trouble::Deaf => sim.repair_oneway(other, this),
            Trouble::Held => sim.release(this, other),
        });
        self.state = State::Fine { until: sim.elapsed() + self.dice.millis(3000, 12_000) };
        Some(format!("{} is no longer {trouble:?}", self.machines[machine].name))
    }

    fn for_each_link(&self, machine: usize, change: impl Fn(&str, &str)) {
        let this = &self.machines[machine].name;
        for other in self.machines.iter().filter(|other| other.name != *this) {
            change(this, &other.name);
        }
    }
}
