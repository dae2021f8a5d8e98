//! `mailer parked`: what was put aside, and why. A message is opened again to say so; what is in
//! it is never shown.
//!
//! A replay does not put the message back: its links may have been revoked or used meanwhile, or its address changed, and
//! there is no telling from here. The identity service is asked for the mail, looks, and publishes it anew from its
//! outbox, or not.

use std::collections::BTreeMap;

use anyhow::Context as _;
use messaging::keys::Keys;
use messaging::parked::Parked as Message;
use messaging::parked::desk::{self, Ask, Command, Desk, Explained, WayBack, moment, plain};
use messaging::seal::decode_event;
use messaging::topology::{MAIL_STATUS, MAILER_EVENTS, MAILER_PARKED, MAILER_REQUESTS};
use prost::Message as _;
use proto::identity::events::v1::MailHeader;
use proto::mailer::events::v1::MailStatus;
use proto::mailer::events::v1::mail_status::Outcome;
use runtime::{Clock, Failure, SystemClock};
use time::OffsetDateTime;

use super::Told;
use crate::event::MailEvent;
use crate::render::time_of;
use crate::report::timestamp;
use crate::sample::letterhead;
use crate::settings::Settings;

/// Why a message is in the parking queue, as far as can be told now.
struct Why {
    reason: String,
    advice: &'static str,
    way_back: Option<WayBack>,
}

pub(super) async fn run(command: &Command, settings: &Settings) -> Result<Told, Failure> {
    let (broker, keys) = settings.check_parked()?;
    let keys = keys.current();
    let now = SystemClock.now();
    let explain = |message: &Message| explained(&keys, message, now);
    let (text, end) = desk::run(command, &broker, &desk(&explain, now)).await.context("parked messages")?;
    Ok((text, end.context("parked messages").map_err(Failure::from)))
}

/// Why messages cannot be opened, each with how many there are and what to do.
pub(super) fn unopened(keys: &Keys, messages: &[Message]) -> BTreeMap<&'static str, (usize, &'static str)> {
    let mut reasons = BTreeMap::new();
    for message in messages {
        if let Err(reason) = MailEvent::open(keys, &message.routing_key, &message.body) {
            reasons.entry(reason).or_insert((0, advice(reason))).0 += 1;
        }
    }
    reasons
}

fn desk<'a>(explain: &'a dyn Fn(&Message) -> Explained, now: OffsetDateTime) -> Desk<'a> {
    Desk { parked: MAILER_PARKED, work: MAILER_REQUESTS, explain, now }
}

fn explained(keys: &Keys, message: &Message, now: OffsetDateTime) -> Explained {
    let Why { reason, advice, way_back } = why(keys, message, now);
    let header = header(message);
    let event_id = header.as_ref().map(|(header, _)| plain(&header.event_id)).filter(|id| !id.is_empty());
    let made = header.as_ref().and_then(|(header, _)| time_of(header.event_time.as_ref()));
    let facts = header.map(|(header, attempt)| facts(keys, message, &header, attempt)).unwrap_or_default();
    Explained { event_id, made, reason, advice, way_back, facts }
}

fn facts(keys: &Keys, message: &Message, header: &MailHeader, attempt: u32) -> Vec<(&'static str, String)> {
    let genuine = MailEvent::open(keys, &message.routing_key, &message.body).is_ok();
    let genuine = if genuine { "yes: the seal opens" } else { "not known: nothing above is vouched for" };
    vec![
        ("event", plain(&header.event_id)),
        ("attempt", attempt.to_string()),
        ("organisation", plain(&header.organization_id)),
        ("made", moment(time_of(header.event_time.as_ref()))),
        ("expires", moment(time_of(header.expire_time.as_ref()))),
        ("sealed by", plain(&header.sender_key_id)),
        ("sealed to", plain(&header.recipient_key_id)),
        ("genuine", genuine.to_owned()),
    ]
}

fn why(keys: &Keys, message: &Message, now: OffsetDateTime) -> Why {
    let stays = |reason: String, advice| Why { reason, advice, way_back: None };
    let event = match MailEvent::open(keys, &message.routing_key, &message.body) {
        Ok(event) => event,
        Err(reason) => return stays(reason.to_owned(), advice(reason)),
    };
    if event.header.expire_time <= now {
        return stays("expired".to_owned(), "nothing: its time is over; the person can ask again");
    }
    let (reason, advice) = match event.render(now, &letterhead()) {
        Err(error) => {
            let advice = "the event is genuine: compare the versions of the identity service and the mailer";
            return stays(format!("{}: {error}", error.reason()), advice);
        }
        Ok(_) if message.reason.as_deref() == Some("delivery_limit") => (
            "delivery_limit: it opens and renders, but came back too often",
            "look in the mailer's log for what happened to this event; then replay it",
        ),
        Ok(_) => ("it opens and renders now", "the cause is gone, a key or a version perhaps: replay it"),
    };
    Why { reason: reason.to_owned(), advice, way_back: Some(WayBack::Writer(again(&event, now))) }
}

/// Asks the identity service for another attempt.
fn again(event: &MailEvent, now: OffsetDateTime) -> Ask {
    let status = MailStatus {
        event_id: event.header.event_id.to_string(),
        attempt: event.attempt,
        attempt_time: Some(timestamp(now)),
        outcome: Outcome::Again.into(),
        ..MailStatus::default()
    };
    Ask { exchange: MAILER_EVENTS, routing_key: MAIL_STATUS, body: status.encode_to_vec() }
}

fn advice(reason: &str) -> &'static str {
    match reason {
        "sender_key_unknown" => {
            "if the identity service has a new key, put its .pub file into keys.directory; else it is forged"
        }
        "recipient_key_unknown" => {
            "if a key of the mailer was removed, put its .key file back into keys.directory; else it is forged"
        }
        "seal_broken" => "it was forged or altered: find out who may publish to the broker",
        _ => "it was not written by the identity service: find out who may publish to the broker",
    }
}

/// The clear part, which nobody vouches for unless the seal opens.
fn header(message: &Message) -> Option<(MailHeader, u32)> {
    let event = decode_event(&message.routing_key, &message.body).ok()?;
    let header = MailHeader::decode(event.header.as_slice()).ok()?;
    Some((header, event.attempt))
}

#[cfg(test)]
mod tests;
