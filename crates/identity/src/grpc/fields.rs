//! Reads the fields of a request into values, and notes every one that is bad.

use std::net::IpAddr;
use std::time::Duration;

use prost_types::FieldMask;
use proto::identity::v1 as pb;
use time::OffsetDateTime;
use uuid::Uuid;

use super::actors::Actors;
use super::edge::Admitted;
use crate::digest::{self, DigestKey};
use crate::domain::device::parse_user_agent;
use crate::domain::locale::Locale;
use crate::domain::names::{IdempotencyKey, Reason};
use crate::domain::password::Password;
use crate::domain::token::ResetToken;
use crate::domain::violation::{Problem, Unit, Violations};
use crate::ops::Error;
use crate::ops::access::ActorClaim;
use crate::ops::call::Requester;
use crate::ops::credentials::NewPassword;
use crate::ops::pages::{List, Page};
use crate::ops::rules;

/// Longest text that is looked at as a token.
const TOKEN_MAX_BYTES: usize = 128;
/// Longest text that is looked at as a person's token.
const ACTOR_TOKEN_MAX_BYTES: usize = 8 * 1024;

/// Longest name of an action that is looked for.
const ACTION_MAX_BYTES: usize = 64;

/// Collects what is bad.
#[derive(Default)]
pub struct Fields(Violations);

impl Fields {
    /// Ends the reading.
    ///
    /// # Errors
    /// `FIELD_INVALID` naming every bad field.
    pub fn done(self) -> Result<(), Error> {
        self.0.into_result().map_err(Error::Fields)
    }

    /// Keeps a value, or notes what is wrong; the default stands in until [`Fields::done`] refuses.
    pub fn keep<T>(&mut self, name: &str, result: Result<T, Problem>) -> Option<T> {
        self.0.field(name, result)
    }

    /// Notes a bad field.
    pub fn bad(&mut self, name: &str, problem: Problem) {
        self.0.add(name, problem);
    }

    /// A UUID that must be there.
    pub fn uuid(&mut self, name: &str, text: &str) -> Uuid {
        self.keep(name, parse_uuid(text)).unwrap_or_default()
    }

    /// A UUID, or nothing.
    pub fn optional_uuid(&mut self, name: &str, text: &str) -> Option<Uuid> {
        if text.is_empty() { None } else { Some(self.uuid(name, text)) }
    }

    /// A language, or nothing.
    pub fn optional_locale(&mut self, name: &str, tag: &str) -> Option<Locale> {
        if tag.is_empty() { None } else { self.keep(name, Locale::parse(tag)) }
    }

    /// The person at the other end; what a caller may not forward is not even looked at.
    pub fn requester(&mut self, requester: Option<&pb::Requester>, believed: bool) -> Requester {
        let Some(requester) = requester.filter(|_| believed) else { return Requester::default() };
        let ip = match requester.ip.as_str() {
            "" => None,
            text => self.keep("requester.ip", text.parse::<IpAddr>().map_err(|_| Problem::NotAnIpAddress)),
        };
        Requester {
            ip,
            device: self.keep("requester.user_agent", parse_user_agent(&requester.user_agent)).unwrap_or_default(),
            locale: self.optional_locale("requester.locale", &requester.locale),
        }
    }

    /// The person on whose behalf the call is made; somebody, where the rule lets this caller act for a person only.
    pub fn actor(&mut self, actors: &Actors, actor: Option<&pb::Actor>, admitted: &Admitted) -> Option<ActorClaim> {
        let Some(actor) = actor else {
            if rules::of(admitted.rpc).needs_actor(&admitted.caller) {
                self.bad("actor", Problem::Required);
            }
            return None;
        };
        match actor.kind.as_ref() {
            Some(pb::actor::Kind::Token(token)) => {
                self.keep("actor.token", parse_actor_token(token))?;
                Some(actors.verify(token).map_or_else(ActorClaim::Refused, ActorClaim::Proven))
            }
            Some(pb::actor::Kind::UserId(user_id)) => Some(ActorClaim::Asserted(self.uuid("actor.user_id", user_id))),
            None => {
                self.bad("actor", Problem::Required);
                None
            }
        }
    }

    /// The key of the call.
    pub fn idempotency_key(&mut self, key: &str) -> Option<IdempotencyKey> {
        self.keep("idempotency_key", IdempotencyKey::parse(key)).flatten()
    }

    /// A token. One that is empty, too long or has control characters is malformed; anything else is
    /// a token, if perhaps not one of ours.
    pub fn token(&mut self, text: &str) -> Option<ResetToken> {
        if text.is_empty() {
            self.bad("token", Problem::Empty);
        } else if text.len() > TOKEN_MAX_BYTES {
            self.bad("token", Problem::TooLong { limit: TOKEN_MAX_BYTES, unit: Unit::Bytes });
        } else if text.chars().any(char::is_control) {
            self.bad("token", Problem::ControlCharacters);
        }
        ResetToken::parse(text)
    }

