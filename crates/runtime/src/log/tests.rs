use std::io;
use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::Value;
use time::macros::datetime;
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::clock::FixedClock;
use crate::trace::{TraceContext, current_trace_id};

/// What was written, for a look at it.
#[derive(Clone, Default)]
pub(crate) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text that `work` logs, with traces as they are without an exporter.
fn logged(format: LogFormat, work: impl FnOnce()) -> String {
    let buffer = Buffer::default();
    let written = buffer.clone();
    let log = LogLayer {
        format,
        service: "identity".into(),
        writer: move || buffer.clone(),
        clock: FixedClock::new(datetime!(2026-11-23 14:03:07.12 UTC)),
    };
    let provider = SdkTracerProvider::builder().build();
    let otel = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(otel).with(log);
    tracing::subscriber::with_default(subscriber, work);
    written.text()
}

#[test]
fn a_json_line_has_the_fields_that_collectors_look_for() {
    let mut trace_id = None;
    let text = logged(LogFormat::Json, || {
        let span = tracing::info_span!("complete_reset", caller = "gateway", user_id = tracing::field::Empty);
        let _entered = span.enter();
        span.record("user_id", "018f");
        trace_id = current_trace_id();
        tracing::info!(elapsed_ms = 3, ok = true, "reset completed");
    });
    assert_eq!(text.matches('\n').count(), 1);
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["timestamp"], "2026-11-23T14:03:07.120000Z");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["target"], "runtime::log::tests");
    assert_eq!(line["message"], "reset completed");
    assert_eq!(line["service.name"], "identity");
    assert_eq!(line["trace_id"], trace_id.unwrap());
    assert_eq!(line["span_id"].as_str().unwrap().len(), 16);
    assert_eq!(line["span"]["name"], "complete_reset");
    assert_eq!(line["span"]["caller"], "gateway");
    assert_eq!(line["span"]["user_id"], "018f");
    assert_eq!(line["fields"]["elapsed_ms"], 3);
    assert_eq!(line["fields"]["ok"], true);
}

#[test]
fn text_of_people_cannot_forge_a_line_or_drive_a_terminal() {
    let nasty = "a\nb\r\u{1b}[2J\u{7f}\u{9b}\u{2028}\u{202e}\0\"\\";
    for format in [LogFormat::Json, LogFormat::Human] {
        let text = logged(format, || {
            let _span = tracing::info_span!("s", name_of_user = nasty).entered();
            tracing::warn!(name = nasty, "{nasty}");
        });
        let line = text.strip_suffix('\n').unwrap();
        assert!(!line.contains(|c: char| c.is_control() || is_invisible(c)), "{line:?}");
    }
    let text = logged(LogFormat::Json, || tracing::warn!(name = nasty, "x"));
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["fields"]["name"], nasty);
}

#[test]
fn an_error_is_told_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot publish")]
    struct Outer(#[source] io::Error);

    let error = Outer(io::Error::other("connection refused"));
    let text = logged(LogFormat::Json, || {
        tracing::error!(error = &error as &dyn std::error::Error, "relay failed");
    });
    assert!(text.contains("cannot publish: connection refused"), "{text}");
}

#[test]
fn a_line_for_people_reads_from_left_to_right() {
    let text = logged(LogFormat::Human, || tracing::info!(port = 1, "listening"));
    assert_eq!(text, "2026-11-23T14:03:07.120000Z INFO  runtime::log::tests: listening port=1\n");
}

#[test]
fn a_trace_goes_on_over_headers() {
    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    logged(LogFormat::Json, || {
        let caller = TraceContext::from_headers(Some(TRACEPARENT), Some("vendor=1"));
        let span = tracing::info_span!("call");
        caller.set_as_parent_of(&span);
        let carried = span.in_scope(TraceContext::current);
        assert_eq!(carried.trace_id(), caller.trace_id());
        assert_eq!(carried.tracestate.as_deref(), Some("vendor=1"));
        assert_ne!(carried.traceparent, caller.traceparent);

        let consumer = tracing::info_span!("consume");
        carried.link_from(&consumer);
        let own = consumer.in_scope(current_trace_id);
        assert!(own.is_some());
        assert_ne!(own, carried.trace_id());
    });
}

#[test]
fn lines_of_work_about_a_reset_tell_it() {
    let text = logged(LogFormat::Json, || {
        let span = tracing::info_span!("deliver");
        TraceContext::default().set_as_parent_about(&span, Some("018f".into()));
        let _above = span.entered();
        let _below = tracing::info_span!("report").entered();
        tracing::info!("told");
    });
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["span"]["reset.id"], "018f");
    assert_eq!(line["span"]["name"], "report");
}
