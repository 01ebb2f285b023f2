//! A world of its own: machines, network, clients and time, all on one thread and all from one seed.
//!
//! ```text
//!   clients ──► door ──► Store ─► Cluster ─► disks (SimFiles)         nemesis: stops machines, harms disks
//!      │                 one runtime a machine, paused time           between any two steps
//!      ▼
//!   history ─► linearizability of every key, trace hash
//! ```
//!
//! [`World::run`] lets clients work while the nemesis is at work, then ends all faults and demands that everything becomes
//! whole and readable. A seed decides everything: run again, it gives the same trace, event by event. The machines run the
//! product's code; simulated are files ([`env::SimFiles`]), network and time (turmoil), threads ([`env::SimSpawn`]) and
//! randomness.
//!
//! Invariant: nothing here reads the clock, the randomness or the threads of the machine it runs on.

mod client;
mod clock;
mod door;
mod history;
mod linear;
mod machine;
mod nemesis;
mod net;
mod panics;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::try_join_all;
use parking_lot::Mutex;

use self::client::Client;
use self::history::History;
use self::machine::Machine;
use self::nemesis::Nemesis;
use crate::dice::Dice;
use crate::oracle::Violation;

const CLIENTS: usize = 5;
/// How long everything may take to become whole once nothing fails any more.
const CONVALESCENCE: Duration = Duration::from_secs(240);

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// Decides everything else.
    pub seed: u64,
    /// Virtual time in which clients work and things go wrong.
    pub span: Duration,
    /// Whether to keep a line of text for each event.
    pub is_verbose: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Report {
    /// Hash of all events: equal for equal seeds.
    pub trace_hash: String,
    /// A line for each event, if asked for.
    pub trace: Vec<String>,
    /// Operations of clients.
    pub operations: usize,
    /// Those of them that were never answered, or had no effect for sure.
    pub unanswered: usize,
    /// Virtual time from the first event to the last.
    pub elapsed: Duration,
    /// What should not have happened.
    pub result: Result<(), Violation>,
}

impl World {
    /// Runs the simulation to its end, or to the first violation.
    pub fn run(self) -> Report {
        let history = Arc::new(Mutex::new(History::new(self.is_verbose)));
        let mut sim = self.new_sim();
        let result = panics::catch(|| self.run_in(&mut sim, &history));
        let mut history = history.lock();
        let (operations, unanswered) = history.counts();
        Report {
            trace_hash: history.trace_hash(),
            trace: history.take_lines(),
            operations,
            unanswered,
            elapsed: sim.elapsed(),
            result,
        }
    }

    fn new_sim(self) -> turmoil::Sim<'static> {
        let mut builder = turmoil::Builder::new();
        builder
            .rng_seed(self.seed)
            .epoch(UNIX_EPOCH + Duration::from_millis(clock::EPOCH_MILLIS))
            .simulation_duration(Duration::from_secs(24 * 3600))
            .tick_duration(Duration::from_millis(1))
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(10))
            .tcp_capacity(1 << 16);
        builder.build()
    }

    fn run_in(self, sim: &mut turmoil::Sim<'_>, history: &Arc<Mutex<History>>) -> Result<(), Violation> {
        let dice = Dice::new(self.seed);
        let disk_count = dice.pick(&[1, 3, 4, 6]);
        let machine = Machine::new("node-1".to_owned(), disk_count, dice.below(u64::MAX));
        let machines = Arc::new(vec![Arc::new(machine)]);
        for machine in machines.iter() {
            let serving = machine.clone();
            sim.host(machine.name.as_str(), move || serving.clone().serve());
        }
        let seeds: Vec<u64> = (0..=CLIENTS).map(|_| dice.below(u64::MAX)).collect();
        let client = |number: usize| Client::new(number, machines.clone(), history.clone(), seeds[number]);
        let mut nemesis = Nemesis::new(machines.clone(), history.clone(), dice.below(u64::MAX), 1 < disk_count);

        let (first, clients): (Client, Vec<Client>) = (client(0), (0..CLIENTS).map(client).collect());
        sim.client("clients", async move {
            first.prepare().await;
            try_join_all(clients.into_iter().map(|client| client.work(self.span))).await?;
            Ok(())
        });
        run_steps(sim, |sim| nemesis.act(sim))?;

        nemesis.relent(sim);
        let (relented, last) = (sim.elapsed(), client(CLIENTS));
        sim.client("last-look", async move { Ok(last.look(CONVALESCENCE).await?) });
        run_steps(sim, |_| ())?;
        while !nemesis.is_whole_since(relented) {
            if relented + CONVALESCENCE < sim.elapsed() {
                let states = machines.iter().map(|machine| format!("{:?}", machine.status())).collect::<Vec<_>>();
                return Err(Violation(format!("not whole though nothing fails any more: {}", states.join("\n"))));
            }
            step(sim)?;
        }
        history.lock().check()
    }
}

/// Steps until all clients have ended.
fn run_steps<'a>(sim: &mut turmoil::Sim<'a>, mut between: impl FnMut(&mut turmoil::Sim<'a>)) -> Result<(), Violation> {
    while !step(sim)? {
        between(sim);
    }
    Ok(())
}

fn step(sim: &mut turmoil::Sim<'_>) -> Result<bool, Violation> {
    let is_finished = sim.step().map_err(|error| Violation(format!("{error}")))?;
    panics::check()?;
    Ok(is_finished)
}
