//! What goes wrong: power, processes, disks and network, one of each kind at a time.
//!
//! The kinds are independent of each other. One stops a machine, at a random I/O call, and starts it again. Another
//! harms one disk, and lets the next come to harm only once everything is whole again: what would exceed the redundancy
//! is no fault of the store. For the network see `network`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use env::Failure;
use parking_lot::Mutex;

use super::history::History;
use super::machine::Machine;
use super::network::NetworkNemesis;
use crate::dice::Dice;

/// I/O calls within which the power goes, if they happen in time.
const CALLS_MAX: [u64; 2] = [40, 400];
/// How long the power waits for that call.
const CALLS_SPAN: Duration = Duration::from_secs(2);
/// Before another leader is elected, in milliseconds.
const SOON_MILLIS: u64 = 300;
/// More than any disk has.
const ROOM: u64 = 1 << 50;

/// Stops machines and harms disks.
pub(super) struct Nemesis {
    machines: Arc<Vec<Arc<Machine>>>,
    history: Arc<Mutex<History>>,
    dice: Dice,
    power: Power,
    harm: Harm,
    network: NetworkNemesis,
    /// Whether disks may be harmed.
    harms_disks: bool,
}

enum Power {
    Fine { until: Duration },
    Going { machine: usize, until: Duration },
    Gone { machine: usize, until: Duration },
}

enum Harm {
    /// `rotten` is the machine whose disk has rotted, if that was the last harm.
    None {
        until: Duration,
        rotten: Option<usize>,
    },
    Done {
        machine: usize,
        path: PathBuf,
        harm: Trouble,
        until: Duration,
    },
}

/// What may happen to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Bits flip.
    Rot,
    /// Every call fails.
    Errors,
    /// Everything takes long.
    Slow,
    /// There is no room.
    Full,
    /// The directory is gone.
    Missing,
    /// Another disk is there, without anything on it.
    Replaced,
}

impl Nemesis {
    pub(super) fn new(machines: Arc<Vec<Arc<Machine>>>, history: Arc<Mutex<History>>, seed: u64) -> Self {
        let dice = Dice::new(seed);
        let harms_disks = machines.iter().any(|machine| machine.has_redundancy());
        let power = Power::Fine { until: dice.millis(500, 6000) };
        let harm = Harm::None { until: dice.millis(500, 6000), rotten: None };
        let network = NetworkNemesis::new(machines.clone(), dice.below(u64::MAX));
        Self { machines, history, dice, power, harm, network, harms_disks }
    }

    /// Does what is due. Call it between any two steps.
    pub(super) fn act(&mut self, sim: &mut turmoil::Sim<'_>) {
        let now = sim.elapsed();
        match self.power {
            Power::Fine { until } if until <= now => {
                let machine = self.pick_machine();
                let files = self.machines[machine].files();
                let calls_max = self.dice.pick(&CALLS_MAX);
                // Not always at a call: what a disk was asked for last, others have mostly been told.
                let span = self.dice.pick(&[Duration::ZERO, CALLS_SPAN, CALLS_SPAN]);
                files.fail_call(files.calls() + self.dice.below(calls_max), Failure::Crash);
                self.power = Power::Going { machine, until: now + span };
            }
            Power::Going { machine, until } if self.machines[machine].files().has_crashed() || until <= now => {
                self.stop(sim, machine);
                let millis_max = self.dice.pick(&[SOON_MILLIS, 4000]);
                self.power = Power::Gone { machine, until: now + self.dice.millis(0, millis_max) };
            }
            Power::Gone { machine, until } if until <= now => {
                self.start(sim, machine);
                self.power = Power::Fine { until: now + self.dice.millis(200, 4000) };
            }
            _ => {}
        }
        match self.harm {
            Harm::None { until, rotten }
                if self.harms_disks && until <= now && self.bears_harm_since(until, rotten) =>
            {
                self.harm_disk(now)
            }
            Harm::Done { until, .. } if until <= now => self.end_harm(now),
            _ => {}
        }
        if let Some(what) = self.network.act(sim) {
            self.note(now, &what);
        }
    }

    /// Ends everything that goes wrong.
    pub(super) fn relent(&mut self, sim: &mut turmoil::Sim<'_>) {
        let now = sim.elapsed();
        if let Power::Going { machine, .. } = self.power {
            self.stop(sim, machine);
            self.power = Power::Gone { machine, until: now };
        }
        if let Power::Gone { machine, .. } = self.power {
            self.start(sim, machine);
        }
        self.end_harm(now);
        if let Some(what) = self.network.relent(sim) {
            self.note(now, &what);
        }
        self.note(now, "nothing goes wrong any more");
    }

