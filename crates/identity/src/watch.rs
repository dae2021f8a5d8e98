//! Measures what waits: requests, events, queues. For the metrics, and for nothing else.

use std::sync::Arc;
use std::time::Duration;

use messaging::broker::Broker;
use messaging::queues::Watch;
use opentelemetry::metrics::Gauge;
use opentelemetry::{KeyValue, global};
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
}

/// Runs until stopped. What cannot be measured keeps its last value: whether database and broker are there, the
/// checks tell.
pub async fn run(service: Arc<Service>, broker: Broker, stop: CancellationToken) {
    let gauges = Gauges::new();
    let mut queues = Watch::new(broker);
    while !stop.is_cancelled() {
        if let Err(error) = gauges.measure_database(&service).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "what waits cannot be measured");
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
