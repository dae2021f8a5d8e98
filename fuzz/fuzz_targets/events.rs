//! Bodies of mail events and statuses that nobody sealed or sent.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| foreign::events::events(data));
