//! The parts, each of which can be run by itself.

mod collector;
mod hash;
mod mails;
mod relay;
mod requests;
mod scaling;
mod wakeup;
mod whole;

use anyhow::Result;
use clap::ValueEnum;

use crate::bench::{Bench, Findings};

/// A part. The order is that of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// VerifyPassword against the hash function itself, cheap calls beside it, overload.
    Hash,
    /// RequestReset against pgbench inserting the same row; latency at half its limit.
    Requests,
    /// The relay against the same publisher without a database.
    Relay,
    /// The relay while a million rows wait.
    Backlog,
    /// From the caller's OK to the mail server's.
    Latency,
    /// The mailer against a bare sender at the same sink.
    Mailer,
    /// Every call with a million users against ten thousand.
    Users,
    /// Every statement under statistics of a quiet moment.
    Statistics,
    /// 1,500 resets a second for five minutes.
    Sustained,
    /// Two million old links, and throwing them away.
    Stale,
    /// Two identity processes on one database.
    Replicas,
    /// Cold start, and memory of idle programs.
    Start,
    /// What waking the relay costs those who write.
    Wakeup,
    /// Calls while the collector of traces fails.
    Collector,
}

impl Part {
    /// What a person types.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What it is.
    pub fn about(self) -> String {
        self.to_possible_value().and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// About how many seconds it takes, and how many when it is quick.
    pub fn seconds(self, quick: bool) -> u64 {
        let (full, short) = match self {
            Self::Hash => (220, 25),
            Self::Requests => (130, 30),
            Self::Relay => (75, 12),
            Self::Backlog => (140, 15),
            Self::Latency => (75, 15),
            Self::Mailer => (80, 12),
            Self::Users => (240, 45),
            Self::Statistics => (160, 30),
            Self::Sustained => (370, 30),
            Self::Stale => (280, 45),
            Self::Replicas => (50, 15),
            Self::Start => (35, 12),
            Self::Wakeup => (45, 10),
            Self::Collector => (200, 40),
        };
        if quick { short } else { full }
    }

    /// Measures it.
    ///
    /// # Errors
    /// When something does not come up or answers what it should not.
    pub async fn run(self, bench: &Bench) -> Result<Findings> {
        match self {
            Self::Hash => hash::run(bench).await,
            Self::Requests => requests::run(bench).await,
            Self::Relay => relay::run(bench).await,
            Self::Backlog => relay::backlog(bench).await,
            Self::Latency => mails::latency(bench).await,
            Self::Mailer => mails::mailer(bench).await,
            Self::Users => scaling::users(bench).await,
            Self::Statistics => scaling::statistics(bench).await,
            Self::Sustained => whole::sustained(bench).await,
            Self::Stale => scaling::stale(bench).await,
            Self::Replicas => whole::replicas(bench).await,
            Self::Start => whole::start(bench).await,
            Self::Wakeup => wakeup::run(bench).await,
            Self::Collector => collector::run(bench).await,
        }
    }
}
