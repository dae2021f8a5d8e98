//! One message of `mailer.requests`: opened, checked, rendered, handed over, reported.
//!
//! A message is acknowledged once its status is confirmed. So each ends in a status, or comes
//! again; and what comes again is answered from [`Memory`], not mailed again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use messaging::topology::{self, IDENTITY_EVENTS, MAILER_REQUESTS};
use messaging::{Delivery, KeyRing, PublishError, Verdict};
use opentelemetry::KeyValue;
use proto::mailer::events::v1::MailStatus;
use runtime::trace::failed;
use runtime::{Clock, Random, SkewAlarm, TraceContext, backoff};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field};
use uuid::Uuid;

use crate::event::MailEvent;
use crate::memory::{Known, Memory};
use crate::metrics::Metrics;
use crate::outcome::{Attempt, Outcome};
use crate::render::{Letterhead, RenderError, Rendered};
use crate::report::timestamp;
use crate::transport::{Expiry, Mail, MailTransport};
use crate::verp::envelope_sender;

/// No attempt is longer than this: the identity service takes one for lost after 10 minutes
/// without a word.
const ATTEMPT: Duration = Duration::from_secs(7 * 60);
/// How long an attempt waits for a relay; the rest is for the dialogue.
const HOLD: Duration = Duration::from_secs(6 * 60);
/// How often a mail that waits says so.
const HELD_AGAIN: Duration = Duration::from_secs(5 * 60);
/// When it is said again if the broker did not take it.
const NOT_HEARD: Duration = Duration::from_secs(5);
/// Between two tries to publish a status.
const REPORT_WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What a deliverer works with.
pub struct Deliverer<T, R> {
    /// The keys of the seal, read again when their files change.
    pub keys: Arc<KeyRing>,
    /// How mails are handed over.
    pub transport: Arc<T>,
    /// How statuses are published, confirmed.
    pub report: R,
    /// How mails are signed.
    pub letterhead: Letterhead,
    /// Tells what is over.
    pub clock: Arc<dyn Clock>,
    /// For waits.
    pub random: Arc<dyn Random>,
    /// When the program ends.
    pub stop: CancellationToken,
    /// Tells of a clock that differs from identity's.
    pub skew_alarm: SkewAlarm,
    /// Recent events.
    pub memory: Memory,
    /// Counts.
    pub metrics: Metrics,
}

