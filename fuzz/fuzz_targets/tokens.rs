//! Tokens of links.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| foreign::names::tokens(data));
