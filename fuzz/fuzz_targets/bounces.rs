//! Mails to the bounce address: DSNs (RFC 3464) and their tags.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| foreign::bounces::bounces(data));
