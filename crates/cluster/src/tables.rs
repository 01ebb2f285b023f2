//! The placement table's life: kept as a document of the metadata, changed by plans, one at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use env::Env;
use meta::command::SetTable;
use meta::record::GroupFence;
use meta::{Command, Consensus, Refusal, Reply, View, query};
use placement::{DiskId, Epoch, GroupId, Plan, Profile, Table};
use tokio::sync::Mutex;

use crate::error::{Error, Result};
use crate::topology::Publisher;

/// Somebody else changing the table again and again is no way of life. Many nodes may settle slots at the same time.
const ATTEMPTS_MAX: usize = 32;

/// The table, and the version of the document that holds it.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) table: Arc<Table>,
    version: u64,
}

impl Kept {
    /// Reads the table; `None` when there is none yet.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`], [`Error::Placement`].
    pub(crate) async fn load(consensus: &dyn Consensus) -> Result<Option<Self>> {
        let reading = consensus.read().await?;
        let Some(document) = query::placement_table(reading.view.as_ref())? else { return Ok(None) };
        Ok(Some(Self { table: Arc::new(Table::decode(&document.value)?), version: document.version }))
    }

    pub(crate) fn is_unborn(&self) -> bool {
        self.version == 0
    }

    /// A table that is not kept yet.
    pub(crate) fn unborn(table: Table) -> Self {
        Self { table: Arc::new(table), version: 0 }
    }
}

/// Changes the table.
pub(crate) struct TableKeeper {
    env: Env,
    consensus: Arc<dyn Consensus>,
    publisher: Arc<Publisher>,
    /// Held while a change is decided.
    kept: Mutex<Kept>,
}

impl TableKeeper {
    pub(crate) fn new(env: Env, consensus: Arc<dyn Consensus>, publisher: Arc<Publisher>, kept: Kept) -> Self {
        Self { env, consensus, publisher, kept: Mutex::new(kept) }
    }

    /// Makes the change that `plan` proposes for the current table, and publishes the result. Durable on return.
    ///
    /// Returns the number of slots that changed. `plan`, which is given the state that holds the table too, runs off the
    /// reactor: a large cluster is planned for a second. It is asked again when somebody else changed the table meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Placement`] when the plan is illegal, [`Error::Meta`], [`Error::Refused`], and what `plan` refuses.
    pub(crate) async fn change<P>(&self, plan: P) -> Result<usize>
    where
        P: Fn(&dyn View, &Table) -> Result<Plan> + Clone + Send + 'static,
    {
        let mut kept = self.kept.lock().await;
        for _ in 0..ATTEMPTS_MAX {
            let reading = self.consensus.read().await?;
            self.refresh(&mut kept, reading.view.as_ref())?;
            let (view, table, plan) = (reading.view.clone(), kept.table.clone(), plan.clone());
            let plan = self.env.blocking(move || plan(view.as_ref(), &table)).await?;
            if plan.is_empty() {
                return Ok(0);
            }
            let mut next = kept.table.as_ref().clone();
            next.apply(&plan)?;
            let fences = fences(reading.view.as_ref(), &kept.table, &next)?;
            match self.propose(SetTable { based_on: kept.version, table: next.encode(), fences }).await? {
                Ok(version) => {
                    *kept = Kept { table: Arc::new(next), version };
                    self.publisher.set_table(kept.table.clone());
                    return Ok(plan.moves.len());
                }
                Err(Refusal::VersionChanged { .. }) => {}
                Err(refusal) => return Err(Error::Refused { what: "placement table", refusal }),
            }
        }
        Err(Error::Refused { what: "placement table", refusal: Refusal::VersionChanged { version: kept.version } })
    }

    /// Takes over the table of `view`, which other nodes may have changed.
    fn refresh(&self, kept: &mut Kept, view: &dyn View) -> Result<()> {
        if let Some(document) = query::placement_table(view)?.filter(|document| document.version != kept.version) {
            *kept = Kept { table: Arc::new(Table::decode(&document.value)?), version: document.version };
            self.publisher.set_table(kept.table.clone());
        }
        Ok(())
    }

    /// The redundancy profile.
    pub(crate) fn profile(&self) -> Profile {
        self.publisher.current().table().profile()
    }

