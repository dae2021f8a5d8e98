//! Answers of a mail server, over a socket.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| foreign::smtp::replies(data));