impl<T, R, F> Deliverer<T, R>
where
    T: MailTransport,
    R: Fn(MailStatus) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), PublishError>> + Send,
{
    /// Handles a message in a span of its own, in the trace that made it.
    pub async fn handle(self: Arc<Self>, delivery: Delivery) -> Verdict {
        let destination = destination(&delivery);
        let span = tracing::info_span!(
            "deliver",
            otel.kind = "consumer",
            otel.name = format!("process {destination}"),
            messaging.system = "rabbitmq",
            messaging.operation.type = "process",
            messaging.operation.name = "process",
            messaging.destination.name = destination,
            messaging.rabbitmq.destination.routing_key = delivery.routing_key,
            messaging.message.id = field::Empty,
            messaging.message.body.size = delivery.body.len(),
            attempt = field::Empty,
            kind = field::Empty,
            outcome = field::Empty,
            relay = field::Empty,
            smtp_code = field::Empty,
            enhanced_code = field::Empty,
            phase = field::Empty,
            otel.status_code = field::Empty,
            error.type = field::Empty,
        );
        let cause = cause_of(&delivery);
        cause.set_as_parent_about(&span, delivery.trace.reset_id.clone());
        cause.link_from(&span);
        self.process(&delivery).instrument(span).await
    }

    async fn process(&self, delivery: &Delivery) -> Verdict {
        let event = match self.open(delivery) {
            Ok(event) => event,
            Err(reason) => {
                // Nothing of it is known to be true, so no status is told.
                let claimed: String = delivery.message_id.iter().flat_map(|id| id.chars().take(64)).collect();
                tracing::warn!(reason, messaging.message.id = claimed, "parked: cannot be opened");
                failed(&Span::current(), reason);
                self.metrics.parked(reason);
                if reason.ends_with("_key_unknown") {
                    self.metrics.key_unknown();
                }
                return Verdict::Park;
            }
        };
        self.metrics.key_known();
        if let Some(published) = delivery.published.filter(|_| !delivery.redelivered) {
            let now = self.clock.now();
            self.skew_alarm.compare(published, now);
            self.metrics.queue_wait((now - published).as_seconds_f64());
            waited(delivery, published, now, event.header.event_id);
        }
        let span = Span::current();
        span.record("messaging.message.id", field::display(event.header.event_id));
        span.record("attempt", event.attempt);
        span.record("kind", event.kind());

        let turn = self.stop.run_until_cancelled(self.memory.turn(event.header.event_id)).await;
        let Some(mut turn) = turn else { return Verdict::Requeue };
        let known = match turn.as_ref().filter(|known| known.answers(event.attempt)) {
            Some(known) => {
                tracing::info!(outcome = known.outcome.name(), "came again, is not mailed again");
                self.metrics.repeated();
                known.clone()
            }
            None => {
                let began = self.clock.now();
                let Some(attempt) = self.attempt(&event, began).await else {
                    return Verdict::Requeue;
                };
                self.note(&event, &attempt);
                let known = Known { outcome: attempt.outcome, status: status(&event, &attempt, began) };
                turn.insert(known).clone()
            }
        };
        if known.outcome.gives_up() {
            failed(&span, known.outcome.name());
        }
        match self.confirmed(&known.status).await {
            false => Verdict::Requeue,
            true if known.outcome == Outcome::Parked => Verdict::Park,
            true => Verdict::Ack,
        }
    }

    /// Opens an event. One that names a key we do not know may be the first of a key that came just now.
    fn open(&self, delivery: &Delivery) -> Result<MailEvent, &'static str> {
        let open = || MailEvent::open(&self.keys.current(), &delivery.routing_key, &delivery.body);
        match open() {
            Err(reason) if reason.ends_with("_key_unknown") && self.keys.reload().is_ok_and(|new| new) => open(),
            other => other,
        }
    }

    /// One attempt, waiting for a relay included. None when the program ends meanwhile: whoever
    /// gets the message next makes the attempt.
    async fn attempt(&self, event: &MailEvent, began: OffsetDateTime) -> Option<Attempt> {
        let start = Instant::now();
        let mut holding = None;
        loop {
            let tried = self.try_once(event, start + ATTEMPT).await;
            let attempt = Attempt { duration: start.elapsed(), ..tried };
            if attempt.outcome != Outcome::Held {
                return Some(attempt);
            }
            if start.elapsed() >= HOLD {
                // The attempt ends here; the identity service schedules the next one.
                return Some(Attempt { outcome: Outcome::Deferred, ..attempt });
            }
            let (_, said) = holding.get_or_insert_with(|| (self.metrics.hold(), None));
            if said.is_none_or(|at: Instant| at.elapsed() >= HELD_AGAIN) {
                *said = Some(Instant::now());
                tracing::warn!(relay = attempt.relay, cause = attempt.cause, "held until the relay takes mails again");
                if (self.report)(status(event, &attempt, began)).await.is_err() {
                    *said = None;
                }
            }
            let say_again = said.map_or_else(|| Instant::now() + NOT_HEARD, |at| at + HELD_AGAIN);
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = self.transport.ready() => {}
                () = sleep_until(say_again.min(start + HOLD)) => {}
                () = sleep(self.left(event)) => {}
            }
        }
    }

    async fn try_once(&self, event: &MailEvent, deadline: Instant) -> Attempt {
        let expiry = Expiry { at: event.header.expire_time, clock: self.clock.clone() };
        if expiry.is_over() {
            return Attempt::without_relay(Outcome::Expired, "the mail's time is over");
        }
        let span = tracing::info_span!(
            "render",
            otel.kind = "internal",
            kind = event.kind(),
            otel.status_code = field::Empty,
            error.type = field::Empty
        );
        let mail = span.in_scope(|| self.mail(event, expiry, deadline));
        match mail.inspect_err(|error| failed(&span, error.reason())) {
            Ok(mail) => self.transport.send(&mail).await,
            Err(error @ RenderError::Over) => Attempt::without_relay(Outcome::Expired, error.to_string()),
            Err(error) => {
                self.metrics.parked(error.reason());
                Attempt::without_relay(Outcome::Parked, error.to_string())
            }
        }
    }

    fn mail(&self, event: &MailEvent, expiry: Expiry, deadline: Instant) -> Result<Mail, RenderError> {
        let Rendered { recipient, bytes } = event.render(self.clock.now(), &self.letterhead)?;
        let sender = envelope_sender(&self.letterhead.bounce_address, event.header.event_id, &self.keys.current());
        let sender = sender.ok_or(RenderError::SenderMalformed)?;
        Ok(Mail { sender, recipient, bytes, expiry, deadline })
    }

    /// The time a mail has left.
    fn left(&self, event: &MailEvent) -> Duration {
        (event.header.expire_time - self.clock.now()).try_into().unwrap_or_default()
    }

    /// Publishes a status until it is confirmed. False when the program ends before that.
    async fn confirmed(&self, status: &MailStatus) -> bool {
        for tries in 0.. {
            let Err(error) = (self.report)(status.clone()).await else { return true };
            tracing::warn!(%error, "the status is not confirmed");
            let wait = backoff::wait(tries, REPORT_WAITS.0, REPORT_WAITS.1, &*self.random);
            if self.stop.run_until_cancelled(sleep(wait)).await.is_none() {
                break;
            }
        }
        false
    }

    /// Writes down what an attempt came to.
    fn note(&self, event: &MailEvent, attempt: &Attempt) {
        let Attempt { outcome, relay, duration, cause, .. } = attempt;
        let outcome = outcome.name();
        let phase = attempt.phase.map_or("", |phase| phase.name());
        let code = attempt.reply.as_ref().map_or(0, |reply| reply.code);
        let enhanced = attempt.reply.as_ref().map_or("", |reply| reply.enhanced.as_str());
        let span = Span::current();
        span.record("outcome", outcome);
        span.record("relay", relay);
        span.record("phase", phase);
        span.record("smtp_code", code);
        span.record("enhanced_code", enhanced);
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(outcome, duration_ms, cause, "attempt over");
        let delay = (self.clock.now() - event.header.event_time).as_seconds_f64();
        self.metrics.attempt(attempt, event, delay);
    }
}

