//! Logs, traces and metrics of a program.
//!
//! Logs go to standard output ([`crate::log`]) and never slow the program down: when nobody reads
//! them, lines are dropped and counted (`sandi_log_lines_dropped_total`). Traces and metrics go
//! out by OTLP over gRPC when there is an endpoint; metrics can be scraped in any case. Without an
//! endpoint spans still have ids, so that logs and messages carry them.
//!
//! Of the standard variables the SDK reads `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
//! `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*` and `OTEL_EXPORTER_OTLP_*`; [`environment`] reads the ones
//! it does not know.

mod environment;
mod panics;

use std::io;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue, global};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, PeriodicReader, SdkMeterProvider, Stream,
};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use prometheus::{Registry, TextEncoder};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};

use self::environment::{Environment, Export};
use crate::clock::SystemClock;
use crate::config::ConfigError;
use crate::log::LogLayer;
use crate::random::{SystemRandom, uuid_v7};
use crate::settings::{LogSettings, TelemetrySettings};

/// Lines that wait for a slow reader of the log; about 8 MiB at most.
const LINES_WAITING: usize = 16 * 1024;

/// Buckets of histograms in seconds: from a row read to a mail deferred for minutes.
const SECONDS: [f64; 17] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 1800.0,
];

/// Whatever the level: below these, AMQP clients print frames, and a frame can hold the password
/// of the broker; exporters print their headers.
const CAPPED: [(&str, LevelFilter); 4] = [
    ("lapin", LevelFilter::DEBUG),
    ("amq_protocol", LevelFilter::DEBUG),
    ("async_rs", LevelFilter::DEBUG),
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
    /// The exporters cannot be made.
    #[error("cannot set up the exporter")]
    Exporter(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl TelemetryError {
    fn exporter(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Exporter(Box::new(error))
    }
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
        TextEncoder::new()
            .encode_to_string(&self.0.gather())
            .unwrap_or_default()
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
    let resource = resource(service, version);
    let filter = log_filter(log)?;
    let text = MetricsText::default();
    let traces = traces(&environment, &resource, telemetry)?;
    let metrics = metrics(&environment, &resource, telemetry, &text)?;

    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES_WAITING)
        .finish(io::stdout());
    let name = resource.get(&Key::from_static_str("service.name"));
    let name = name.map_or_else(|| service.to_owned(), |name| name.to_string());
    let lines = LogLayer::new(log.format, name, writer.clone())
        .with_filter(capped())
        .with_filter(filter);
    // Spans are kept whatever the log's level: a quiet log must not end the traces.
    let spans = tracing_opentelemetry::layer()
        .with_tracer(traces.tracer("sandi"))
        .with_filter(LevelFilter::INFO);
    let subscriber = tracing_subscriber::registry().with(spans).with(lines);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::AlreadySet)?;

    crate::trace::set_enabled(environment.trace_context);
    global::set_meter_provider(metrics.clone());
    count_dropped_lines(&writer);
    panics::log_panics();
    environment.warn();
    Ok(Telemetry {
        traces,
        metrics,
        text,
        log: guard,
    })
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

fn resource(service: &'static str, version: &'static str) -> Resource {
    let instance = uuid_v7(&SystemClock, &SystemRandom).to_string();
    let builder = Resource::builder()
        .with_attribute(KeyValue::new("service.version", version))
        .with_attribute(KeyValue::new("service.instance.id", instance));
    if environment::names_the_service() {
        builder.build()
    } else {
        builder.with_service_name(service).build()
    }
}

fn log_filter(log: &LogSettings) -> Result<EnvFilter, ConfigError> {
    let (setting, level) = match std::env::var("RUST_LOG") {
        Ok(level) if !level.is_empty() => ("RUST_LOG", level),
        _ => ("log.level", log.level.clone()),
    };
    EnvFilter::try_new(level).map_err(|_| {
        ConfigError::invalid(
            setting,
            "not a level; write it like info or info,identity=debug",
        )
    })
}

fn capped() -> Targets {
    Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_targets(CAPPED)
}

fn traces(
    environment: &Environment,
    resource: &Resource,
    settings: &TelemetrySettings,
) -> Result<SdkTracerProvider, TelemetryError> {
    if !(0.0..=1.0).contains(&settings.sample_ratio) {
        let reason = "must be between 0.0 and 1.0";
        return Err(ConfigError::invalid("telemetry.sample_ratio", reason).into());
    }
    let mut builder = SdkTracerProvider::builder().with_resource(resource.clone());
    if !environment::is_set("OTEL_TRACES_SAMPLER") {
        let new = Sampler::TraceIdRatioBased(settings.sample_ratio);
        builder = builder.with_sampler(Sampler::ParentBased(Box::new(new)));
    }
    let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic();
    let exporter = match environment.export_traces(settings) {
        Export::Nowhere => return Ok(builder.build()),
        Export::ToVariable => exporter,
        Export::To(endpoint) => exporter.with_endpoint(endpoint),
    };
    let exporter = exporter.build().map_err(TelemetryError::exporter)?;
    Ok(builder.with_batch_exporter(exporter).build())
}

fn metrics(
    environment: &Environment,
    resource: &Resource,
    settings: &TelemetrySettings,
    text: &MetricsText,
) -> Result<SdkMeterProvider, TelemetryError> {
    let scraped = opentelemetry_prometheus::exporter()
        .with_registry(text.0.clone())
        .scope_info_enabled(false)
        .build()
        .map_err(TelemetryError::exporter)?;
    let builder = SdkMeterProvider::builder()
        .with_resource(resource.clone())
        .with_view(buckets)
        .with_reader(scraped);
    let exporter = opentelemetry_otlp::MetricExporter::builder().with_tonic();
    let exporter = match environment.export_metrics(settings) {
        Export::Nowhere => return Ok(builder.build()),
        Export::ToVariable => exporter,
        Export::To(endpoint) => exporter.with_endpoint(endpoint),
    };
    let exporter = exporter.build().map_err(TelemetryError::exporter)?;
    let mut reader = PeriodicReader::builder(exporter);
    if !environment::is_set("OTEL_METRIC_EXPORT_INTERVAL") {
        reader = reader.with_interval(settings.metrics_interval);
    }
    Ok(builder.with_reader(reader.build()).build())
}

/// The SDK's own buckets are meant for milliseconds.
fn buckets(instrument: &Instrument) -> Option<Stream> {
    if instrument.kind() != InstrumentKind::Histogram || instrument.unit() != "s" {
        return None;
    }
    let aggregation = Aggregation::ExplicitBucketHistogram {
        boundaries: SECONDS.to_vec(),
        record_min_max: false,
    };
    Stream::builder().with_aggregation(aggregation).build().ok()
}

fn count_dropped_lines(writer: &NonBlocking) {
    let dropped = writer.error_counter();
    global::meter("sandi")
        .u64_observable_counter("sandi.log.lines_dropped")
        .with_description("Log lines dropped because nobody read the log fast enough")
        .with_callback(move |observer| observer.observe(dropped.dropped_lines() as u64, &[]))
        .build();
}

#[cfg(test)]
mod tests;