    /// How many slots name one of these disks.
    ///
    /// # Errors
    ///
    /// [`Error::Meta`], [`Error::Placement`].
    pub(crate) async fn slots_of(&self, disks: &BTreeSet<DiskId>) -> Result<usize> {
        let reading = self.consensus.read().await?;
        let table = {
            let mut kept = self.kept.lock().await;
            self.refresh(&mut kept, reading.view.as_ref())?;
            kept.table.clone()
        };
        let slots = table.groups().flat_map(|(_, group)| &group.slots);
        Ok(slots.filter(|slot| slot.read_sources().any(|disk| disks.contains(&disk))).count())
    }

    async fn propose(&self, command: SetTable) -> Result<std::result::Result<u64, Refusal>> {
        match self.consensus.propose(Command::SetTable(command)).await? {
            Ok(Reply::Version(version)) => Ok(Ok(version)),
            Ok(_) => Err(Error::Meta(meta::Error::Inconsistent("a table was set and has no version"))),
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}

/// The fences of the groups that differ between two tables.
fn fences(view: &dyn View, before: &Table, after: &Table) -> Result<Vec<GroupFence>> {
    let mut fences = Vec::new();
    for (group, row) in after.groups().filter(|(_, row)| row.epoch == after.version()) {
        let accepted_before = query::group_fence(view, group)?.map(|fence| fence.accepted_from);
        let accepted_from = accepted_from(before, after, group, accepted_before);
        fences.push(GroupFence { group, epoch: row.epoch, accepted_from });
    }
    Ok(fences)
}

/// From which epoch on commits to `group`, which differs between two tables, are accepted.
///
/// A group goes on accepting commits of the epochs it accepted before, unless one of its slots has another target now: a
/// shard that was written to the old target would be missed by whoever copies or rebuilds the slot. A split ends all older
/// epochs: the stripes of half of those commits belong to another group, whose fence they would get round.
fn accepted_from(before: &Table, after: &Table, group: GroupId, accepted_before: Option<Epoch>) -> Epoch {
    let is_split = before.groups().len() != after.groups().len();
    let slots = |table: &Table| table.group(group).map(|row| row.slots.clone()).unwrap_or_default();
    let retargeted = slots(before)
        .iter()
        .zip(&slots(after))
        .any(|(old, new)| old.write_target().is_some() && old.write_target() != new.write_target());
    let keeps = !is_split && !retargeted && before.version() != Epoch(0);
    accepted_before.filter(|_| keeps).unwrap_or(after.version())
}

#[cfg(test)]
mod tests {
    use placement::{Move, Slot};

    use super::*;
    use crate::testing::placed_table;

    #[test]
    fn older_epochs_are_accepted_until_a_target_changes_or_the_groups_split() {
        let before = placed_table((1, 1), 2);
        let slot = before.group(GroupId(0)).expect("group 0").slots[0];
        let Slot::Stable(from) = slot else { panic!("a first plan leaves stable slots") };
        let moving = Slot::Moving { from, to: DiskId(9) };
        let step = |before, after| Move { group: GroupId(0), index: 0, before, after };
        let changed = |table: &Table, splits, moves: &[Move]| {
            let mut next = table.clone();
            next.apply(&Plan { based_on: table.version(), splits, moves: moves.to_vec() }).expect("the plan is legal");
            next
        };
        let moves = changed(&before, 0, &[step(slot, moving)]);
        assert_eq!(accepted_from(&before, &moves, GroupId(0), Some(Epoch(1))), Epoch(2), "another target");
        let settled = changed(&moves, 0, &[step(moving, Slot::Stable(DiskId(9)))]);
        assert_eq!(accepted_from(&moves, &settled, GroupId(0), Some(Epoch(2))), Epoch(2), "the same target");
        let split = changed(&settled, 1, &[]);
        for group in [0, 255, 256, 511] {
            assert_eq!(accepted_from(&settled, &split, GroupId(group), Some(Epoch(2))), Epoch(4), "group {group}");
        }
        assert_eq!(
            accepted_from(&Table::vacant(before.profile(), 2), &before, GroupId(0), None),
            Epoch(1),
            "the first"
        );
    }
}
