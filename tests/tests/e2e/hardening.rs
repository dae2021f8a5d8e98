//! What a hostile client can do to the public port: little.

mod crowds;
mod floods;
mod handshakes;
mod process;
