//! Settings, as a file and as `--set`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| foreign::settings::settings(data));