    /// A password that is to be checked.
    pub fn password(&mut self, name: &str, text: &str) -> Option<Password> {
        self.keep(name, Password::parse(text))
    }

    /// A password that is to be set. Its rules are the policy's, and have a reason of their own; only what no password
    /// can be is a bad field.
    pub fn new_password(&mut self, name: &str, text: &str, confirmation: Option<&str>) -> NewPassword {
        if let Err(problem @ Problem::ControlCharacters) = Password::parse(text) {
            self.bad(name, problem);
        }
        NewPassword::parse(text, confirmation)
    }

    /// A reason that must be there.
    pub fn reason(&mut self, text: &str) -> Option<Reason> {
        self.keep("reason", Reason::parse(text))
    }

    /// A reason, or nothing.
    pub fn optional_reason(&mut self, text: &str) -> Option<Reason> {
        if text.is_empty() { None } else { self.reason(text) }
    }

    /// A page of a list. Read after the list's filters: while one of them is bad, a token of the right form may be
    /// this list's.
    pub fn page(&mut self, digests: &DigestKey, list: List, size: i32, token: &str) -> Option<Page> {
        let filters_are_good = self.0.is_empty();
        if size < 0 {
            self.bad("page_size", Problem::OutOfRange { min: 0, max: i64::from(i32::MAX) });
        }
        if filters_are_good || !digest::is_page_token(token) {
            self.keep("page_token", Page::read(digests, list, size, token))
        } else {
            None
        }
    }

    /// A positive duration, or nothing.
    pub fn optional_duration(&mut self, name: &str, duration: Option<&prost_types::Duration>) -> Option<Duration> {
        let duration = duration?;
        let nanos = u32::try_from(duration.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
        let read = u64::try_from(duration.seconds)
            .ok()
            .filter(|seconds| *seconds <= 315_576_000_000)
            .zip(nanos)
            .map(|(seconds, nanos)| Duration::new(seconds, nanos))
            .filter(|duration| !duration.is_zero());
        self.keep(name, read.ok_or(Problem::NotATime))
    }

    /// A moment, or nothing.
    pub fn optional_time(&mut self, name: &str, time: Option<&prost_types::Timestamp>) -> Option<OffsetDateTime> {
        let time = time?;
        let read = u32::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000).and_then(|nanos| {
            OffsetDateTime::from_unix_timestamp(time.seconds)
                .ok()?
                .checked_add(time::Duration::nanoseconds(nanos.into()))
        });
        // The years of the protobuf type (0001 to 9999).
        self.keep(name, read.filter(|time| (1..=9999).contains(&time.year())).ok_or(Problem::NotATime))
    }

    /// The name of an action, or nothing.
    pub fn optional_action(&mut self, name: &str, text: &str) -> Option<String> {
        if text.len() > ACTION_MAX_BYTES {
            self.bad(name, Problem::TooLong { limit: ACTION_MAX_BYTES, unit: Unit::Bytes });
        } else if text.chars().any(char::is_control) {
            self.bad(name, Problem::ControlCharacters);
        }
        (!text.is_empty()).then(|| text.into())
    }

    /// The paths an update changes: those of the mask, or, for an empty one, every populated field.
    pub fn mask(&mut self, mask: Option<&FieldMask>, known: &[(&'static str, bool)]) -> Vec<&'static str> {
        let paths = mask.map_or(&[] as &[String], |mask| &mask.paths);
        if paths.is_empty() {
            return known.iter().filter(|(_, populated)| *populated).map(|(path, _)| *path).collect();
        }
        if paths == ["*"] {
            return known.iter().map(|(path, _)| *path).collect();
        }
        let mut changed = Vec::new();
        for path in paths {
            match known.iter().find(|(name, _)| name == path) {
                Some((name, _)) => changed.push(*name),
                None => self.bad(&mask_field(path), Problem::UnknownPath),
            }
        }
        changed
    }
}

/// Names an unknown path, unless it is not fit to be shown.
fn mask_field(path: &str) -> String {
    let plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
    if plain && (1..=64).contains(&path.len()) { format!("update_mask.{path}") } else { "update_mask".into() }
}

fn parse_actor_token(text: &str) -> Result<(), Problem> {
    if text.is_empty() {
        Err(Problem::Empty)
    } else if text.len() > ACTOR_TOKEN_MAX_BYTES {
        Err(Problem::TooLong { limit: ACTOR_TOKEN_MAX_BYTES, unit: Unit::Bytes })
    } else if text.chars().any(char::is_control) {
        Err(Problem::ControlCharacters)
    } else {
        Ok(())
    }
}

fn parse_uuid(text: &str) -> Result<Uuid, Problem> {
    match text.len() {
        0 => Err(Problem::Empty),
        // Only the hyphenated form, so that a UUID is written one way.
        36 => Uuid::try_parse(text).map_err(|_| Problem::NotUuid),
        _ => Err(Problem::NotUuid),
    }
}
