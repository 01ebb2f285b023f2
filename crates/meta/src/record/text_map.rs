//! Headers, user metadata and tags: maps of text.

use std::collections::BTreeMap;

use crate::codec::{Collection, Input, Value, write_prefixed, write_varint};
use crate::error::CodecError;

/// Names that almost every record has, by their number; 0 stands for any other name. Append only.
const KNOWN_NAMES: [&str; 8] = [
    "",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
];

/// The first number that [`KNOWN_NAMES`] does not have.
const KNOWN_NAME_COUNT: u8 = 8;

impl Value for BTreeMap<String, String> {
    fn write(&self, out: &mut Vec<u8>) {
        write_varint(self.len() as u64, out);
        for (name, value) in self {
            write_name(name, out);
            write_prefixed(value.as_bytes(), out);
        }
    }

    fn read(input: &mut Input<'_>) -> Result<Self, CodecError> {
        let mut map = Self::new();
        for _ in 0..input.count(2)? {
            let name = read_name(input)?;
            if map.last_key_value().is_some_and(|(last, _)| name <= *last) {
                return Err(CodecError::NotCanonical("order of names"));
            }
            map.insert(name, String::read(input)?);
        }
        Ok(map)
    }
}

fn write_name(name: &str, out: &mut Vec<u8>) {
    let known = (1..KNOWN_NAME_COUNT).find(|&number| KNOWN_NAMES[usize::from(number)] == name);
    out.push(known.unwrap_or(0));
    if known.is_none() {
        write_prefixed(name.as_bytes(), out);
    }
}

fn read_name(input: &mut Input<'_>) -> Result<String, CodecError> {
    let number = usize::from(input.u8()?);
    if number != 0 {
        let name = KNOWN_NAMES.get(number).ok_or(CodecError::Invalid("name number"))?;
        return Ok((*name).to_owned());
    }
    let name = String::read(input)?;
    let listed = KNOWN_NAMES[1..].contains(&name.as_str());
    if listed { Err(CodecError::NotCanonical("name")) } else { Ok(name) }
}

impl Collection for BTreeMap<String, String> {
    fn is_empty(&self) -> bool {
        BTreeMap::is_empty(self)
    }
}
