//! See `iam::fuzzing::policy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| iam::fuzzing::policy(input));
