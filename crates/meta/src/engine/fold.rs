//! Makes new trees: of old ones and an overlay, or of old ones without their sparse packs.

use std::collections::BTreeSet;

use env::Bug;
use prolly::{Edit, PackId, Tree};

use super::base::{Base, roots_of};
use crate::error::Result;
use crate::overlay::{Overlay, TreeOverlay};
use crate::packs::MirroredPacks;
use crate::view::TreeId;

/// The trees of `base` with the changes of `overlay`, in new packs that are durable on return. No root record names them.
pub(super) fn fold(base: &Base, overlay: &Overlay, storage: &MirroredPacks) -> Result<Base> {
    let ground = base.ground();
    let mut writer = ground.packs.writer();
    let mut forest_edits = Vec::new();
    for (id, changes) in overlay.trees() {
        let below = if changes.replaces { ground.empty_tree() } else { base.tree(*id)? };
        let (tree, _) = below.apply(&edits_of(changes), &mut writer)?;
        forest_edits.push((id.encode(), encoded_root(&tree)));
    }
    let (forest, _) = base.forest().apply(&as_edits(&forest_edits), &mut writer)?;
    let sealed = writer.seal()?;
    let mut packs = base.packs().clone();
    packs.append(&mut storage.take_sealed(&sealed));
    Ok(Base::new(ground.clone(), forest, packs))
}

/// The trees of `base` with everything moved out of `victims`, in new packs that are durable on return.
pub(super) fn evacuate(base: &Base, victims: &BTreeSet<PackId>, storage: &MirroredPacks) -> Result<Base> {
    let ground = base.ground();
    let (ids, roots): (Vec<TreeId>, Vec<_>) = roots_of(base.forest())?.into_iter().unzip();
    let mut writer = ground.packs.writer();
    let moved = prolly::collect(ground.packs.as_ref(), &roots, victims, &mut writer)?;
    let changed = ids.iter().zip(roots.iter().zip(&moved)).filter(|(_, (old, new))| old != new);
    let mut forest_edits = Vec::new();
    for (id, (_, root)) in changed {
        forest_edits.push((id.encode(), encoded_root(&ground.open_tree(*root)?)));
    }
    let (forest, _) = base.forest().apply(&as_edits(&forest_edits), &mut writer)?;
    // The forest's new pages can be read, and moved in turn, only once they are sealed.
    let mut sealed = writer.seal()?;
    let mut writer = ground.packs.writer();
    let moved = prolly::collect(ground.packs.as_ref(), &[*forest.root()], victims, &mut writer)?;
    sealed.append(&mut writer.seal()?);
    let mut packs = base.packs().clone();
    packs.retain(|id, _| !victims.contains(id));
    packs.append(&mut storage.take_sealed(&sealed));
    Ok(Base::new(ground.clone(), ground.open_tree(moved[0])?, packs))
}

fn edits_of(changes: &TreeOverlay) -> Vec<Edit<'_>> {
    let kept = |value: &Option<_>| value.is_some() || !Bug::FlushDropsDeletions.is_planted();
    let changes = changes.changes.iter().filter(|(_, value)| kept(value));
    changes.map(|(key, value)| Edit { key, value: value.as_deref() }).collect()
}

type ForestEdit = ([u8; TreeId::ENCODED_SIZE], Option<Vec<u8>>);

fn as_edits(edits: &[ForestEdit]) -> Vec<Edit<'_>> {
    edits.iter().map(|(key, value)| Edit { key, value: value.as_deref() }).collect()
}

/// How the forest names `tree`: not at all when it is empty.
fn encoded_root(tree: &Tree) -> Option<Vec<u8>> {
    let mut encoded = Vec::new();
    tree.root().encode(&mut encoded);
    (!tree.root().is_empty()).then_some(encoded)
}
