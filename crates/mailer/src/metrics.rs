//! What the mailer counts.

use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::metrics::{Counter, Gauge, Histogram, UpDownCounter};
use opentelemetry::{KeyValue, global};

use crate::event::MailEvent;
use crate::outcome::{Attempt, Outcome};

/// The instruments.
pub struct Metrics {
    attempts: Counter<u64>,
    duration: Histogram<f64>,
    delay: Histogram<f64>,
    queue_wait: Histogram<f64>,
    parked: Counter<u64>,
    repeated: Counter<u64>,
    held: UpDownCounter<i64>,
    strange: Gauge<u64>,
    strange_in_a_row: AtomicU64,
}

/// So many messages in a row for keys that are not here are no forger's: the directory of keys is the wrong one.
const STRANGE: u64 = 3;

/// A mail is held for as long as this lives.
pub struct Holding<'a>(&'a UpDownCounter<i64>);

impl Default for Metrics {
    fn default() -> Self {
        let meter = global::meter("sandi");
        let metrics = Self {
            attempts: meter
                .u64_counter("sandi.mailer.attempts")
                .with_description(
                    "Delivery attempts that are over, by outcome, kind of mail, language, mail server and class of a bounce.",
                )
                .build(),
            duration: meter
                .f64_histogram("sandi.mailer.attempt.duration")
                .with_unit("s")
                .with_description("How long an attempt took, waiting for the relay included.")
                .build(),
            delay: meter
                .f64_histogram("sandi.mailer.delay")
                .with_unit("s")
                .with_description("From the making of an event to the mail server's yes.")
                .build(),
            queue_wait: meter
                .f64_histogram("sandi.mailer.queue.wait")
                .with_unit("s")
                .with_description("From the publishing of a message to its arrival at a mailer.")
                .build(),
            parked: meter.u64_counter("sandi.mailer.parked").with_description("Messages put aside, by reason.").build(),
            repeated: meter
                .u64_counter("sandi.mailer.repeated")
                .with_description("Messages that came again and were answered from memory.")
                .build(),
            held: meter
                .i64_up_down_counter("sandi.mailer.held")
                .with_description("Mails that wait for a mail server by our own fault.")
                .build(),
            strange: meter
                .u64_gauge("sandi.mailer.key.unknown")
                .with_description("Messages in a row that name a key that is not here; 0 once one opens.")
                .build(),
            strange_in_a_row: AtomicU64::new(0),
        };
        metrics.held.add(0, &[]);
        metrics.strange.record(0, &[]);
        metrics.repeated.add(0, &[]);
        metrics
    }
}

impl Metrics {
    /// An attempt is over. `delay` in seconds since the event was made.
    pub fn attempt(&self, attempt: &Attempt, event: &MailEvent, delay: f64) {
        let outcome = KeyValue::new("outcome", attempt.outcome.name());
        let class = match attempt.outcome {
            Outcome::Bounced(class) => class.name(),
            _ => "",
        };
        let labels = [
            outcome.clone(),
            KeyValue::new("kind", event.kind()),
            KeyValue::new("locale", event.locale()),
            KeyValue::new("relay", attempt.relay.clone()),
            KeyValue::new("class", class),
        ];
        self.attempts.add(1, &labels);
        self.duration.record(attempt.duration.as_secs_f64(), &[outcome]);
        if attempt.outcome == Outcome::Sent {
            self.delay.record(delay.max(0.0), &[]);
        }
    }

    /// A message came for the first time, so long after it was published, in seconds.
    pub fn queue_wait(&self, seconds: f64) {
        self.queue_wait.record(seconds.max(0.0), &[]);
    }

    /// A message was put aside.
    pub fn parked(&self, reason: &'static str) {
        self.parked.add(1, &[KeyValue::new("reason", reason)]);
    }

    /// A message names a key that is not here.
    pub fn key_unknown(&self) {
        let count = self.strange_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        self.strange.record(count, &[]);
        if count == STRANGE {
            tracing::error!(count, "mails are sealed with keys that are not in keys.directory, one after the other");
        }
    }

    /// A message was opened.
    pub fn key_known(&self) {
        if self.strange_in_a_row.swap(0, Ordering::Relaxed) > 0 {
            self.strange.record(0, &[]);
        }
    }

    /// A message came again.
    pub fn repeated(&self) {
        self.repeated.add(1, &[]);
    }

    /// A mail begins to wait.
    pub fn hold(&self) -> Holding<'_> {
        self.held.add(1, &[]);
        Holding(&self.held)
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.add(-1, &[]);
    }
}
