//! The file that makes a directory a mirror: `docs/formats/metadata-mirror.md`.

use std::io;
use std::path::Path;

use env::{Files, OpenMode};

use crate::error::{Error, Result};

/// Name of the file in the mirror's directory.
pub(super) const FILE: &str = "mirror";

const MAGIC: [u8; 8] = *b"SCMIRR\r\n";
const VERSION: u16 = 1;
const SIZE: usize = 64;

/// Reads the realm of the mirror in `directory`; `None` when the directory is no mirror.
///
/// # Errors
///
/// [`Error::Unsupported`] for another version, [`Error::Corrupt`] for a damaged file, [`Error::Io`].
pub(super) fn read(files: &dyn Files, directory: &Path) -> Result<Option<u128>> {
    let path = directory.join(FILE);
    let fail = |source| Error::Io { operation: "read", path: path.clone(), source };
    let file = match files.open(&path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(fail(source)),
    };
    let mut bytes = [0; SIZE];
    match file.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(fail(error)),
        _ => {}
    }
    let crc = u32::from_le_bytes(std::array::from_fn(|i| bytes[60 + i]));
    if bytes[..8] != MAGIC || crc_fast::crc32_iscsi(&bytes[..60]) != crc {
        return Err(Error::Corrupt { what: "mirror identity", path, offset: 0 });
    }
    if bytes[8..10] != VERSION.to_le_bytes() {
        return Err(Error::Unsupported { what: "mirror identity", path });
    }
    Ok(Some(u128::from_le_bytes(std::array::from_fn(|i| bytes[16 + i]))))
}

/// Bytes of the identity of a mirror of `realm`.
pub(super) fn encode(realm: u128) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..32].copy_from_slice(&realm.to_le_bytes());
    let crc = crc_fast::crc32_iscsi(&bytes[..60]);
    bytes[60..].copy_from_slice(&crc.to_le_bytes());
    bytes
}
