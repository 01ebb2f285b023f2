//! What must hold for any policy, as functions of bytes that panic where it does not.
//!
//! `fuzz/` has libFuzzer look for bytes that break them; what it has kept is tried again by the test below.

pub use crate::policy::fuzzing::{pattern, policy};

#[cfg(test)]
mod tests {
    use super::*;

    type Check = fn(&[u8]);

    #[test]
    #[expect(clippy::disallowed_methods, reason = "reads the repository itself, not anybody's data")]
    fn what_was_kept_holds() {
        let targets: [(&str, Check); 2] = [("pattern", pattern), ("policy", policy)];
        for (name, check) in targets {
            let folder = format!("{}/../../fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
            let mut count = 0;
            for entry in std::fs::read_dir(&folder).expect("every target has a corpus") {
                let path = entry.unwrap().path();
                println!("{}", path.display());
                check(&std::fs::read(path).unwrap());
                count += 1;
            }
            assert!(0 < count, "{folder} is empty");
        }
    }
}
