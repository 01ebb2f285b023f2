//! See `iam::fuzzing::pattern`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| iam::fuzzing::pattern(input));
