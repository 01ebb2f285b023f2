//! The directory tree of the simulated file system: what is visible, what is durable, what lies between.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::io::Errno;

use super::contents::Contents;
use super::dice::Dice;
use crate::DirectoryId;

const ROOT_DEVICE: u64 = 1;

/// What a name stands for.
#[derive(Clone)]
pub(super) enum Node {
    File(Arc<Mutex<Contents>>),
    Directory,
}

type Tree = BTreeMap<PathBuf, Node>;

/// A change of names in one directory, as one journal transaction: it survives a power cut whole or not at all.
struct Change {
    directory: PathBuf,
    removed: Option<PathBuf>,
    added: Option<(PathBuf, Node)>,
}

/// A subtree taken out of the tree, to be put back later.
struct Hidden {
    visible: Tree,
    durable: Tree,
}

pub(super) struct Names {
    visible: Tree,
    durable: Tree,
    pending: Vec<Change>,
    hidden: BTreeMap<PathBuf, Hidden>,
    /// Roots of mounted file systems, with their device numbers.
    mounts: BTreeMap<PathBuf, u64>,
    devices_made: u64,
}

impl Names {
    pub(super) fn new() -> Self {
        let root = Tree::from([(PathBuf::from("/"), Node::Directory)]);
        Self {
            visible: root.clone(),
            durable: root,
            pending: Vec::new(),
            hidden: BTreeMap::new(),
            mounts: BTreeMap::new(),
            devices_made: ROOT_DEVICE,
        }
    }

    pub(super) fn find(&self, path: &Path) -> Option<Node> {
        self.visible.get(&normal(path)).cloned()
    }

    pub(super) fn create_file(&mut self, path: &Path) -> io::Result<Arc<Mutex<Contents>>> {
        let path = normal(path);
        let directory = parent(&path);
        self.require_directory(&directory)?;
        let contents = Arc::new(Mutex::new(Contents::default()));
        self.change(Change { directory, removed: None, added: Some((path, Node::File(contents.clone()))) });
        Ok(contents)
    }

    pub(super) fn create_directories(&mut self, path: &Path) -> io::Result<()> {
        let path = normal(path);
        let mut missing = Vec::new();
        for ancestor in path.ancestors() {
            match self.visible.get(ancestor) {
                Some(Node::Directory) => break,
                Some(Node::File(_)) => return Err(Errno::NOTDIR.into()),
                None => missing.push(ancestor.to_path_buf()),
            }
        }
        for directory in missing.into_iter().rev() {
            let change =
                Change { directory: parent(&directory), removed: None, added: Some((directory, Node::Directory)) };
            self.change(change);
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, source: &Path, target: &Path) -> io::Result<()> {
        let (source, target) = (normal(source), normal(target));
        let directory = parent(&target);
        self.require_directory(&directory)?;
        let node = match self.visible.get(&source) {
            Some(Node::File(contents)) => Node::File(contents.clone()),
            Some(Node::Directory) => return Err(io::ErrorKind::Unsupported.into()),
            None => return Err(Errno::NOENT.into()),
        };
        if matches!(self.visible.get(&target), Some(Node::Directory)) {
            return Err(Errno::ISDIR.into());
        }
        if source != target {
            self.change(Change { directory, removed: Some(source), added: Some((target, node)) });
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let path = normal(path);
        match self.visible.get(&path) {
            Some(Node::File(_)) => {
                self.change(Change { directory: parent(&path), removed: Some(path), added: None });
                Ok(())
            }
            Some(Node::Directory) => Err(Errno::ISDIR.into()),
            None => Err(Errno::NOENT.into()),
        }
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let path = normal(path);
        self.require_directory(&path)?;
        let children = self.visible.keys().filter(|name| name.parent() == Some(&path));
        Ok(children.filter_map(|name| Some(name.file_name()?.to_string_lossy().into_owned())).collect())
    }

    pub(super) fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        let path = normal(path);
        self.require_directory(&path)?;
        let (synced, pending): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|change| change.directory == path);
        self.pending = pending;
        for change in &synced {
            apply(&mut self.durable, change);
        }
        Ok(())
    }

    /// Power is cut: a random subset of the unsynced changes survives, then the durable tree is the visible one.
    pub(super) fn power_cut(&mut self, dice: &mut Dice) {
        for change in std::mem::take(&mut self.pending) {
            if dice.coin() {
                apply(&mut self.durable, &change);
            }
        }
        // A name whose directory did not survive is unreachable.
        let names: Vec<PathBuf> = self.durable.keys().cloned().collect();
        for name in names {
            let reachable = name.parent().is_none_or(|directory| self.durable.contains_key(directory));
            if !reachable {
                self.durable.remove(&name);
            }
        }
        self.visible.clone_from(&self.durable);
        let hidden = self.hidden.values_mut().flat_map(|hidden| {
            hidden.visible.clone_from(&hidden.durable);
            hidden.durable.values()
        });
        for node in self.durable.values().chain(hidden) {
            if let Node::File(contents) = node {
                contents.lock().power_cut(dice);
            }
        }
    }

