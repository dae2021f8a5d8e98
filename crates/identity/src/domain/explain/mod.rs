//! ExplainReset: from facts to what support reads, in both languages.

mod account;
mod link;
mod mail;
mod not_sent;
mod revoked;
#[cfg(test)]
mod tests;
mod voice;

use time::OffsetDateTime;

use self::voice::Voice;

use super::locale::Locale;
use super::smtp_code::Answer;
use super::states::{DeliveryState, LinkState, NotSentReason, ResetKind, RevokeCause};
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
    /// What ended the link before its time, if that is on record.
    pub revoke_cause: Option<RevokeCause>,
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
    /// What the mail server said at the last attempt.
    pub answer: Answer,
}

/// What support reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What happened, in one or two sentences.
    pub summary: String,
    /// What to do now, each a sentence or two.
    pub next_steps: Vec<String>,
}

/// Says what happened to a reset, and what to do now. What stands in the way now goes first: a disabled
/// user or a missing address; then what became of the link; then what became of the mail.
pub fn explain(facts: &Facts, locale: Locale) -> Explanation {
    let voice = Voice { facts, locale };
    let Some(account) = &facts.account else {
        // A request that is not issued yet, or could not be, has no account either.
        return facts.resets.first().map_or_else(|| account::none(voice), |reset| of_reset(voice, reset));
    };
    if !account.active {
        return account::disabled(voice);
    }
    if !account.organization_active {
        return account::suspended(voice);
    }
    let newest = facts.resets.first();
    let completed = newest.is_some_and(|reset| reset.link == LinkState::Completed);
    if matches!(account.address, AddressFacts::Missing) && !completed {
        return account::without_address(voice, newest);
    }
    let explanation = match newest {
        None => account::never_asked(voice),
        Some(reset) => of_reset(voice, reset),
    };
    account::remark_on_address(voice, account, newest, explanation)
}

fn of_reset(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let over = reset.expire_time.is_some_and(|end| end <= voice.facts.now);
    match (reset.delivery, reset.link.at(over)) {
        (DeliveryState::NotSent, _) => not_sent::because(voice, reset),
        (_, LinkState::Completed) => link::completed(voice, reset),
        (_, LinkState::Revoked) => revoked::after_sending(voice, reset),
        (DeliveryState::Bounced, _) => mail::bounced(voice, reset),
        (DeliveryState::Sent | DeliveryState::Unknown, LinkState::Expired) => link::expired(voice, reset),
        (_, LinkState::Expired) => not_sent::too_late(voice, reset),
        (DeliveryState::Sent, _) if reset.view_time.is_some() => mail::opened(voice, reset),
        (DeliveryState::Sent, _) => mail::sent(voice, reset),
        (DeliveryState::Unknown, _) => mail::unknown(voice),
        (DeliveryState::Held, _) => mail::held(voice, reset),
        (DeliveryState::Deferred, _) => mail::deferred(voice, reset),
        (DeliveryState::Queued, _) => mail::queued(voice, reset),
        (DeliveryState::Pending, _) => mail::pending(voice, reset),
    }
}
