//! ExplainReset: from facts to what support reads, in both languages.

use time::OffsetDateTime;

use super::locale::Locale;
use super::states::{DeliveryState, LinkState, NotSentReason, ResetKind};
use super::time_zone::TimeZone;

/// What is known when somebody says that the mail never came.
#[derive(Clone)]
pub struct Facts {
    /// Now, by the database's clock.
    pub now: OffsetDateTime,
    /// The organisation's zone; the default one when there is no account.
    pub zone: TimeZone,
    /// The account; `None`: there is none of that name, or what was typed belongs to none.
    pub account: Option<AccountFacts>,
    /// The reset that is asked about, or the newest, first; then older ones, newest first.
    pub resets: Vec<ResetFacts>,
}

/// The account as it is now.
#[derive(Clone)]
pub struct AccountFacts {
    /// False: the user is disabled.
    pub active: bool,
    /// False: the organisation is suspended.
    pub organization_active: bool,
    /// The address.
    pub address: AddressFacts,
}

/// The address as it is now.
#[derive(Clone)]
pub enum AddressFacts {
    /// There is none.
    Missing,
    /// Nothing speaks against it.
    Ok {
        /// As [`super::address::Address::masked`] gives it.
        masked: String,
    },
    /// A mail server refused it for good.
    Undeliverable {
        /// As [`super::address::Address::masked`] gives it.
        masked: String,
        /// Enhanced status code (RFC 3463).
        code: String,
    },
}

/// One reset and its mail.
#[derive(Clone)]
pub struct ResetFacts {
    /// Who started it.
    pub kind: ResetKind,
    /// What became of the mail.
    pub delivery: DeliveryState,
    /// Why there was none.
    pub not_sent_reason: Option<NotSentReason>,
    /// What became of the link, as stored; whether it is over is seen from `expire_time`.
    pub link: LinkState,
    /// When it was asked for.
    pub request_time: OffsetDateTime,
    /// When the link ends.
    pub expire_time: Option<OffsetDateTime>,
    /// When the link was first looked at.
    pub view_time: Option<OffsetDateTime>,
    /// When the link set a password.
    pub complete_time: Option<OffsetDateTime>,
    /// When a deferred mail is tried again.
    pub next_attempt_time: Option<OffsetDateTime>,
    /// Since when the mail waits for our own mail server.
    pub hold_time: Option<OffsetDateTime>,
    /// From when a new request is mailed again, for COOLING_DOWN.
    pub cool_until: Option<OffsetDateTime>,
    /// Enhanced status code (RFC 3463) of the last attempt; empty: none.
    pub enhanced_code: String,
}

/// What support reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What happened, in one or two sentences.
    pub summary: String,
    /// What to do now, each a sentence or two.
    pub next_steps: Vec<String>,
}

/// Says what happened to a reset, and what to do now.
pub fn explain(facts: &Facts, locale: Locale) -> Explanation {
    let _ = facts;
    Explanation {
        summary: locale.as_str().into(),
        next_steps: Vec::new(),
    }
}
