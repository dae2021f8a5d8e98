//! Logs, traces and metrics of a program.
//!
//! Logs go to standard output ([`crate::log`]) and never slow the program down: when nobody reads
//! them, lines are dropped and counted (`sandi_log_lines_dropped_total`). Traces and metrics go
//! out by OTLP over gRPC when there is an endpoint; metrics can be scraped in any case. Without an
//! endpoint spans still have ids, so that logs and messages carry them.
//!
//! The standard variables of OpenTelemetry win over the settings. The SDK reads
//! `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*` and
//! `OTEL_EXPORTER_OTLP_*`; these are read here:
//!
//! | variable | effect |
//! |---|---|
//! | `OTEL_SDK_DISABLED=true` | nothing is exported; spans keep their ids, `/metrics` stays |
//! | `OTEL_TRACES_EXPORTER` | `otlp` (default) or `none` |
//! | `OTEL_METRICS_EXPORTER` | `otlp` (default), `prometheus` (always there) or `none` |
//! | `OTEL_PROPAGATORS` | `tracecontext` (default) or `none`; `baggage` is accepted and carries nothing |
//! | `OTEL_EXPORTER_OTLP_PROTOCOL` and those of one signal | `grpc`; nothing else is spoken |
//!
//! What is not understood is warned of and ignored, as the specification asks.

mod environment;
mod panics;
mod signals;
mod spans;

use std::io;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue, global};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::{Registry, TextEncoder};
use tracing::Subscriber;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};

use self::environment::Environment;
use crate::config::ConfigError;
use crate::log::LogLayer;
use crate::settings::{LogSettings, TelemetrySettings};

/// Lines that wait for a slow reader of the log; about 8 MiB at most.
const LINES_WAITING: usize = 16 * 1024;

/// Whatever the level: AMQP clients print frames, which can hold the password of the broker, and the
/// bodies of returned messages; `messaging` logs every failure of theirs itself. Exporters print their
/// headers below WARN.
const CAPPED: [(&str, LevelFilter); 4] = [
    ("lapin", LevelFilter::OFF),
    ("amq_protocol", LevelFilter::OFF),
    ("async_rs", LevelFilter::OFF),
    ("opentelemetry", LevelFilter::WARN),
];

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Telemetry is up already, or another subscriber is.
    #[error("telemetry is set up already")]
    AlreadySet,
    /// The metrics cannot be collected.
    #[error("cannot collect metrics")]
    Metrics(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What runs until [`Telemetry::shutdown`].
pub struct Telemetry {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    text: MetricsText,
    log: WorkerGuard,
}

/// The metrics as Prometheus text. Clones show the same.
#[derive(Clone, Default)]
pub struct MetricsText(Registry);

impl MetricsText {
    /// The present values, in the Prometheus text format.
    pub fn render(&self) -> String {
        TextEncoder::new().encode_to_string(&self.0.gather()).unwrap_or_default()
    }
}

/// Sets up logs, traces and metrics for the whole process. Once, and in a tokio runtime.
///
/// # Errors
/// A wrong level, ratio or endpoint; or when it was called before.
pub fn init(
    service: &'static str,
    version: &'static str,
    log: &LogSettings,
    telemetry: &TelemetrySettings,
) -> Result<Telemetry, TelemetryError> {
    let environment = Environment::read();
    let resource = signals::resource(service, version);
    let filter = log_filter(log)?;
    let text = MetricsText::default();
    let tally = spans::Tally::new();
    let traces = signals::traces(&environment, &resource, telemetry, &tally)?;
    let metrics = signals::metrics(&environment, &resource, telemetry, &text)?;

    let (writer, guard) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_WAITING).finish(io::stdout());
    let name = resource.get(&Key::from_static_str("service.name"));
    let name = name.map_or_else(|| service.to_owned(), |name| name.to_string());
    let lines = LogLayer::new(log.format, name, writer.clone());
    let subscriber = subscriber(lines, filter, &traces);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::AlreadySet)?;

    crate::trace::set_enabled(environment.trace_context);
    global::set_meter_provider(metrics.clone());
    global::set_tracer_provider(traces.clone());
    count_dropped_lines(&writer);
    tally.observe();
    show_build(version);
    panics::log_panics();
    environment.warn();
    Ok(Telemetry { traces, metrics, text, log: guard })
}

