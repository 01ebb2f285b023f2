//! Bytes and times for people.

use serde_json::Value;

/// `1.5 GiB`: three digits are enough.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut unit = 0;
    #[expect(clippy::cast_precision_loss, reason = "three digits are printed")]
    let mut value = count as f64;
    while 1000.0 <= value && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} bytes") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `3 h 20 min`: the two largest units.
pub(super) fn span(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// `12 shards, 3.0 MiB` of a JSON tally; nothing while it is not known.
pub(super) fn tally(value: &Value) -> Option<String> {
    let shards = value["shards"].as_u64()?;
    Some(format!("{shards} shards, {}", bytes(value["bytes"].as_u64()?)))
}

/// How fast it goes: `at 9.0 MiB/s`.
pub(super) fn pace(rate: &Value) -> String {
    let idle = || "nothing done in the last half minute".to_owned();
    rate.as_u64().map_or_else(idle, |rate| format!("at {}/s", bytes(rate)))
}

/// How long it takes: `about 3 min 2 s`.
pub(super) fn time_left(seconds: &Value) -> String {
    seconds.as_u64().map_or("not known".to_owned(), |seconds| format!("about {}", span(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_short() {
        let sizes = [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 KiB"), (1536, "1.5 KiB"), (5 << 40, "5.0 TiB")];
        for (count, expected) in sizes {
            assert_eq!(bytes(count), expected);
        }
        let spans = [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")];
        for (seconds, expected) in spans {
            assert_eq!(span(seconds), expected);
        }
    }
}
