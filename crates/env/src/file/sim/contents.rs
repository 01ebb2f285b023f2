//! The bytes of one simulated file: what is visible, what is durable, what lies between.

use std::io;

use super::dice::Dice;

/// The unit a device writes whole or not at all.
const SECTOR_SIZE: usize = 512;

/// One file's bytes.
#[derive(Default)]
pub(super) struct Contents {
    visible: Vec<u8>,
    durable: Vec<u8>,
    /// Changes of `visible` that no sync has covered yet, oldest first.
    pending: Vec<Change>,
    allocated: u64,
    /// The start (see `SimFiles::start`) whose process holds the advisory lock.
    locked_by: Option<u64>,
}

enum Change {
    Write {
        offset: u64,
        bytes: Vec<u8>,
    },
    /// `ftruncate`.
    Resize(u64),
    /// `fallocate`: grows, never shrinks.
    Allocate(u64),
}

/// What a power cut or a failed sync makes of a file's pending changes.
#[derive(Clone, Copy)]
enum Fate {
    Nothing,
    Everything,
    Mixed,
}

impl Contents {
    pub(super) fn size(&self) -> u64 {
        self.visible.len() as u64
    }

    pub(super) fn durable_size(&self) -> u64 {
        self.durable.len() as u64
    }

    pub(super) fn allocated(&self) -> u64 {
        self.allocated
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = index(offset);
        let source = self.visible.get(start..start.saturating_add(buffer.len()));
        buffer.copy_from_slice(source.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    pub(super) fn write(&mut self, offset: u64, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        self.allocated = self.allocated.max(offset + bytes.len() as u64);
        self.change(Change::Write { offset, bytes });
    }

    pub(super) fn set_size(&mut self, size: u64) {
        self.allocated = self.allocated.min(size);
        self.change(Change::Resize(size));
    }

    pub(super) fn allocate(&mut self, size: u64) {
        self.allocated = self.allocated.max(size);
        self.change(Change::Allocate(size));
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.visible, &change);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    /// A sync that failed: some changes reached the device, none of them is pending any more.
    pub(super) fn fail_sync(&mut self, dice: &mut Dice) {
        self.settle(dice);
    }

    /// Power is cut: some pending changes reached the device; what is visible afterwards is what is durable.
    pub(super) fn power_cut(&mut self, dice: &mut Dice) {
        self.settle(dice);
        self.visible.clone_from(&self.durable);
        self.allocated = self.visible.len() as u64;
        self.unlock();
    }

    fn settle(&mut self, dice: &mut Dice) {
        let fate = match dice.below(4) {
            0 => Fate::Nothing,
            1 => Fate::Everything,
            _ => Fate::Mixed,
        };
        for change in std::mem::take(&mut self.pending) {
            match fate {
                Fate::Nothing => {}
                Fate::Everything => apply(&mut self.durable, &change),
                Fate::Mixed => self.settle_change(change, dice),
            }
        }
    }

    fn settle_change(&mut self, change: Change, dice: &mut Dice) {
        match (change, dice.below(3)) {
            (_, 0) => {}
            (Change::Write { offset, bytes }, 1) => {
                for (position, sector) in sectors(offset, &bytes) {
                    if dice.coin() {
                        apply(&mut self.durable, &Change::Write { offset: position, bytes: sector.to_vec() });
                    }
                }
            }
            (change, _) => apply(&mut self.durable, &change),
        }
    }

    /// Flips one bit of the byte at `offset` on the medium. The page cache does not hide it.
    pub(super) fn flip(&mut self, offset: u64, bit: u8) {
        for bytes in [&mut self.durable, &mut self.visible] {
            if let Some(byte) = bytes.get_mut(index(offset)) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// Takes the advisory lock for the process of `start`; whether it was free.
    pub(super) fn lock_for(&mut self, start: u64) -> bool {
        let free = self.locked_by.is_none();
        if free {
            self.locked_by = Some(start);
        }
        free
    }

    pub(super) fn unlock(&mut self) {
        self.locked_by = None;
    }

    pub(super) fn unlock_for(&mut self, start: u64) {
        if self.locked_by == Some(start) {
            self.locked_by = None;
        }
    }
}

fn apply(target: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes } => {
            let start = index(*offset);
            let end = start + bytes.len();
            if target.len() < end {
                target.resize(end, 0);
            }
            target[start..end].copy_from_slice(bytes);
        }
        Change::Resize(size) => target.resize(index(*size), 0),
        Change::Allocate(size) => {
            if target.len() < index(*size) {
                target.resize(index(*size), 0);
            }
        }
    }
}

/// Cuts `bytes`, which lie at `offset`, at the sector borders of the device.
fn sectors(offset: u64, bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut pieces = Vec::new();
    let mut position = offset;
    let mut rest = bytes;
    while !rest.is_empty() {
        let room = SECTOR_SIZE - index(position) % SECTOR_SIZE;
        let (piece, after) = rest.split_at(room.min(rest.len()));
        pieces.push((position, piece));
        position += piece.len() as u64;
        rest = after;
    }
    pieces
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("simulated files fit memory")
}
