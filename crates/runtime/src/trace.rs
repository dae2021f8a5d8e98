//! Trace context as text (W3C Trace Context), to travel in gRPC metadata, database rows and
//! message headers.
//!
//! It is only ever read and written while `OTEL_PROPAGATORS` allows it (see [`crate::telemetry`]).

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span as _, SpanContext, SpanKind, TraceContextExt, Tracer as _};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use time::OffsetDateTime;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// A longer `tracestate` is dropped (W3C Trace Context, 3.3.1.5, asks for at least 512).
const TRACESTATE_LIMIT_BYTES: usize = 512;

static ENABLED: AtomicBool = AtomicBool::new(true);

/// Reads and writes contexts, or (`OTEL_PROPAGATORS=none`) ignores and withholds them.
pub(crate) fn set_enabled(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}

fn enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// The resets that a piece of work is about, in its context and in that of all work below.
#[derive(Debug)]
pub(crate) struct ResetIds(pub(crate) String);

/// Where a piece of work stands in a trace.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// `00-<trace id>-<span id>-<flags>`; none when there is no trace.
    pub traceparent: Option<String>,
    /// What other tracing systems added; opaque to us.
    pub tracestate: Option<String>,
}

impl TraceContext {
    /// The context of the span that is entered now; empty outside of spans and before
    /// [`crate::telemetry::init`].
    pub fn current() -> Self {
        let context = Context::current();
        if !enabled() || !context.span().span_context().is_valid() {
            return Self::default();
        }
        let mut headers = HashMap::new();
        TraceContextPropagator::new().inject_context(&context, &mut headers);
        Self {
            traceparent: headers.remove("traceparent"),
            tracestate: headers.remove("tracestate").filter(|text| !text.is_empty()),
        }
    }

    /// Reads what a caller or a message brought. Empty when it is missing or malformed: a broken
    /// header never breaks a call.
    pub fn from_headers(traceparent: Option<&str>, tracestate: Option<&str>) -> Self {
        let given = Self {
            traceparent: traceparent.map(str::to_owned),
            tracestate: tracestate
                .filter(|text| !text.is_empty() && text.len() <= TRACESTATE_LIMIT_BYTES)
                .map(str::to_owned),
        };
        if given.span_context().is_some() { given } else { Self::default() }
    }

    /// Makes `span` a child of this context: for work that a caller waits for. Only before the
    /// span is first entered; so make the span, call this, then `.instrument(span)`.
    pub fn set_as_parent_of(&self, span: &Span) {
        self.set_as_parent_about(span, None);
    }

    /// The same for work about these resets (UUIDs, separated by commas): `span`, all spans below it and the log lines
    /// in them tell them as `reset.id`.
    pub fn set_as_parent_about(&self, span: &Span, reset_ids: Option<String>) {
        let parent = self.span_context();
        if parent.is_none() && reset_ids.is_none() {
            return;
        }
        let mut context = Context::new();
        if let Some(parent) = parent {
            context = context.with_remote_span_context(parent);
        }
        if let Some(reset_ids) = reset_ids {
            context = context.with_value(ResetIds(reset_ids));
        }
        // An error says that nobody traces this span.
        let _ = span.set_parent(context);
    }

    /// Links `span` to this context: for work that was caused by it, later and elsewhere.
    pub fn link_from(&self, span: &Span) {
        if let Some(cause) = self.span_context() {
            span.add_link(cause);
        }
    }

    /// Adds a span below this context that lies in the past: for time that passed elsewhere, until a message was
    /// received (which OpenTelemetry's conventions make a client's doing).
    pub fn record_past(&self, name: String, time: (OffsetDateTime, OffsetDateTime), attributes: Vec<KeyValue>) {
        let Some(parent) = self.span_context() else { return };
        let tracer = global::tracer("sandi");
        let (start, end): (SystemTime, SystemTime) = (time.0.into(), time.1.max(time.0).into());
        tracer
            .span_builder(name)
            .with_kind(SpanKind::Client)
            .with_start_time(start)
            .with_attributes(attributes)
            .start_with_context(&tracer, &Context::new().with_remote_span_context(parent))
            .end_with_timestamp(end);
    }

    /// The trace's id, 32 hex digits.
    pub fn trace_id(&self) -> Option<String> {
        Some(self.span_context()?.trace_id().to_string())
    }

    fn span_context(&self) -> Option<SpanContext> {
        if !enabled() {
            return None;
        }
        let mut headers = HashMap::from([("traceparent".to_owned(), self.traceparent.as_deref()?.to_owned())]);
        if let Some(tracestate) = &self.tracestate {
            headers.insert("tracestate".into(), tracestate.clone());
        }
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
        let found = context.span().span_context().clone();
        found.is_valid().then_some(found)
    }
}

/// The id of the trace that is entered now, 32 hex digits: for people, to look a thing up.
pub fn current_trace_id() -> Option<String> {
    let context = Context::current();
    let span = context.span().span_context().clone();
    span.is_valid().then(|| span.trace_id().to_string())
}

/// Tells which resets the current span is about, if any; the span declares `reset.id`.
pub fn about_resets(ids: impl IntoIterator<Item = impl Display>) {
    let ids: Vec<String> = ids.into_iter().map(|id| id.to_string()).collect();
    if !ids.is_empty() {
        Span::current().record("reset.id", ids.join(","));
    }
}

/// Says that what `span` is about failed, and by what: a word out of few. The span declares `otel.status_code` and
/// `error.type`.
pub fn failed(span: &Span, error_type: &str) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", error_type);
}

#[cfg(test)]
mod tests {
    use super::TraceContext;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_malformed_header_is_no_context() {
        for bad in [
            "",
            "nonsense",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            let context = TraceContext::from_headers(Some(bad), Some("vendor=1"));
            assert_eq!(context, TraceContext::default(), "{bad}");
        }
    }

    #[test]
    fn a_good_header_gives_the_trace_id_and_keeps_the_state() {
        let header = format!("00-{ID}-00f067aa0ba902b7-01");
        let context = TraceContext::from_headers(Some(&header), Some("vendor=1"));
        assert_eq!(context.trace_id().as_deref(), Some(ID));
        assert_eq!(context.tracestate.as_deref(), Some("vendor=1"));
        let long = "v=".to_owned() + &"x".repeat(600);
        let context = TraceContext::from_headers(Some(&header), Some(&long));
        assert_eq!(context.tracestate, None);
    }

    #[test]
    fn outside_of_a_trace_there_is_none() {
        assert_eq!(TraceContext::current(), TraceContext::default());
        assert_eq!(super::current_trace_id(), None);
    }
}
