//! Actor tokens (JWT), unsigned, and signed with any header and claims.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| foreign::actors::actors(data));
