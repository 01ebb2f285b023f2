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
mod network;
mod operator;
mod panics;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::future::try_join_all;
use parking_lot::Mutex;
use placement::Profile;

use self::client::Client;
use self::history::History;
use self::machine::Machine;
use self::nemesis::Nemesis;
use self::operator::Operator;
use crate::dice::Dice;
use crate::entropy;
use crate::oracle::Violation;

const CLIENTS: usize = 5;
/// When a node that gave up is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// How long the cluster may take to be founded, and clients to end their work.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long everything may take to become whole once nothing fails any more.
const CONVALESCENCE: Duration = Duration::from_secs(240);

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// Decides everything else.
    pub seed: u64,
    /// How many machines; as the seed has it when `None`.
    pub nodes: Option<usize>,
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
        entropy::with_seed(self.seed, || self.run_here())
    }

    fn run_here(self) -> Report {
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

    fn new_machines(self, dice: &Dice) -> Arc<Vec<Arc<Machine>>> {
        let (drawn, some) = (dice.pick(&[1, 3, 3, 4]), dice.pick(&[1, 2, 2, 3]));
        let nodes = self.nodes.unwrap_or(drawn);
        let disks = if nodes == 1 { dice.pick(&[1, 3, 4, 6]) } else { some };
        let profile = Profile::default_for(nodes * disks, nodes);
        let machine = |number| Arc::new(Machine::new(number, disks, profile, dice.below(u64::MAX)));
        Arc::new((1..=nodes).map(machine).collect())
    }

    fn run_in(self, sim: &mut turmoil::Sim<'_>, history: &Arc<Mutex<History>>) -> Result<(), Violation> {
        let dice = Dice::new(self.seed);
        let machines = self.new_machines(&dice);
        for machine in machines.iter() {
            let serving = machine.clone();
            sim.host(machine.name.as_str(), move || serving.clone().serve());
        }
        let seeds: Vec<u64> = (0..=CLIENTS).map(|_| dice.below(u64::MAX)).collect();
        let client = |number: usize| Client::new(number, machines.clone(), history.clone(), seeds[number]);
        let mut nemesis = Nemesis::new(machines.clone(), history.clone(), dice.below(u64::MAX));

        sim.client("operator", operator::found(machines.clone()));
        run_steps(sim, &machines, PATIENCE, |_| ())?;
        let (first, clients): (Client, Vec<Client>) = (client(0), (0..CLIENTS).map(client).collect());
        let operator =
            Operator { machines: machines.clone(), history: history.clone(), dice: Dice::new(dice.below(u64::MAX)) };
        sim.client("clients", async move {
            first.prepare().await;
            let clients = try_join_all(clients.into_iter().map(|client| client.work(self.span)));
            tokio::try_join!(clients, operator.work(self.span))?;
            Ok(())
        });
        run_steps(sim, &machines, self.span + PATIENCE, |sim| nemesis.act(sim))?;

        nemesis.relent(sim);
        let (relented, last) = (sim.elapsed(), client(CLIENTS));
        sim.client("last-look", async move { Ok(last.look(CONVALESCENCE).await?) });
        run_steps(sim, &machines, 2 * CONVALESCENCE, |_| ())?;
        while !agree(&machines)? || !nemesis.is_whole_since(relented) {
            if relented + CONVALESCENCE < sim.elapsed() {
                let state = |machine: &Machine| {
                    format!("\n  {}: {:?} {:?}", machine.name, machine.status(), machine.given_up())
                };
                let states = machines.iter().map(|machine| state(machine));
                let states = states.collect::<String>();
                return Err(Violation(format!("not whole though nothing fails any more: {states}")));
            }
            step(sim, &machines)?;
        }
        history.lock().check()
    }
}

/// Whether all machines have applied the same entries.
///
/// # Errors
///
/// They have, and made different things of them.
fn agree(machines: &[Arc<Machine>]) -> Result<bool, Violation> {
    let states: Option<Vec<_>> =
        machines.iter().map(|machine| Some(machine.node()?.cluster.engine().effects_hash())).collect();
    let Some(states) = states else { return Ok(false) };
    let (newest, hash) = states[0];
    let is_level = states.iter().all(|(applied, _)| *applied == newest);
    if is_level && states.iter().any(|(_, other)| *other != hash) {
        return Err(Violation(format!("the nodes made different things of the entries up to {newest:?}")));
    }
    Ok(is_level)
}

/// Steps until all clients have ended.
///
/// # Errors
///
/// They have not within `span`.
fn run_steps<'a>(
    sim: &mut turmoil::Sim<'a>,
    machines: &[Arc<Machine>],
    span: Duration,
    mut between: impl FnMut(&mut turmoil::Sim<'a>),
) -> Result<(), Violation> {
    let until = sim.elapsed() + span;
    while !step(sim, machines)? {
        if until < sim.elapsed() {
            return Err(Violation(format!("clients wait for {span:?} and longer")));
        }
        between(sim);
    }
    Ok(())
}

/// One step; nodes that have given up are started again after a while, as supervisors of processes do.
fn step(sim: &mut turmoil::Sim<'_>, machines: &[Arc<Machine>]) -> Result<bool, Violation> {
    let is_finished = sim.step().map_err(|error| Violation(format!("{error}")))?;
    panics::check()?;
    for machine in machines {
        if machine.given_up().is_some_and(|(at, _)| at + RESTART_PAUSE < sim.elapsed()) {
            sim.crash(machine.name.as_str());
            machine.lose_process(true);
            sim.bounce(machine.name.as_str());
        }
    }
    Ok(is_finished)
}
