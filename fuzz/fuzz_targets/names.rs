//! Usernames, addresses, identifiers, link bases, support codes, time zones, user agents.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| foreign::names::names(data));
