//! What is measured and where it goes.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind, PeriodicReader, SdkMeterProvider, Stream};
use opentelemetry_sdk::trace::{BatchSpanProcessor, Sampler, SdkTracerProvider};

use super::environment::{self, Environment, Export};
use super::spans::{Bounded, Counted, Tally};
use super::{MetricsText, TelemetryError};
use crate::clock::SystemClock;
use crate::config::ConfigError;
use crate::random::{SystemRandom, uuid_v7};
use crate::settings::TelemetrySettings;

/// Buckets of histograms in seconds: from a row read to a mail deferred for minutes.
const SECONDS: [f64; 17] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

/// Who we are: name, version, and one id for each start.
pub(super) fn resource(service: &'static str, version: &'static str) -> Resource {
    let instance = uuid_v7(&SystemClock, &SystemRandom).to_string();
    let builder = Resource::builder()
        .with_attribute(KeyValue::new("service.version", version))
        .with_attribute(KeyValue::new("service.instance.id", instance));
    if environment::names_the_service() { builder.build() } else { builder.with_service_name(service).build() }
}

/// The provider of traces, with an exporter if there is a place to export to.
pub(super) fn traces(
    environment: &Environment,
    resource: &Resource,
    settings: &TelemetrySettings,
    tally: &Arc<Tally>,
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
    let exporter = Counted { inner: exporter.build().map_err(|_| no_endpoint())?, tally: Arc::clone(tally) };
    let batches = BatchSpanProcessor::builder(exporter).build();
    Ok(builder.with_span_processor(Bounded { inner: batches, tally: Arc::clone(tally) }).build())
}

/// The provider of metrics: what is scraped, with an exporter if there is a place to export to.
pub(super) fn metrics(
    environment: &Environment,
    resource: &Resource,
    settings: &TelemetrySettings,
    text: &MetricsText,
) -> Result<SdkMeterProvider, TelemetryError> {
    let scraped = opentelemetry_prometheus::exporter()
        .with_registry(text.0.clone())
        .scope_info_enabled(false)
        .build()
        .map_err(|error| TelemetryError::Metrics(Box::new(error)))?;
    let builder = SdkMeterProvider::builder().with_resource(resource.clone()).with_view(buckets).with_reader(scraped);
    let exporter = opentelemetry_otlp::MetricExporter::builder().with_tonic();
    let exporter = match environment.export_metrics(settings) {
        Export::Nowhere => return Ok(builder.build()),
        Export::ToVariable => exporter,
        Export::To(endpoint) => exporter.with_endpoint(endpoint),
    };
    let exporter = exporter.build().map_err(|_| no_endpoint())?;
    let mut reader = PeriodicReader::builder(exporter);
    if !environment::is_set("OTEL_METRIC_EXPORT_INTERVAL") {
        reader = reader.with_interval(settings.metrics_interval);
    }
    Ok(builder.with_reader(reader.build()).build())
}

/// Without the cause, which quotes the URL, and that can hold credentials.
fn no_endpoint() -> ConfigError {
    let reason = "cannot be exported to; write it like http://127.0.0.1:4317";
    ConfigError::invalid("telemetry.otlp_endpoint (or OTEL_EXPORTER_OTLP_*)", reason)
}

/// The SDK's own buckets are meant for milliseconds.
fn buckets(instrument: &Instrument) -> Option<Stream> {
    if instrument.kind() != InstrumentKind::Histogram || instrument.unit() != "s" {
        return None;
    }
    let aggregation = Aggregation::ExplicitBucketHistogram { boundaries: SECONDS.to_vec(), record_min_max: false };
    Stream::builder().with_aggregation(aggregation).build().ok()
}
