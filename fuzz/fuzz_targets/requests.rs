//! Requests of all RPCs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| foreign::calls::requests(data));
