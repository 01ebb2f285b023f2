//! The handles a test turns: power, faults, capacity, rot.

use std::path::{Path, PathBuf};

use super::dice::Dice;
use super::{Failure, SimFiles};

/// A bit that [`SimFiles::flip_bits`] flipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flip {
    /// The file.
    pub path: PathBuf,
    /// Byte offset in it.
    pub offset: u64,
    /// Bit of the byte, 0 the lowest.
    pub bit: u8,
}

/// Controls. Each works on any clone, whatever start it belongs to.
impl SimFiles {
    /// Cuts the power and starts the machine again; `seed` decides which unsynced bytes and names survive.
    ///
    /// Every other handle, open file and lock belongs to the run that ended: their calls fail from now on.
    #[must_use = "only the returned handle belongs to the new start"]
    pub fn power_cut(&self, seed: u64) -> Self {
        let mut state = self.world.state.lock();
        state.start += 1;
        state.faults.restart();
        state.names.power_cut(&mut Dice::new(seed));
        self.world.released.notify_all();
        Self { world: self.world.clone(), start: state.start }
    }

    /// Kills the process and starts another: unsynced bytes and names stay, as the kernel keeps them, and stay unsynced.
    ///
    /// Every other handle, open file and lock belongs to the process that ended: their calls fail from now on.
    #[must_use = "only the returned handle belongs to the new start"]
    pub fn kill(&self) -> Self {
        let mut state = self.world.state.lock();
        state.start += 1;
        state.faults.restart();
        state.names.unlock_all();
        self.world.released.notify_all();
        Self { world: self.world.clone(), start: state.start }
    }

    /// Number of calls made so far, by anyone.
    pub fn calls(&self) -> u64 {
        self.world.state.lock().faults.calls()
    }

    /// Makes the call numbered `call` fail, counted from 0 as [`SimFiles::calls`] counts.
    pub fn fail_call(&self, call: u64, failure: Failure) {
        self.world.state.lock().faults.plan(call, failure);
    }

    /// Whether a planned [`Failure::Crash`] has happened since the start.
    pub fn has_crashed(&self) -> bool {
        self.world.state.lock().faults.has_crashed()
    }

    /// Takes back what [`SimFiles::fail_call`] planned and has not happened yet.
    pub fn cancel_failures(&self) {
        self.world.state.lock().faults.cancel();
    }

    /// Makes every call on `prefix` and below fail until [`SimFiles::heal_path`]: a dead device. Outlives power cuts.
    pub fn fail_path(&self, prefix: &Path, failure: Failure) {
        self.world.state.lock().faults.fail_path(prefix, failure);
    }

    /// Ends what [`SimFiles::fail_path`] began.
    pub fn heal_path(&self, prefix: &Path) {
        self.world.state.lock().faults.heal_path(prefix);
    }

    /// Makes calls on `prefix` and below wait until [`SimFiles::release`] or the power cut.
    pub fn hang(&self, prefix: &Path) {
        self.world.state.lock().faults.hang(prefix);
    }

    /// Ends what [`SimFiles::hang`] began.
    pub fn release(&self, prefix: &Path) {
        self.world.state.lock().faults.release(prefix);
        self.world.released.notify_all();
    }

    /// Makes `prefix` a device of `bytes` bytes. What it already holds stays, even if that is more.
    pub fn set_capacity(&self, prefix: &Path, bytes: u64) {
        self.world.state.lock().faults.set_capacity(prefix, bytes);
    }

    /// Bytes that the files below `prefix` take.
    pub fn used(&self, prefix: &Path) -> u64 {
        self.world.state.lock().names.allocated_below(prefix, None)
    }

    /// Takes `path` and all below it away, as `rm -rf` does: open files stay usable, names are gone at once.
    pub fn vanish(&self, path: &Path) {
        self.world.state.lock().names.hide(path);
    }

    /// Puts back what [`SimFiles::vanish`] took, in place of anything made there since.
    pub fn restore(&self, path: &Path) {
        self.world.state.lock().names.restore(path);
    }

    /// Makes directory `path` (created, if need be) the root of a file system of its own.
    pub fn mount(&self, path: &Path) {
        let mut state = self.world.state.lock();
        state.names.add_durable_directory(path);
        state.names.mount(path);
    }

    /// Takes the file system at `path` away and leaves its empty mount point.
    pub fn unmount(&self, path: &Path) {
        let mut state = self.world.state.lock();
        state.names.hide(path);
        state.names.unmount(path);
        state.names.add_durable_directory(path);
    }

    /// Mounts what [`SimFiles::unmount`] took away again.
    pub fn remount(&self, path: &Path) {
        let mut state = self.world.state.lock();
        state.names.restore(path);
        state.names.mount(path);
    }

    /// Flips bit `flip.bit` of one byte, on the medium and in the page cache. Nothing happens past the file's end.
    pub fn flip_bit(&self, flip: &Flip) {
        let state = self.world.state.lock();
        for (_, contents) in state.names.files_below(&flip.path) {
            contents.lock().flip(flip.offset, flip.bit);
        }
    }

    /// Flips `count` random bits in the durable bytes of the files below `prefix`, chosen by `seed`, and tells which.
    pub fn flip_bits(&self, prefix: &Path, count: u32, seed: u64) -> Vec<Flip> {
        let mut dice = Dice::new(seed);
        let files = self.world.state.lock().names.files_below(prefix);
        let sizes: Vec<(PathBuf, u64)> =
            files.iter().map(|(path, contents)| (path.clone(), contents.lock().durable_size())).collect();
        let total: u64 = sizes.iter().map(|(_, size)| size).sum();
        let mut flips = Vec::new();
        for _ in 0..if total == 0 { 0 } else { count } {
            let mut position = dice.below(total);
            let holder = sizes.iter().find(|(_, size)| {
                let found = position < *size;
                position -= if found { 0 } else { *size };
                found
            });
            let (path, _) = holder.expect("the position is below the sum of the sizes");
            let bit = u8::try_from(dice.below(8)).expect("below 8");
            flips.push(Flip { path: path.clone(), offset: position, bit });
        }
        for flip in &flips {
            self.flip_bit(flip);
        }
        flips
    }
}
