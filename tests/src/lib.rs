//! Sandi seen from outside: programs, calls, mails, queues and rows, never a function of theirs.
//!
//! A test starts a [`World`], does what people do, and looks at what they see:
//!
//! ```no_run
//! # use e2e::{World, Person};
//! # async fn example() {
//! let world = World::start().await;
//! let kopi = world.organization("kopi").await;
//! world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
//! let request = world.request_reset("budi").await;
//! let mail = world.mail_to("budi@kopi.example").await;
//! # }
//! ```
//!
//! The helpers panic with what they saw: in a test that is the answer.

pub mod broker;
pub mod browser;
pub mod client;
pub mod contract;
pub mod database;
pub mod leaks;
pub mod people;
pub mod raw;
pub mod refusal;
pub mod resets;
mod servers;
pub mod spans;
pub mod timing;
pub mod web;
pub mod wire;
pub mod world;

pub use people::Person;
pub use refusal::{Refusal, refused};
pub use servers::{program, shared};
pub use testbed::{
    collector,
    proxy::Mode,
    smtp::{Act, Entry, Mail, Phase, Rule},
};
pub use world::{Builder, World};

/// Whether the tests that know a short and a full form shall run in the full one: with `SANDI_FULL_TESTS` set.
pub fn full() -> bool {
    std::env::var_os("SANDI_FULL_TESTS").is_some()
}