    /// Whether everything has been whole since `moment`, no machine's metadata lies on one disk of several alone, and the
    /// machine `rotten` has reread its log since.
    fn bears_harm_since(&self, moment: Duration, rotten: Option<usize>) -> bool {
        self.is_whole_since(moment)
            && self.machines.iter().all(|machine| machine.is_mirrored())
            && rotten.is_none_or(|number| self.machines[number].has_reread_since(moment))
    }

    /// Whether every machine has found everything whole since `moment`.
    pub(super) fn is_whole_since(&self, moment: Duration) -> bool {
        self.machines.iter().all(|machine| machine.is_whole_since(moment))
    }

    /// A machine to stop: every other time one that leads.
    fn pick_machine(&self) -> usize {
        let any = usize::try_from(self.dice.below(self.machines.len() as u64)).expect("below a length");
        let wants_leader = self.dice.below(2) == 0;
        let leader = self.machines.iter().position(|machine| machine.is_leader());
        leader.filter(|_| wants_leader).unwrap_or(any)
    }

    fn stop(&mut self, sim: &mut turmoil::Sim<'_>, number: usize) {
        let has_power = self.dice.below(3) == 0;
        let machine = &self.machines[number];
        self.note(sim.elapsed(), &format!("{} stops, power: {has_power}", machine.name));
        sim.crash(machine.name.as_str());
        machine.lose_process(has_power);
    }

    fn start(&mut self, sim: &mut turmoil::Sim<'_>, number: usize) {
        let machine = &self.machines[number];
        self.note(sim.elapsed(), &format!("{} starts", machine.name));
        machine.clock.set_skew(i64::try_from(self.dice.below(7_200_000)).expect("two hours") - 3_600_000);
        sim.bounce(machine.name.as_str());
        if let Some(what) = self.network.greet(sim, number) {
            self.note(sim.elapsed(), &what);
        }
    }

    fn harm_disk(&mut self, now: Duration) {
        let number = usize::try_from(self.dice.below(self.machines.len() as u64)).expect("below a length");
        let machine = &self.machines[number];
        let path = machine.pick_disk(&self.dice);
        let harm = self.dice.pick(&[
            Trouble::Rot,
            Trouble::Rot,
            Trouble::Errors,
            Trouble::Slow,
            Trouble::Full,
            Trouble::Missing,
            // Without its only disk a machine has forgotten who it is.
            if machine.has_other_disks() { Trouble::Replaced } else { Trouble::Rot },
        ]);
        let files = machine.files();
        match harm {
            Trouble::Rot => {
                let count = u32::try_from(20 + self.dice.below(1000)).expect("few");
                // The only copy of its metadata no machine can do without.
                let part = if machine.has_other_disks() { path.clone() } else { path.join("extents") };
                files.flip_bits(&part, count, self.dice.below(u64::MAX));
            }
            Trouble::Errors => files.fail_path(&path, Failure::Io),
            Trouble::Slow => machine.slow_down(&path, self.dice.millis(50, 3000)),
            Trouble::Full => files.set_capacity(&path, files.used(&path) + self.dice.below(1 << 20)),
            Trouble::Missing | Trouble::Replaced => files.vanish(&path),
        }
        self.note(now, &format!("{harm:?} on {} of {}", path.display(), machine.name));
        self.harm = Harm::Done { machine: number, path, harm, until: now + self.dice.millis(200, 6000) };
    }

    fn end_harm(&mut self, now: Duration) {
        let next = Harm::None { until: now + self.dice.millis(200, 3000), rotten: None };
        let Harm::Done { machine: number, path, harm, .. } = std::mem::replace(&mut self.harm, next) else { return };
        let machine = &self.machines[number];
        let files = machine.files();
        match harm {
            Trouble::Rot => {
                if let Harm::None { rotten, .. } = &mut self.harm {
                    *rotten = Some(number);
                }
            }
            Trouble::Errors => files.heal_path(&path),
            Trouble::Slow => machine.speed_up(),
            Trouble::Full => files.set_capacity(&path, ROOM),
            Trouble::Missing => files.restore(&path),
            Trouble::Replaced => files.mount(&path),
        }
        self.note(now, &format!("no more {harm:?} on {} of {}", path.display(), machine.name));
    }

    fn note(&self, now: Duration, what: &str) {
        self.history.lock().note(now, what);
    }
}
