//! The operator: founds the cluster, and empties disks while clients work.

use std::sync::Arc;
use std::time::Duration;

use cluster::{DiskCommand, Entry};
use parking_lot::Mutex;

use super::history::History;
use super::machine::{Machine, Role};
use crate::dice::Dice;
use crate::oracle::Violation;

/// How long a token to join with is good for.
const TOKEN_SPAN: Duration = Duration::from_secs(3600);
/// How often the operator looks whether a machine has come up.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// Begins the cluster on the first machine, and has the others join it.
pub(super) async fn found(machines: Arc<Vec<Arc<Machine>>>) -> turmoil::Result {
    let (founder, others) = machines.split_first().expect("a world has a machine");
    if others.is_empty() {
        founder.take_role(Role::Alone);
        return Ok(());
    }
    founder.take_role(Role::Member(Entry::Init));
    wait_for(founder).await;
    let token = founder.door.visit(async |node| node.cluster.create_join_token(TOKEN_SPAN).await);
    let token = token.await.map_err(|missed| format!("no token: {missed:?}"))??;
    for machine in others {
        machine.take_role(Role::Member(Entry::Join { seeds: vec![founder.address()], token: token.clone() }));
        wait_for(machine).await;
    }
    // From now on their disks say whose they are.
    machines.iter().for_each(|machine| machine.take_role(Role::Member(Entry::Member)));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "tokio's time is the simulation's")]
async fn wait_for(machine: &Machine) {
    while machine.node().is_none() {
        tokio::time::sleep(LOOK_PAUSE).await;
    }
}

/// Empties disks, one at a time, and takes them into use again, until virtual time `until`.
pub(super) struct Operator {
    pub(super) machines: Arc<Vec<Arc<Machine>>>,
    pub(super) history: Arc<Mutex<History>>,
    pub(super) dice: Dice,
}

impl Operator {
    #[expect(clippy::disallowed_methods, reason = "tokio's time is the simulation's")]
    pub(super) async fn work(self, until: Duration) -> Result<(), Violation> {
        while turmoil::elapsed() < until {
            tokio::time::sleep(self.dice.millis(1000, 6000)).await;
            let Ok(disk) = self.order(None, DiskCommand::Drain).await else { continue };
            tokio::time::sleep(self.dice.millis(500, 8000)).await;
            // Until then it may have been replaced.
            while let Err(refused) = self.order(Some(disk.clone()), DiskCommand::Undrain).await
                && !matches!(refused, Some(cluster::Error::NoSuchDisk { .. }))
            {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        }
        Ok(())
    }

    /// Has some machine carry out `command` for `disk`, or any disk; which one it was, or why it refused.
    async fn order(&self, disk: Option<String>, command: DiskCommand) -> Result<String, Option<cluster::Error>> {
        let machine = self.dice.below(self.machines.len() as u64);
        let machine = &self.machines[usize::try_from(machine).expect("below a length")];
        let drawn = self.dice.below(u64::MAX);
        let ordered = machine.door.visit(move |node| async move {
            let disk = match disk {
                Some(disk) => disk,
                None => {
                    let mut disks = node.cluster.overview().await?.disks;
                    let position = usize::try_from(drawn % disks.len().max(1) as u64).unwrap_or(0);
                    if disks.is_empty() { String::new() } else { disks.swap_remove(position).id }
                }
            };
            node.cluster.command_disk(&disk, command).await
        });
        let disk = ordered.await.map_err(|_| None)??;
        self.history.lock().note(turmoil::elapsed(), &format!("{command:?} {disk:.8}"));
        Ok(disk)
    }
}
