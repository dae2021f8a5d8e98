//! `mailer parked`: what was put aside, and why. A message is opened again to say so; what is in
//! it is never shown.

use std::fmt::Write;

use anyhow::{Context, anyhow};
use clap::Subcommand;
use messaging::keys::Keys;
use messaging::parked::{Parked as Message, peek};
use messaging::seal::decode_event;
use messaging::topology::MAILER_PARKED;
use prost::Message as _;
use proto::identity::events::v1::MailHeader;
use runtime::{Clock, Failure, SystemClock};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::event::MailEvent;
use crate::render::time_of;
use crate::sample::letterhead;
use crate::settings::Settings;

/// Messages looked at, at most.
const LIMIT: usize = 1_000;

#[derive(Subcommand)]
pub(super) enum Parked {
    /// One line a message: number, when it was parked, routing key, event, age, why.
    #[command(after_help = "Example: mailer parked list --config /etc/sandi/mailer.toml")]
    List,
    /// All that may be shown of one message, and what to do about it.
    #[command(after_help = "Example: mailer parked show 1 --config /etc/sandi/mailer.toml")]
    Show {
        /// Its number in the list, from 1.
        number: usize,
    },
}

/// Why a message is in the parking queue, as far as can be told now.
#[derive(Debug, PartialEq, Eq)]
struct Why {
    reason: String,
    advice: &'static str,
}

pub(super) async fn run(command: &Parked, settings: &Settings) -> Result<String, Failure> {
    let (broker, keys) = settings.check_parked()?;
    let keys = keys.current();
    let messages = peek(&broker, MAILER_PARKED, LIMIT).await.context("cannot look at the parked messages")?;
    let now = SystemClock.now();
    match command {
        Parked::List => Ok(list(&keys, &messages, now)),
        Parked::Show { number } => {
            let message = number.checked_sub(1).and_then(|index| messages.get(index));
            let message =
                message.ok_or_else(|| anyhow!("there is no parked message {number}; there are {}", messages.len()))?;
            Ok(show(&keys, *number, message, now))
        }
    }
}

fn list(keys: &Keys, messages: &[Message], now: OffsetDateTime) -> String {
    if messages.is_empty() {
        return "nothing is parked\n".to_owned();
    }
    let mut text =
        format!("{:>4}  {:<20}  {:<29}  {:<36}  {:>7}  WHY\n", "NO", "PARKED", "ROUTING KEY", "EVENT", "AGE");
    for (index, message) in messages.iter().enumerate() {
        let _ = writeln!(
            text,
            "{:>4}  {:<20}  {:<29}  {:<36}  {:>7}  {}",
            index + 1,
            moment(message.time),
            plain(&message.routing_key),
            event_id(message),
            age(message, now),
            why(keys, message, now).reason,
        );
    }
    if messages.len() == LIMIT {
        let _ = writeln!(text, "only the first {LIMIT} are shown");
    }
    text
}

fn show(keys: &Keys, number: usize, message: &Message, now: OffsetDateTime) -> String {
    let why = why(keys, message, now);
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{label:<16}{value}");
    };
    line("number", &number.to_string());
    line("parked", &moment(message.time));
    let broker = message.reason.as_deref().unwrap_or("unknown");
    line("by the broker", &format!("{} ({} times)", plain(broker), message.count));
    line("routing key", &plain(&message.routing_key));
    line("message id", &plain(message.message_id.as_deref().unwrap_or("none")));
    line("size", &format!("{} bytes", message.body.len()));
    if let Some((header, attempt)) = header(message) {
        line("event", &plain(&header.event_id));
        line("attempt", &attempt.to_string());
        line("organisation", &plain(&header.organization_id));
        line("made", &moment(time_of(header.event_time.as_ref())));
        line("expires", &moment(time_of(header.expire_time.as_ref())));
        line("sealed by", &plain(&header.sender_key_id));
        line("sealed to", &plain(&header.recipient_key_id));
        let genuine = MailEvent::open(keys, &message.routing_key, &message.body).is_ok();
        line("genuine", if genuine { "yes: the seal opens" } else { "not known: nothing above is vouched for" });
    }
    line("why", &why.reason);
    line("what to do", why.advice);
    text
}

fn why(keys: &Keys, message: &Message, now: OffsetDateTime) -> Why {
    let why = |reason: String, advice| Why { reason, advice };
    let event = match MailEvent::open(keys, &message.routing_key, &message.body) {
        Ok(event) => event,
        Err(reason) => return why(reason.to_owned(), advice(reason)),
    };
    if event.header.expire_time <= now {
        return why("expired".to_owned(), "nothing: its links are over; the person can ask again");
    }
    match event.render(now, &letterhead()) {
        Err(error) => why(
            format!("{}: {error}", error.reason()),
            "the event is genuine: compare the versions of the identity service and the mailer",
        ),
        Ok(_) if message.reason.as_deref() == Some("delivery_limit") => why(
            "delivery_limit: it opens and renders, but came back too often".to_owned(),
            "look in the mailer's log for what happened to this event",
        ),
        Ok(_) => why(
            "it opens and renders now".to_owned(),
            "the cause is gone, a key or a version perhaps: the person can ask again",
        ),
    }
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

fn event_id(message: &Message) -> String {
    let id = header(message).map(|(header, _)| header.event_id).filter(|id| !id.is_empty());
    plain(id.or_else(|| message.message_id.clone()).as_deref().unwrap_or("unknown"))
}

fn age(message: &Message, now: OffsetDateTime) -> String {
    let made = header(message).and_then(|(header, _)| time_of(header.event_time.as_ref()));
    let Some(made) = made.or(message.time) else { return "unknown".to_owned() };
    match (now - made).whole_minutes() {
        minutes @ ..60 => format!("{}m", minutes.max(0)),
        minutes @ 60..2_880 => format!("{}h", minutes / 60),
        minutes => format!("{}d", minutes / 1_440),
    }
}

fn moment(time: Option<OffsetDateTime>) -> String {
    time.and_then(|time| time.replace_nanosecond(0).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// Text of a stranger, for a terminal: no control characters, not endless.
fn plain(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests;
