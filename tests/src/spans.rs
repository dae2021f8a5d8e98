//! Spans as an OTLP collector gets them.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1 as wire,
};
use prost::Message as _;

pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use testbed::collector::Collector;

/// A span, with its ids in hex digits.
#[derive(Clone, Debug)]
pub struct Span {
    /// The trace it is in.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// The span it is below; none at the top.
    pub parent: Option<String>,
    /// Its name.
    pub name: String,
    /// Which end of a conversation it is, if it is one.
    pub kind: SpanKind,
    /// The program that sent it.
    pub service: String,
    /// Trace and span of each link.
    pub links: Vec<(String, String)>,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// Whether it tells that something failed.
    pub error: bool,
    /// Begin and end, in nanoseconds of Unix time.
    pub time: (u64, u64),
}

/// All spans that came to a collector so far.
///
/// # Panics
/// When an export is none.
pub fn of(collector: &Collector) -> Vec<Span> {
    let mut spans = Vec::new();
    for export in collector.exports().iter().filter(|export| export.path.contains("TraceService")) {
        let request = ExportTraceServiceRequest::decode(export.body.as_slice()).expect("it is an export of spans");
        for resource in request.resource_spans {
            let about = attributes(resource.resource.map(|it| it.attributes).unwrap_or_default());
            let service = about.get("service.name").cloned().unwrap_or_default();
            let all = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(all.map(|span| read(span, &service)));
        }
    }
    spans
}

fn read(span: wire::Span, service: &str) -> Span {
    Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)),
        kind: span.kind(),
        name: span.name,
        service: service.to_owned(),
        links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
        attributes: attributes(span.attributes),
        error: span.status.is_some_and(|status| status.code() == wire::status::StatusCode::Error),
        time: (span.start_time_unix_nano, span.end_time_unix_nano),
    }
}

fn attributes(all: Vec<KeyValue>) -> BTreeMap<String, String> {
    all.into_iter().map(|it| (it.key, it.value.map(text).unwrap_or_default())).collect()
}

fn text(value: AnyValue) -> String {
    match value.value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
