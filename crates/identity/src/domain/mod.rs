//! Values, their rules and their words. Nothing here reads a clock, a database or the network.
//!
//! A value type has a private field and a `parse` that can fail with a [`violation::Problem`];
//! whoever holds one need not check it again.

pub mod address;
pub mod common;
pub mod device;
pub mod explain;
pub mod identifier;
pub mod limits;
pub mod link_base;
pub mod locale;
pub mod messages;
pub mod moment;
pub mod names;
pub mod password;
pub mod password_policy;
pub mod smtp_code;
pub mod states;
pub mod support_code;
mod text;
pub mod time_zone;
pub mod token;
pub mod username;
pub mod violation;
