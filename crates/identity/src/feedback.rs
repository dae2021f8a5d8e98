//! Turns the mailer's statuses into states, and schedules the next attempts.
//!
//! A status informs and schedules; it never decides who may be mailed.

use std::sync::Arc;
use std::time::Duration;

use messaging::broker::Broker;
use messaging::consumer::{Delivery, Verdict, consume};
use messaging::topology::{IDENTITY_MAIL_STATUS, MAILER_EVENTS, destination};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};
use prost::Message as _;
use proto::mailer::events::v1::MailStatus;
use proto::mailer::events::v1::mail_status::Outcome;
use runtime::trace::TraceContext;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::domain::smtp_code::{condemns_address, is_ours};
use crate::domain::states::{DeliveryEvent, DeliveryState, NotSentReason, ResetKind};
use crate::service::Service;
use crate::store::outbox::{self, Waiting};
use crate::store::resets::{self, Beside, NewAttempt};
use crate::store::{StoreError, Transaction, users};

/// Statuses handled at one time.
const PREFETCH: u16 = 32;
/// The last attempt comes no later than this before the end of the link.
const LAST_CALL: Duration = Duration::from_secs(2 * 60);
/// How long to wait before a status is tried again that the database would not take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Longest text of a field that is stored.
const MAX_TEXT: usize = 255;

/// Runs until stopped. `state` is told whether the broker is there.
pub async fn run(
    service: Arc<Service>,
    broker: Broker,
    stop: CancellationToken,
    state: impl Fn(Result<(), String>) + Send + Sync + 'static,
) {
    let measures = Measures::new();
    let ended = stop.clone();
    consume(broker, IDENTITY_MAIL_STATUS, PREFETCH, stop, state, move |delivery| {
        let service = Arc::clone(&service);
        let measures = measures.clone();
        let ended = ended.clone();
        async move {
            let destination = destination(MAILER_EVENTS, &delivery.routing_key, Some(IDENTITY_MAIL_STATUS));
            let span = tracing::info_span!(
                "mail_status",
                otel.name = format!("process {destination}"),
                otel.kind = "consumer",
                messaging.system = "rabbitmq",
                messaging.destination.name = destination,
                messaging.rabbitmq.destination.routing_key = delivery.routing_key,
                messaging.operation.name = "process",
                messaging.operation.type = "process",
                messaging.message.id = delivery.message_id.as_deref().filter(|id| id.len() <= 64),
            );
            let trace =
                TraceContext::from_headers(delivery.trace.traceparent.as_deref(), delivery.trace.tracestate.as_deref());
            trace.set_as_parent_of(&span);
            handle(&service, &delivery, &measures, &ended).instrument(span).await
        }
    })
    .await;
}

/// What is measured of the statuses.
#[derive(Clone)]
struct Measures {
    statuses: Counter<u64>,
    acceptance: Histogram<f64>,
}

impl Measures {
    fn new() -> Self {
        let meter = opentelemetry::global::meter("sandi");
        Self {
            statuses: meter
                .u64_counter("sandi.mail.statuses")
                .with_description("Statuses of delivery attempts, by outcome.")
                .build(),
            acceptance: meter
                .f64_histogram("sandi.reset.acceptance")
                .with_unit("s")
                .with_description("From the request of a reset to the mail server's yes, by kind of reset.")
                .build(),
        }
    }
}

async fn handle(service: &Service, delivery: &Delivery, measures: &Measures, ended: &CancellationToken) -> Verdict {
    let Some(status) = Status::read(&delivery.body) else {
        tracing::warn!("a status cannot be understood and is parked");
        return Verdict::Park;
    };
    measures.statuses.add(1, &[KeyValue::new("outcome", status.label())]);
    loop {
        match apply(service, &status, measures).await {
            Ok(()) => return Verdict::Ack,
            Err(StoreError::Unavailable(_) | StoreError::Collision(_)) => {
                tokio::select! {
                    () = tokio::time::sleep(PATIENCE) => {}
                    () = ended.cancelled() => return Verdict::Requeue,
                }
            }
            Err(error) => {
                tracing::error!(
                    messaging.message.id = %status.event_id,
                    error = &error as &dyn std::error::Error,
                    "a status cannot be applied and is parked"
                );
                return Verdict::Park;
            }
        }
    }
}

