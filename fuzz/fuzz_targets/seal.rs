//! Sealed events with some bits changed.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| foreign::events::seal(data));
