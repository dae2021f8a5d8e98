//! Spans on their way to the collector: so many may wait, and what is lost is counted.
//!
//! The SDK drops spans too, but tells nobody how many before its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::trace::Span as _;
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};

use crate::trace::ResetIds;

/// `OTEL_BSP_MAX_QUEUE_SIZE` as the specification has it. The SDK's own queue is as long, so it never
/// drops before we do.
const LIMIT: usize = 2048;

/// What became of spans.
#[derive(Debug)]
pub(super) struct Tally {
    limit: usize,
    waiting: AtomicUsize,
    queue_full: AtomicU64,
    export_failed: AtomicU64,
}

impl Tally {
    pub(super) fn new() -> Arc<Self> {
        let set = std::env::var("OTEL_BSP_MAX_QUEUE_SIZE").ok().and_then(|text| text.trim().parse().ok());
        Arc::new(Self {
            limit: set.filter(|limit| *limit > 0).unwrap_or(LIMIT),
            waiting: AtomicUsize::new(0),
            queue_full: AtomicU64::new(0),
            export_failed: AtomicU64::new(0),
        })
    }

    /// Shows the counts; once there is a meter.
    pub(super) fn observe(self: &Arc<Self>) {
        let tally = Arc::clone(self);
        global::meter("sandi")
            .u64_observable_counter("sandi.telemetry.spans_dropped")
            .with_description("Spans that were lost on their way to the collector, by reason.")
            .with_callback(move |observer| {
                for (reason, count) in [("queue_full", &tally.queue_full), ("export_failed", &tally.export_failed)] {
                    observer.observe(count.load(Ordering::Relaxed), &[KeyValue::new("reason", reason)]);
                }
            })
            .build();
    }

    fn take_place(&self) -> bool {
        let place = |waiting| (waiting < self.limit).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, place).is_ok()
    }
}

/// A processor behind a bounded number of places.
#[derive(Debug)]
pub(super) struct Bounded<P> {
    pub(super) inner: P,
    pub(super) tally: Arc<Tally>,
}

impl<P: SpanProcessor> SpanProcessor for Bounded<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        if let Some(ResetIds(ids)) = context.get() {
            span.set_attribute(KeyValue::new("reset.id", ids.clone()));
        }
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.tally.take_place() {
            self.inner.on_end(span);
        } else {
            self.tally.queue_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// An exporter that gives places back, whatever became of the batch.
#[derive(Debug)]
pub(super) struct Counted<E> {
    pub(super) inner: E,
    pub(super) tally: Arc<Tally>,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let outcome = self.inner.export(batch).await;
        if outcome.is_err() {
            self.tally.export_failed.fetch_add(count as u64, Ordering::Relaxed);
        }
        self.tally.waiting.fetch_sub(count, Ordering::Relaxed);
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};
    use tokio::sync::Semaphore;

    use super::*;

    /// A collector that answers nothing until it is let, and then that it failed.
    #[derive(Debug, Clone)]
    struct Hanging(Arc<Semaphore>);

    impl SpanExporter for Hanging {
        async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
            let _permit = self.0.acquire().await;
            Err(OTelSdkError::InternalFailure("away".into()))
        }
    }

    #[test]
    fn a_collector_that_hangs_costs_spans_and_no_memory() {
        let open = Arc::new(Semaphore::new(0));
        let tally = Tally::new();
        let exporter = Counted { inner: Hanging(open.clone()), tally: Arc::clone(&tally) };
        let processor = Bounded { inner: BatchSpanProcessor::builder(exporter).build(), tally: Arc::clone(&tally) };
        let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
        let tracer = provider.tracer("test");
        for _ in 0..LIMIT + 300 {
            drop(tracer.start("one"));
        }
        assert_eq!(tally.waiting.load(Ordering::Relaxed), LIMIT, "no more are kept");
        assert_eq!(tally.queue_full.load(Ordering::Relaxed), 300, "and the rest is counted");
        open.add_permits(1000);
        let _ = provider.shutdown_with_timeout(Duration::from_secs(20));
        assert_eq!(tally.waiting.load(Ordering::Relaxed), 0);
        assert_eq!(tally.export_failed.load(Ordering::Relaxed), LIMIT as u64, "failures are counted too");
    }
}
