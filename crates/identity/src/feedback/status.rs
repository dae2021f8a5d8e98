//! A status of the mailer, read with suspicion.

use prost::Message as _;
use proto::mailer::events::v1::MailStatus;
use proto::mailer::events::v1::mail_status::Outcome;
use time::OffsetDateTime;
use tracing::Span;
use uuid::Uuid;

use crate::domain::smtp_code::condemns_address;
use crate::domain::states::DeliveryState;
use crate::store::delivery_attempts::NewAttempt;

/// Longest text of a field that is stored.
const MAX_TEXT: usize = 255;

/// A status, checked.
pub(super) struct Status {
    pub(super) event_id: Uuid,
    pub(super) attempt: i32,
    pub(super) attempt_time: OffsetDateTime,
    pub(super) outcome: Outcome,
    pub(super) message: MailStatus,
    /// The span it is handled in: many are written together.
    pub(super) span: Span,
}

impl Status {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let message = MailStatus::decode(body).ok()?;
        let texts = [&message.relay, &message.enhanced_code, &message.phase];
        if texts.iter().any(|text| text.len() > MAX_TEXT || text.chars().any(char::is_control)) {
            return None;
        }
        let time = message.attempt_time.unwrap_or_default();
        let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
        let outcome = message.outcome();
        Some(Self {
            event_id: Uuid::try_parse(&message.event_id).ok()?,
            attempt: i32::try_from(message.attempt).ok()?,
            attempt_time: OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?,
            outcome: (outcome != Outcome::Unspecified).then_some(outcome)?,
            message,
            span: Span::current(),
        })
    }

    /// The outcome as a metric's label, in the mailer's words.
    pub(super) fn label(&self) -> &'static str {
        match self.outcome {
            Outcome::Sent => "sent",
            Outcome::Deferred => "deferred",
            Outcome::Bounced => "bounced",
            Outcome::Unknown => "unknown",
            Outcome::Held => "held",
            Outcome::Expired => "expired",
            Outcome::Parked => "parked",
            Outcome::Again => "again",
            Outcome::Unspecified => "unspecified",
        }
    }

    /// Whether the outcome says something of the address itself: that it is wrong, or that it is good.
    pub(super) fn speaks_of_address(&self) -> Option<bool> {
        match self.outcome {
            Outcome::Bounced if condemns_address(&self.message.enhanced_code) => Some(true),
            Outcome::Sent => Some(false),
            _ => None,
        }
    }

    /// The attempt, to be recorded.
    pub(super) fn attempt(&self) -> NewAttempt<'_> {
        let duration = self.message.duration.unwrap_or_default();
        NewAttempt {
            event_id: self.event_id,
            attempt: self.attempt,
            attempt_time: self.attempt_time,
            outcome: self.state(),
            relay: &self.message.relay,
            smtp_code: i32::try_from(self.message.smtp_code).unwrap_or_default(),
            enhanced_code: &self.message.enhanced_code,
            phase: &self.message.phase,
            duration_ms: duration.seconds.saturating_mul(1000).saturating_add(i64::from(duration.nanos) / 1_000_000),
        }
    }

    /// What the attempt came to, as people read it.
    pub(super) fn state(&self) -> DeliveryState {
        match self.outcome {
            Outcome::Sent => DeliveryState::Sent,
            Outcome::Deferred => DeliveryState::Deferred,
            Outcome::Bounced => DeliveryState::Bounced,
            Outcome::Unknown => DeliveryState::Unknown,
            Outcome::Held => DeliveryState::Held,
            Outcome::Expired | Outcome::Parked | Outcome::Again | Outcome::Unspecified => DeliveryState::NotSent,
        }
    }
}
