//! See `s3::fuzzing::form_policy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| s3::fuzzing::form_policy(input));
