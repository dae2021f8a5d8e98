//! What must hold whatever bytes strangers send: one check for each decoder and parser that sees them. A check panics
//! when it does not hold. The tests of this crate try each with a bounded number of inputs, `cargo xtask fuzz` tries
//! them without an end; both begin with the seeds in `fuzz/seeds`.

pub mod actors;
pub mod bounces;
pub mod calls;
pub mod events;
pub mod names;
pub mod settings;
pub mod smtp;

/// Something that must hold for any bytes.
pub type Check = fn(&[u8]);

/// All of them, by the names of their fuzz targets and folders of seeds.
pub const CHECKS: [(&str, Check); 10] = [
    ("requests", calls::requests),
    ("events", events::events),
    ("seal", events::seal),
    ("mails", events::mails),
    ("names", names::names),
    ("tokens", names::tokens),
    ("settings", settings::settings),
    ("smtp", smtp::replies),
    ("bounces", bounces::bounces),
    ("actors", actors::actors),
];
