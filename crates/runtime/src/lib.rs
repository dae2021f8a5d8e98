//! What both programs need to run: settings, telemetry, health, time and randomness, a clean end.
//!
//! - [`config`]: settings from a file, the environment and `--set`, in that order
//! - [`secret`]: secrets that stand in files
//! - [`telemetry`], [`log`], [`trace`]: logs, traces and metrics
//! - [`ages`]: certificates and keys that end one day
//! - [`admin`]: the port for probes and scrapes
//! - [`clock`], [`random`]: the two things that tests want to own
//! - [`backoff`]: waits between tries
//! - [`buckets`], [`places`], [`network`]: how much one address, or one caller, may have
//! - [`reload`]: files that are read again when they change
//! - [`shutdown`], [`exit`]: how a program ends
//! - [`manual`]: commands that every program has
//! - [`crypto`]: the one TLS provider
//! - [`process`]: no dumps, enough descriptors

pub mod admin;
pub mod ages;
pub mod backoff;
pub mod buckets;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod duration;
pub mod exit;
pub mod log;
pub mod manual;
pub mod network;
pub mod places;
pub mod process;
pub mod random;
pub mod reload;
pub mod secret;
pub mod settings;
pub mod shutdown;
pub mod telemetry;
pub mod trace;

/// The commit a build was made from, if whoever built it said so (`SANDI_REVISION`).
pub const REVISION: &str = match option_env!("SANDI_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

pub use admin::{Admin, Checks};
pub use clock::{Clock, FixedClock, SkewAlarm, SystemClock};
pub use config::{ConfigError, Sources};
pub use crypto::install_crypto;
pub use duration::durations;
pub use exit::Failure;
pub use random::{Random, SeededRandom, SystemRandom, uuid_v7};
pub use reload::Reloaded;
pub use settings::{AdminSettings, LogFormat, LogSettings, TelemetrySettings};
pub use telemetry::{MetricsText, Telemetry};
pub use trace::{TraceContext, current_trace_id};