/// Whether a message is a status that can be applied.
pub fn is_understood(body: &[u8]) -> bool {
    Status::read(body).is_some()
}

/// A status, checked.
struct Status {
    event_id: Uuid,
    attempt: i32,
    attempt_time: OffsetDateTime,
    outcome: Outcome,
    message: MailStatus,
}

impl Status {
    fn read(body: &[u8]) -> Option<Self> {
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
        })
    }

    /// The outcome as a metric's label, in the mailer's words.
    fn label(&self) -> &'static str {
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
    fn speaks_of_address(&self) -> Option<bool> {
        match self.outcome {
            Outcome::Bounced if condemns_address(&self.message.enhanced_code) => Some(true),
            Outcome::Sent => Some(false),
            _ => None,
        }
    }

    /// What the attempt came to, as people read it.
    fn state(&self) -> DeliveryState {
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

async fn apply(service: &Service, status: &Status, measures: &Measures) -> Result<(), StoreError> {
    if status.outcome == Outcome::Again {
        return try_again(service, status.event_id).await;
    }
    let mut transaction = service.store.begin().await?;
    if let Some(refused) = status.speaks_of_address() {
        users::lock_addressees(&mut transaction, status.event_id, refused).await?;
    }
    let waiting = outbox::lock_waiting(&mut transaction, status.event_id).await?;
    if waiting.is_none() && !resets::has_event(&mut transaction, status.event_id).await? {
        // Swept away by the retention, or never ours.
        tracing::info!(messaging.message.id = %status.event_id, "a status of an unknown mail");
        return Ok(());
    }
    record(&mut transaction, status).await?;
    let current = waiting.as_ref().map_or(status.attempt, |waiting| waiting.attempt);
    let event = delivery_event(status, waiting.as_ref());
    // The same silence told twice is one silence.
    let told_before = status.outcome == Outcome::Unknown && status.attempt < current;
    if told_before || !event.concerns(status.attempt.unsigned_abs(), current.unsigned_abs()) {
        return transaction.commit().await.map_err(StoreError::from);
    }
    let mut beside = Beside::default();
    match event {
        DeliveryEvent::NotSent(reason) => beside.not_sent_reason = Some(reason),
        DeliveryEvent::Deferred | DeliveryEvent::Unknown { second: false } => {
            if let Some(waiting) = &waiting {
                beside.next_attempt_time = schedule(service, &mut transaction, status, waiting).await?;
                resets::expect_attempt(&mut transaction, status.event_id, beside.next_attempt_time).await?;
            }
        }
        DeliveryEvent::Held => outbox::heard(&mut transaction, status.event_id).await?,
        _ => {}
    }
    match (event, &waiting) {
        // An operator may have it tried again once the cause is gone: its row waits for that.
        (DeliveryEvent::NotSent(NotSentReason::Parked), Some(waiting)) => {
            outbox::schedule(&mut transaction, status.event_id, waiting.attempt, None, waiting.unknowns).await?;
        }
        _ if event.is_final() => outbox::delete(&mut transaction, &[status.event_id]).await?,
        _ => {}
    }
    resets::advance(&mut transaction, &[status.event_id], event, beside).await?;
    judge_address(&mut transaction, status).await?;
    let asked = match event {
        DeliveryEvent::Sent => resets::asked_ago(&mut transaction, status.event_id).await?,
        _ => None,
    };
    transaction.commit().await?;
    if let Some((kind, seconds)) = asked {
        measures.acceptance.record(seconds.max(0.0), &[KeyValue::new("kind", kind_label(kind))]);
    }
    Ok(())
}

/// An operator wants another attempt at a mail that was put aside. The relay makes it, and looks before it as before each
/// one: what was revoked, used or re-addressed meanwhile is not mailed.
async fn try_again(service: &Service, event_id: Uuid) -> Result<(), StoreError> {
    let mut transaction = service.store.begin().await?;
    let waiting = outbox::lock_waiting(&mut transaction, event_id).await?;
    tracing::info!(messaging.message.id = %event_id, waits = waiting.is_some(), "a mail is asked for again");
    let Some(waiting) = waiting else { return Ok(()) };
    let next = waiting.attempt.saturating_add(1);
    outbox::schedule(&mut transaction, event_id, next, Some(waiting.now), waiting.unknowns).await?;
    transaction.commit().await?;
    service.relay_bell.notify_one();
    Ok(())
}

/// A kind as a metric's label.
fn kind_label(kind: ResetKind) -> &'static str {
    match kind {
        ResetKind::SelfService => "self_service",
        ResetKind::Admin => "admin",
        ResetKind::Invitation => "invitation",
    }
}

