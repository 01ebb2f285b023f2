//! See `s3::fuzzing::signature`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| s3::fuzzing::signature(input));
