//! Opens sealed mail events, renders them, hands them to a mail server, and says what became of
//! each. No database, no schedule of its own: an event in, one attempt, a status out.
//!
//! - [`deliver`]: one message from the broker to its acknowledgement, with the [`memory`] that keeps
//!   a redelivery from being mailed twice
//! - [`event`]: the seal opened
//! - [`render`]: what a mail says and how it looks
//! - [`transport`]: SMTP; [`outcome`]: what came of it; [`report`]: telling so
//! - [`verp`] and [`notification`]: bounces that come later
//! - [`settings`], [`cli`], [`serve`], [`metrics`]: the program around it

pub mod cli;
pub mod deliver;
pub mod event;
pub mod memory;
pub mod metrics;
pub mod notification;
pub mod outcome;
pub mod render;
pub mod report;
pub mod sample;
pub mod serve;
pub mod settings;
pub mod transport;
pub mod verp;
