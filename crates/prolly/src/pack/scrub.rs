//! Rereading a pack whole: every frame of every copy, down to its hash.

use bytes::Bytes;

use super::format::{self, Kind};
use super::packs::{Packs, Piece, SealedPack};
use crate::error::Result;
use crate::hash::Hash;
use crate::location::PackId;
use crate::page::Page;

/// What a scrub of one pack found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Frames looked at, each in every copy.
    pub frames: u64,
    /// Bytes read, all copies together.
    pub bytes: u64,
    /// Pieces of copies that were bad; the storage has been told of each.
    pub damaged: u64,
    /// Offsets of the frames of which no copy is good.
    pub lost: Vec<u32>,
}

impl Packs {
    /// Verifies every frame of every copy of a sealed pack by its BLAKE3 hash, and its header and footer. Damage goes to
    /// [`PackStorage::damaged`](super::PackStorage::damaged), with the right bytes where a copy has them.
    ///
    /// # Errors
    ///
    /// `Corrupt` or `Io` when neither the footer nor the first frame can be read: the pack is lost.
    pub fn scrub(&self, pack: &SealedPack) -> Result<ScrubReport> {
        let mut offsets: Vec<u32> = self.footer(pack)?.iter().map(|entry| entry.offset).collect();
        offsets.sort_unstable();
        let frames_end = pack.length.saturating_sub(format::footer_length(offsets.len()) as u64);
        let ends = offsets.iter().skip(1).map(|&offset| u64::from(offset)).chain([frames_end]);
        let mut report = ScrubReport::default();
        self.scrub_ends(pack, frames_end, &mut report);
        for (&offset, end) in offsets.iter().zip(ends) {
            let length = usize::try_from(end.saturating_sub(u64::from(offset))).unwrap_or(usize::MAX);
            if format::FRAME_LENGTH_END as usize <= length {
                report.lost.push(offset);
                continue;
            }
            let piece = Piece { pack: pack.id, offset: u64::from(offset), length };
            report.frames += 1;
            if !self.scrub_piece(piece, &mut report, verify_frame) {
                report.lost.push(offset);
            }
        }
        Ok(report)
    }

    fn scrub_ends(&self, pack: &SealedPack, frames_end: u64, report: &mut ScrubReport) {
        let header = Piece { pack: pack.id, offset: 0, length: format::HEADER_SIZE };
        let realm = self.config.realm;
        self.scrub_piece(header, report, |bytes| is_header(bytes, pack.id, &realm));
        let footer_length = usize::try_from(pack.length.saturating_sub(frames_end)).unwrap_or(usize::MAX);
        let footer = Piece { pack: pack.id, offset: frames_end, length: footer_length };
        self.scrub_piece(footer, report, |bytes| format::decode_footer(bytes).is_some());
    }

    /// Whether a copy of the piece is good.
    fn scrub_piece(&self, piece: Piece, report: &mut ScrubReport, check: impl Fn(&Bytes) -> bool) -> bool {
        let (bad_count, any_intact) = self.check_copies(piece, check);
        report.bytes += piece.length as u64 * self.storage.copies() as u64;
        report.damaged += bad_count as u64;
        any_intact
    }
}

fn is_header(bytes: &[u8], pack: PackId, realm: &[u8; 16]) -> bool {
    format::check_header(bytes, pack, realm).is_ok()
}

fn verify_frame(bytes: &Bytes) -> bool {
    match format::decode_frame(bytes) {
        Err(_) => false,
        Ok(frame) if frame.kind == Kind::Blob => Hash::of_blob(&frame.body) == frame.hash,
        Ok(frame) => Page::decode(frame.hash, frame.body).is_ok_and(|page| page.verify()),
    }
}
