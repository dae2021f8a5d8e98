//! What a hostile client can do to the public port: little.

mod crowds;
mod dropped;
mod dumps;
mod floods;
mod garbage;
mod handshakes;
mod process;