impl Telemetry {
    /// The metrics, for the admin port.
    pub fn metrics(&self) -> MetricsText {
        self.text.clone()
    }

    /// Sends what is still to be sent, for at most `bound`, and writes the last log lines. Call
    /// it last.
    pub async fn shutdown(self, bound: Duration) {
        let (done, ended) = tokio::sync::oneshot::channel();
        // A thread of its own: a task that blocks would hold up the end of the runtime.
        std::thread::spawn(move || {
            let _ = self.traces.shutdown_with_timeout(bound);
            let _ = self.metrics.shutdown_with_timeout(bound);
            let _ = done.send(());
        });
        if tokio::time::timeout(bound, ended).await.is_err() {
            tracing::warn!("telemetry was not flushed in time");
        }
        // Waits for the lines to be written, about a second at most.
        drop(self.log);
    }
}

fn subscriber<W>(lines: LogLayer<W>, filter: EnvFilter, traces: &SdkTracerProvider) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Spans are kept whatever the log's level: a quiet log must not end the traces.
    let spans = tracing_opentelemetry::layer().with_tracer(traces.tracer("sandi")).with_filter(LevelFilter::INFO);
    tracing_subscriber::registry().with(spans).with(lines.with_filter(filter.and(capped())))
}

fn log_filter(log: &LogSettings) -> Result<EnvFilter, ConfigError> {
    match std::env::var("RUST_LOG") {
        Ok(level) if !level.is_empty() => filter_of("RUST_LOG", &level),
        _ => filter_of("log.level", &log.level),
    }
}

fn filter_of(setting: &str, level: &str) -> Result<EnvFilter, ConfigError> {
    // To EnvFilter a word that is no level names a target: a slip of the pen would be silence.
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    let understood = level.split(',').all(|part| part.contains(['=', '[']) || is_level(part.trim()));
    let filter = EnvFilter::try_new(level).ok().filter(|_| understood);
    filter.ok_or_else(|| {
        let reason = "not a level; write it like info or info,identity=debug";
        ConfigError::invalid(setting, reason)
    })
}

fn capped() -> Targets {
    Targets::new().with_default(LevelFilter::TRACE).with_targets(CAPPED)
}

fn count_dropped_lines(writer: &NonBlocking) {
    let dropped = writer.error_counter();
    global::meter("sandi")
        .u64_observable_counter("sandi.log.lines_dropped")
        .with_description("Log lines dropped because nobody read the log fast enough")
        .with_callback(move |observer| observer.observe(dropped.dropped_lines() as u64, &[]))
        .build();
}

/// Shows whether the broker takes nothing of ours for now, as `blocked` says: 1 or 0.
pub fn observe_blocked(blocked: impl Fn() -> bool + Send + Sync + 'static) {
    global::meter("sandi")
        .u64_observable_gauge("sandi.broker.blocked")
        .with_description("Whether the broker takes no messages from us, for lack of memory or disk: 1 or 0.")
        .with_callback(move |observer| observer.observe(blocked().into(), &[]))
        .build();
}

/// A metric that is always 1: its labels say which build runs.
fn show_build(version: &'static str) {
    let labels = [KeyValue::new("version", version), KeyValue::new("revision", crate::REVISION)];
    global::meter("sandi")
        .u64_observable_gauge("sandi.build.info")
        .with_description("1; the labels say which build runs.")
        .with_callback(move |observer| observer.observe(1, &labels))
        .build();
}

#[cfg(test)]
mod tests;
