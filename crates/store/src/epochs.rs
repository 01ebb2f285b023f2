//! Intent epochs: which writes may still be committed, so that garbage collection knows whose shards to leave alone.
//!
//! The leader advances the epoch. Every node follows it, and pins its own writes that outlive the epoch they began in
//! before the next advance refuses them; a node that cannot is cut off, and its commits are refused.

use meta::command::{AdvanceIntentEpoch, PinWrite, UnpinWrite};
use meta::query;
use meta::record::{IntentEpoch, PinnedWrite};
use meta::{Command, Reply};
use placement::NodeId;

use crate::error::{Error, ProposeError, Result};
use crate::store::Store;

/// Pins read at a time.
const PINS_MAX: usize = 4096;

impl Store {
    /// Begins the next intent epoch, for the whole cluster. Writes of this process that go on are pinned first, so that
    /// they can commit; other nodes have pinned theirs since the last advance.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be changed.
    pub async fn advance_epoch(&self) -> Result<()> {
        let from = self.follow_epoch().await?;
        let reply = self.propose(Command::AdvanceIntentEpoch(AdvanceIntentEpoch { from })).await?;
        let Reply::IntentEpoch(epoch) = reply else { return Err(Error::unexpected_reply()) };
        self.writes().advance(epoch);
        Ok(())
    }

    /// Lets writes begin in the current intent epoch, and pins those that began in an older one. Call it several times an
    /// epoch. Returns the epoch.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the metadata cannot be read or changed.
    pub async fn follow_epoch(&self) -> Result<IntentEpoch> {
        let (epoch, _) = self.query(|view| query::intent_epochs(view)).await?;
        self.writes().advance(epoch);
        for (write_id, intent_epoch) in self.writes().unpinned_before(epoch) {
            let pin = PinWrite { write_id, intent_epoch, holder: self.process_id() };
            match self.propose(Command::PinWrite(pin)).await {
                // It may have ended while it was being pinned; nobody else would unpin it then.
                Ok(_) if !self.writes().set_pinned(write_id) => {
                    self.propose(Command::UnpinWrite(UnpinWrite { write_id })).await?;
                }
                // Refused: it was committed meanwhile, or it will be refused.
                Ok(_) | Err(ProposeError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(epoch)
    }

    /// Drops the pins that nobody needs: of writes of this process that have ended, of earlier processes of this node,
    /// and, on the leader, of nodes that are no longer there.
    pub(crate) async fn drop_void_pins(&self) -> Result<()> {
        let pins = self.query(|view| query::pinned_writes(view, None, PINS_MAX)).await?;
        let topology = self.cluster().topology();
        for (write_id, pin) in pins {
            let is_void = match holder_node(&pin) {
                _ if pin.holder == self.process_id() => !self.writes().contains(write_id),
                node if node == self.cluster().node() => true,
                node => self.cluster().is_leader() && topology.members().values().all(|member| member.node != node),
            };
            if is_void {
                self.propose(Command::UnpinWrite(UnpinWrite { write_id })).await?;
            }
        }
        Ok(())
    }
}

/// A name of a process of `node`, with which it holds pins: the node, then a random number.
pub(crate) fn process_id(node: NodeId, random: u128) -> u128 {
    u128::from(node.0) << u64::BITS | random >> u64::BITS
}

fn holder_node(pin: &PinnedWrite) -> NodeId {
    NodeId(u64::try_from(pin.holder >> u64::BITS).expect("half of the bits are left"))
}