async fn record(transaction: &mut Transaction, status: &Status) -> Result<(), StoreError> {
    let duration = status.message.duration.unwrap_or_default();
    let attempt = NewAttempt {
        event_id: status.event_id,
        attempt: status.attempt,
        attempt_time: status.attempt_time,
        outcome: status.state(),
        relay: &status.message.relay,
        smtp_code: i32::try_from(status.message.smtp_code).unwrap_or_default(),
        enhanced_code: &status.message.enhanced_code,
        phase: &status.message.phase,
        duration_ms: duration.seconds.saturating_mul(1000).saturating_add(i64::from(duration.nanos) / 1_000_000),
    };
    resets::record_attempt(transaction, &attempt).await
}

fn delivery_event(status: &Status, waiting: Option<&Waiting>) -> DeliveryEvent {
    match status.outcome {
        Outcome::Sent => DeliveryEvent::Sent,
        Outcome::Bounced => DeliveryEvent::Bounced,
        Outcome::Deferred => DeliveryEvent::Deferred,
        Outcome::Held => DeliveryEvent::Held,
        Outcome::Unknown => DeliveryEvent::Unknown { second: waiting.is_none_or(|waiting| waiting.unknowns > 0) },
        Outcome::Parked => DeliveryEvent::NotSent(NotSentReason::Parked),
        Outcome::Expired | Outcome::Again | Outcome::Unspecified => DeliveryEvent::NotSent(NotSentReason::Expired),
    }
}

/// Schedules the next attempt, unless it would come too late.
async fn schedule(
    service: &Service,
    transaction: &mut Transaction,
    status: &Status,
    waiting: &Waiting,
) -> Result<Option<OffsetDateTime>, StoreError> {
    let [jitter] = service.random_bytes();
    // What our own mail server failed at is tried again soon, however often it was tried before.
    let ours = is_ours(status.message.smtp_code.cast_signed(), &status.message.phase);
    let step = if ours { 1 } else { status.attempt };
    let gap = gap(&service.settings.resets.retry_gaps, step, jitter);
    let next = waiting.now + gap;
    let due = waiting.expire_time.is_none_or(|end| next + LAST_CALL <= end).then_some(next);
    let unknowns = waiting.unknowns + i16::from(status.outcome == Outcome::Unknown);
    outbox::schedule(transaction, status.event_id, status.attempt.saturating_add(1), due, unknowns).await?;
    Ok(due)
}

/// The gap after this attempt, give or take a tenth.
fn gap(gaps: &[Duration], attempt: i32, jitter: u8) -> Duration {
    let index = usize::try_from(attempt.max(1) - 1).unwrap_or_default().min(gaps.len() - 1);
    gaps[index].mul_f64(0.9 + 0.2 * f64::from(jitter) / 255.0)
}

/// Keeps what a final answer says of the address itself.
async fn judge_address(transaction: &mut Transaction, status: &Status) -> Result<(), StoreError> {
    match status.speaks_of_address() {
        Some(true) => users::mark_undeliverable(transaction, status.event_id, &status.message.enhanced_code).await,
        Some(false) => users::clear_undeliverable(transaction, status.event_id).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_grow_and_the_last_one_repeats() {
        let gaps: Vec<Duration> = [1, 4, 10].map(|minutes| Duration::from_secs(minutes * 60)).to_vec();
        for (attempt, seconds) in [(1, 60), (2, 240), (3, 600), (4, 600), (99, 600)] {
            for jitter in [0, 128, 255] {
                let gap = gap(&gaps, attempt, jitter).as_secs_f64() / f64::from(seconds);
                assert!((0.89..=1.11).contains(&gap), "attempt {attempt}: {gap}");
            }
        }
    }
}