/// Where the trace of a message stands.
fn cause_of(delivery: &Delivery) -> TraceContext {
    let trace = &delivery.trace;
    TraceContext::from_headers(trace.traceparent.as_deref(), trace.tracestate.as_deref())
}

/// How traces call the place it was read from.
fn destination(delivery: &Delivery) -> String {
    topology::destination(IDENTITY_EVENTS, &delivery.routing_key, Some(MAILER_REQUESTS))
}

/// A span for the time in the queue, which nobody could measure while it passed.
fn waited(delivery: &Delivery, published: OffsetDateTime, now: OffsetDateTime, event_id: Uuid) {
    let destination = destination(delivery);
    let name = format!("receive {destination}");
    let mut attributes = vec![
        KeyValue::new("messaging.system", "rabbitmq"),
        KeyValue::new("messaging.operation.name", "receive"),
        KeyValue::new("messaging.operation.type", "receive"),
        KeyValue::new("messaging.destination.name", destination),
        KeyValue::new("messaging.rabbitmq.destination.routing_key", delivery.routing_key.clone()),
        KeyValue::new("messaging.message.id", event_id.to_string()),
    ];
    attributes.extend(delivery.trace.reset_id.clone().map(|ids| KeyValue::new("reset.id", ids)));
    cause_of(delivery).record_past(name, (published, now), attributes);
}

fn status(event: &MailEvent, attempt: &Attempt, began: OffsetDateTime) -> MailStatus {
    let reply = attempt.reply.clone();
    MailStatus {
        event_id: event.header.event_id.to_string(),
        attempt: event.attempt,
        attempt_time: Some(timestamp(began)),
        outcome: proto::mailer::events::v1::mail_status::Outcome::from(attempt.outcome).into(),
        relay: attempt.relay.clone(),
        smtp_code: reply.as_ref().map_or(0, |reply| reply.code.into()),
        enhanced_code: reply.map_or_else(String::new, |reply| reply.enhanced),
        phase: attempt.phase.map_or("", |phase| phase.name()).to_owned(),
        duration: prost_types::Duration::try_from(attempt.duration).ok(),
    }
}
