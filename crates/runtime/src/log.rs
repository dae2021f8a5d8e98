//! Log lines: one event, one line, without control characters.
//!
//! As JSON: `timestamp` (RFC 3339, UTC), `level`, `target`, `message`, `service.name`,
//! `trace_id`, `span_id`, `span` (name and fields of the spans around it), `fields`.

use std::fmt::Write as _;
use std::io::Write as _;

use opentelemetry::Context as OtelContext;
use opentelemetry::trace::TraceContextExt;
use serde::Serialize;
use serde_json::{Map, Value};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{Clock, SystemClock};
use crate::settings::LogFormat;
use crate::trace::ResetIds;

const TIMESTAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// Writes each event as one line.
pub struct LogLayer<W, C = SystemClock> {
    format: LogFormat,
    service: String,
    writer: W,
    clock: C,
}

impl<W> LogLayer<W> {
    /// Lines of `service`, as `format`, to `writer`.
    pub fn new(format: LogFormat, service: impl Into<String>, writer: W) -> Self {
        Self { format, service: service.into(), writer, clock: SystemClock }
    }
}

/// The fields of a span, kept while it lives.
struct SpanFields(Map<String, Value>);

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'a str,
    target: &'a str,
    message: String,
    #[serde(rename = "service.name")]
    service: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    span: Map<String, Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: Map<String, Value>,
}

impl<S, W, C> Layer<S> for LogLayer<W, C>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
    C: Clock,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields.0));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(SpanFields(known)) = span.extensions_mut().get_mut::<SpanFields>() {
            let mut fields = Fields(std::mem::take(known));
            values.record(&mut fields);
            *known = fields.0;
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = match fields.0.remove("message") {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let otel = OtelContext::current();
        let mut span = spans_around(event, &context);
        if let Some(ResetIds(ids)) = otel.get() {
            span.insert("reset.id".into(), ids.as_str().into());
        }
        let traced = otel.span().span_context().clone();
        let line = Line {
            timestamp: self.clock.now().format(TIMESTAMP).unwrap_or_default(),
            level: event.metadata().level().as_str(),
            target: event.metadata().target(),
            message,
            service: &self.service,
            trace_id: traced.is_valid().then(|| traced.trace_id().to_string()),
            span_id: traced.is_valid().then(|| traced.span_id().to_string()),
            span,
            fields: fields.0,
        };
        let text = match self.format {
            LogFormat::Json => serde_json::to_string(&line).unwrap_or_default(),
            LogFormat::Human => human(&line),
        };
        // A log that cannot be written must not stop the program.
        let _ = self.writer.make_writer_for(event.metadata()).write_all(escaped(&text).as_bytes());
    }
}

/// The fields of all spans around an event, inner over outer, with the innermost one's name.
fn spans_around<S>(event: &Event<'_>, context: &Context<'_, S>) -> Map<String, Value>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut around = Map::new();
    let Some(scope) = context.event_scope(event) else {
        return around;
    };
    for span in scope.from_root() {
        around.insert("name".into(), span.name().into());
        if let Some(SpanFields(fields)) = span.extensions().get::<SpanFields>() {
            around.extend(fields.clone());
        }
    }
    around
}

fn human(line: &Line<'_>) -> String {
    let mut text = format!("{} {:5} {}: {}", line.timestamp, line.level, line.target, line.message);
    for (name, value) in &line.fields {
        let _ = write!(text, " {name}={value}");
    }
    for (name, value) in &line.span {
        let _ = match name.as_str() {
            "name" => write!(text, " in {}", value.as_str().unwrap_or_default()),
            _ => write!(text, " {name}={value}"),
        };
    }
    if let Some(trace_id) = &line.trace_id {
        let _ = write!(text, " trace_id={trace_id}");
    }
    text
}

/// The line with its end. What could forge a line, drive a terminal or turn text around is
/// written as `\uXXXX`, also where JSON would allow it (OWASP ASVS 16.4.1).
fn escaped(text: &str) -> String {
    let mut line = String::with_capacity(text.len() + 1);
    // Nearly every line is so.
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        line.push_str(text);
        line.push('\n');
        return line;
    }
    for character in text.chars() {
        if character.is_control() || is_invisible(character) {
            let _ = write!(line, "\\u{:04x}", u32::from(character));
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    line
}

/// Line separators and the marks that change the direction of text (Unicode TR 36, 2.5).
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{061c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().into(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    /// The whole chain: `cannot publish: connection refused`.
    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.put(field, text);
    }
}

#[cfg(test)]
pub(crate) mod tests;
