//! `stonecrop admin table show` as text.

use std::fmt::Write;

use serde_json::Value;

use super::text::{list, text};

/// One group a line: number, epoch, then each slot with the first digits of its disk.
pub(super) fn of(answer: &Value) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let groups = list(&answer["groups"]);
    writeln!(out, "version {}, {}, {} groups", answer["version"], text(&answer["profile"]), groups.len())?;
    writeln!(out, "> new shards go there, older ones are copied; + rebuilt there; - no disk")?;
    for group in groups {
        let [number, epoch] = ["group", "epoch"].map(|name| group[name].as_u64().unwrap_or(0));
        write!(out, "{number:>5} epoch {epoch:<5}")?;
        for slot in list(&group["slots"]) {
            let disk = text(&slot["disk"]);
            match text(&slot["state"]) {
                "stable" => write!(out, " {disk:.8}")?,
                "moving" => write!(out, " {:.8}>{disk:.8}", text(&slot["from"]))?,
                "rebuilding" => write!(out, " +{disk:.8}")?,
                _ => write!(out, " -")?,
            }
        }
        writeln!(out)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn states_of_slots_are_told_apart() {
        let slots = json!([
            { "state": "stable", "disk": "0123456789" },
            { "state": "moving", "disk": "aaaaaaaaaa", "from": "bbbbbbbbbb" },
            { "state": "rebuilding", "disk": "cccccccccc" },
            { "state": "vacant" },
        ]);
        let groups = json!([{ "group": 3, "epoch": 17, "slots": slots }]);
        let printed = of(&json!({ "version": 17, "profile": "2+2", "groups": groups })).unwrap();
        assert!(printed.ends_with("    3 epoch 17    01234567 bbbbbbbb>aaaaaaaa +cccccccc -\n"), "{printed}");
    }
}