    /// Ends all advisory locks, as the end of the process that holds them does.
    pub(super) fn unlock_all(&self) {
        for node in self.visible.values() {
            if let Node::File(contents) = node {
                contents.lock().unlock();
            }
        }
    }

    /// Takes the subtree at `path` away, as `rm -rf` or an unmount does: open files stay usable.
    pub(super) fn hide(&mut self, path: &Path) {
        let path = normal(path);
        for change in std::mem::take(&mut self.pending) {
            if change.directory.starts_with(&path) {
                apply(&mut self.durable, &change);
            } else {
                self.pending.push(change);
            }
        }
        let hidden = Hidden { visible: extract(&mut self.visible, &path), durable: extract(&mut self.durable, &path) };
        self.hidden.insert(path, hidden);
    }

    /// Puts back what [`Names::hide`] took, in place of anything made there since.
    pub(super) fn restore(&mut self, path: &Path) {
        let path = normal(path);
        let Some(hidden) = self.hidden.remove(&path) else { return };
        self.pending.retain(|change| !change.directory.starts_with(&path));
        extract(&mut self.visible, &path);
        extract(&mut self.durable, &path);
        self.visible.extend(hidden.visible);
        self.durable.extend(hidden.durable);
    }

    pub(super) fn mount(&mut self, path: &Path) {
        self.devices_made += 1;
        self.mounts.insert(normal(path), self.devices_made);
    }

    pub(super) fn unmount(&mut self, path: &Path) {
        self.mounts.remove(&normal(path));
    }

    pub(super) fn add_durable_directory(&mut self, path: &Path) {
        for directory in normal(path).ancestors() {
            self.visible.entry(directory.to_path_buf()).or_insert(Node::Directory);
            self.durable.entry(directory.to_path_buf()).or_insert(Node::Directory);
        }
    }

    pub(super) fn directory_id(&self, path: &Path) -> io::Result<DirectoryId> {
        let path = normal(path);
        self.require_directory(&path)?;
        let device = path.ancestors().find_map(|ancestor| self.mounts.get(ancestor)).copied().unwrap_or(ROOT_DEVICE);
        Ok(DirectoryId { device, is_mount_point: self.mounts.contains_key(&path) || path == Path::new("/") })
    }

    /// Files at or below `prefix`, by name.
    pub(super) fn files_below(&self, prefix: &Path) -> Vec<(PathBuf, Arc<Mutex<Contents>>)> {
        let prefix = normal(prefix);
        let below = self.visible.iter().filter(|(path, _)| path.starts_with(&prefix));
        below
            .filter_map(|(path, node)| match node {
                Node::File(contents) => Some((path.clone(), contents.clone())),
                Node::Directory => None,
            })
            .collect()
    }

    /// Bytes that the files below `prefix` take, leaving out `except` (whose lock the caller holds).
    pub(super) fn allocated_below(&self, prefix: &Path, except: Option<&Contents>) -> u64 {
        let files = self.files_below(prefix);
        let others =
            files.iter().filter(|(_, contents)| !except.is_some_and(|held| std::ptr::eq(held, contents.data_ptr())));
        others.map(|(_, contents)| contents.lock().allocated()).sum()
    }

    fn require_directory(&self, path: &Path) -> io::Result<()> {
        match self.visible.get(path) {
            Some(Node::Directory) => Ok(()),
            Some(Node::File(_)) => Err(Errno::NOTDIR.into()),
            None => Err(Errno::NOENT.into()),
        }
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.visible, &change);
        self.pending.push(change);
    }
}

fn apply(tree: &mut Tree, change: &Change) {
    if let Some(removed) = &change.removed {
        tree.remove(removed);
    }
    if let Some((path, node)) = &change.added {
        tree.insert(path.clone(), node.clone());
    }
}

fn extract(tree: &mut Tree, path: &Path) -> Tree {
    let (inside, outside) = std::mem::take(tree).into_iter().partition(|(name, _)| name.starts_with(path));
    *tree = outside;
    inside
}

/// `path` as an absolute path without `.` and `..`. There are no symbolic links here.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut result = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => result.push(name),
            Component::ParentDir => {
                result.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    result
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).to_path_buf()
}
