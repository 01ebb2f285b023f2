//! See `s3::fuzzing::chunks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| s3::fuzzing::chunks(input));
