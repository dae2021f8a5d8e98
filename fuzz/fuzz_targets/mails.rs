//! Genuine events with any content.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| foreign::events::mails(data));
