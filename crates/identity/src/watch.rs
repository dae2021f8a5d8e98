//! Measures what waits (requests, events, queues), for the metrics, and our clock against the database's.

use std::sync::Arc;
use std::time::Duration;

use messaging::broker::Broker;
use messaging::queues::Watch;
use opentelemetry::metrics::Gauge;
use opentelemetry::{KeyValue, global};
use runtime::clock::SKEW;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::service::Service;
use crate::store::{StoreError, outbox, requests};

/// How often. The values are the same on every replica.
const EVERY: Duration = Duration::from_secs(5);

struct Gauges {
    requests: Gauge<i64>,
    oldest_request: Gauge<f64>,
    due: Gauge<i64>,
    oldest_due: Gauge<f64>,
    waiting: Gauge<i64>,
    messages: Gauge<u64>,
    consumers: Gauge<u64>,
    skew: Gauge<f64>,
}

/// Runs until stopped, and tells `clock` how ours fares. What cannot be measured keeps its last value: whether database
/// and broker are there, the checks tell.
pub async fn run(
    service: Arc<Service>,
    broker: Broker,
    stop: CancellationToken,
    clock: impl Fn(Result<(), String>) + Send + Sync,
) {
    let gauges = Gauges::new();
    let mut right = true;
    let mut queues = Watch::new(broker);
    while !stop.is_cancelled() {
        if let Err(error) = gauges.measure_database(&service).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "what waits cannot be measured");
        }
        if let Ok(skew) = skew(&service).await {
            gauges.skew.record(skew.as_seconds_f64(), &[]);
            let judged = judge(skew);
            if let (Err(cause), true) = (&judged, right) {
                tracing::warn!(cause, "the clock is wrong, ours or the database's");
            }
            right = judged.is_ok();
            clock(judged);
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = gauges.measure_broker(&mut queues) => {}
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
    queues.close().await;
}

/// How far our clock is ahead of the database's, at least; nothing while it lies within the time that asking took.
///
/// # Errors
/// The database's.
pub async fn skew(service: &Service) -> Result<time::Duration, StoreError> {
    let before = service.clock.now();
    let theirs = service.background.time().await?;
    Ok(apart(before, theirs, service.clock.now()))
}

fn apart(before: OffsetDateTime, theirs: OffsetDateTime, after: OffsetDateTime) -> time::Duration {
    if theirs < before { before - theirs } else { (after - theirs).min(time::Duration::ZERO) }
}

/// Whether such a difference can be borne. No link depends on our clock; tokens of admins do, and whoever compares logs.
///
/// # Errors
/// What to do when it cannot.
pub fn judge(skew: time::Duration) -> Result<(), String> {
    if skew.unsigned_abs() <= SKEW {
        return Ok(());
    }
    let side = if skew.is_positive() { "ahead of" } else { "behind" };
    Err(format!("{:.0} s {side} the database's; set both by NTP", skew.unsigned_abs().as_secs_f64()))
}

impl Gauges {
    fn new() -> Self {
        let meter = global::meter("sandi");
        let count = |name, description| meter.i64_gauge(name).with_description(description).build();
        let age = |name, description| meter.f64_gauge(name).with_unit("s").with_description(description).build();
        let queue = |name, description| meter.u64_gauge(name).with_description(description).build();
        Self {
            requests: count("sandi.requests.waiting", "Reset requests that are not issued yet; counted up to 10,000."),
            oldest_request: age("sandi.requests.oldest", "Age of the oldest reset request that is not issued yet."),
            due: count("sandi.outbox.due", "Events that are due to be published; counted up to 10,000."),
            oldest_due: age("sandi.outbox.oldest", "Age of the oldest event that is due."),
            waiting: count(
                "sandi.outbox.waiting",
                "Mails that wait for a status or their next attempt; counted up to 20,000.",
            ),
            messages: queue("sandi.queue.messages", "Messages that wait in a queue of the broker."),
            consumers: queue("sandi.queue.consumers", "Readers of a queue of the broker."),
            skew: age("sandi.clock.skew", "How far this machine's clock is ahead of the database's; negative: behind."),
        }
    }

    async fn measure_database(&self, service: &Service) -> Result<(), StoreError> {
        let mut connection = service.background.connection().await?;
        let waiting = requests::backlog(&mut connection).await?;
        self.requests.record(waiting.waiting, &[]);
        self.oldest_request.record(waiting.oldest_seconds, &[]);
        let outbox = outbox::backlog(&mut connection).await?;
        self.due.record(outbox.due, &[]);
        self.oldest_due.record(outbox.oldest_seconds, &[]);
        self.waiting.record(outbox.waiting, &[]);
        Ok(())
    }

    async fn measure_broker(&self, queues: &mut Watch) {
        match queues.look().await {
            Ok(found) => {
                for queue in found {
                    let name = [KeyValue::new("queue", queue.name)];
                    self.messages.record(queue.messages.into(), &name);
                    self.consumers.record(queue.consumers.into(), &name);
                }
            }
            Err(error) => tracing::debug!(error = error.reason(), "the queues cannot be looked at"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_wrong_by_what_the_time_of_asking_does_not_explain() {
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(seconds);
        for (before, theirs, after, skew) in
            [(100, 100, 100, 0), (100, 130, 160, 0), (100, 90, 101, 10), (100, 90, 700, 10), (100, 130, 120, -10)]
        {
            assert_eq!(apart(at(before), at(theirs), at(after)), time::Duration::seconds(skew), "{theirs}");
        }
        assert_eq!(judge(time::Duration::seconds(-5)), Ok(()));
        assert_eq!(judge(time::Duration::seconds(6)), Err("6 s ahead of the database's; set both by NTP".to_owned()));
        assert_eq!(judge(time::Duration::minutes(-2)), Err("120 s behind the database's; set both by NTP".to_owned()));
    }
}
