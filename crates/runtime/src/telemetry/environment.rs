//! The `OTEL_*` variables that the SDK leaves to us.

use std::env;

use crate::settings::TelemetrySettings;

/// The samplers that the SDK knows.
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// The variables that may ask for OTLP over something else.
const PROTOCOLS: [&str; 3] =
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"];

/// Where a signal goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Export {
    /// Nowhere.
    Nowhere,
    /// To the endpoint in the standard variable, which the exporter reads itself.
    ToVariable,
    /// To the endpoint of the settings.
    To(String),
}

#[derive(Debug)]
pub(super) struct Environment {
    traces: bool,
    metrics: bool,
    traces_endpoint: bool,
    metrics_endpoint: bool,
    /// Whether `traceparent` is read and written.
    pub(super) trace_context: bool,
    pub(super) not_understood: Vec<&'static str>,
}

impl Environment {
    pub(super) fn read() -> Self {
        Self::from(|name| env::var(name).ok())
    }

    pub(super) fn from(variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
        let mut not_understood = Vec::new();
        let mut list = |name: &'static str, known: &[&str]| {
            let value = variable(name)?;
            let words: Vec<String> = value.split(',').map(|word| word.trim().to_owned()).collect();
            if words.iter().all(|word| known.contains(&word.as_str())) {
                return Some(words);
            }
            not_understood.push(name);
            None
        };
        let says = |words: &Option<Vec<String>>, word: &str| {
            words.as_ref().is_none_or(|words| words.iter().any(|w| w == word))
        };
        let traces = list("OTEL_TRACES_EXPORTER", &["otlp", "none"]);
        let metrics = list("OTEL_METRICS_EXPORTER", &["otlp", "prometheus", "none"]);
        let propagators = list("OTEL_PROPAGATORS", &["tracecontext", "baggage", "none"]);
        // The SDK reads the sampler, and goes on with its own when it does not know it; we export by gRPC alone.
        list("OTEL_TRACES_SAMPLER", &SAMPLERS);
        for name in PROTOCOLS {
            list(name, &["grpc"]);
        }
        let disabled = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let general = variable("OTEL_EXPORTER_OTLP_ENDPOINT").is_some();
        Self {
            traces: !disabled && says(&traces, "otlp"),
            metrics: !disabled && says(&metrics, "otlp"),
            traces_endpoint: general || variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").is_some(),
            metrics_endpoint: general || variable("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT").is_some(),
            trace_context: says(&propagators, "tracecontext"),
            not_understood,
        }
    }

    pub(super) fn export_traces(&self, settings: &TelemetrySettings) -> Export {
        export(self.traces, self.traces_endpoint, settings)
    }

    pub(super) fn export_metrics(&self, settings: &TelemetrySettings) -> Export {
        export(self.metrics, self.metrics_endpoint, settings)
    }

    /// Tells of what was not understood, once there is a log to tell it in.
    pub(super) fn warn(&self) {
        for variable in &self.not_understood {
            tracing::warn!(variable, "not understood and ignored");
        }
    }
}

fn export(wanted: bool, variable: bool, settings: &TelemetrySettings) -> Export {
    match &settings.otlp_endpoint {
        _ if !wanted => Export::Nowhere,
        _ if variable => Export::ToVariable,
        Some(endpoint) if !endpoint.is_empty() => Export::To(endpoint.clone()),
        _ => Export::Nowhere,
    }
}

/// True when the environment gives the service its name.
pub(super) fn names_the_service() -> bool {
    is_set("OTEL_SERVICE_NAME")
        || env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|text| {
            let mut names = text.split(',').filter_map(|pair| pair.split_once('='));
            names.any(|(name, _)| name.trim() == "service.name")
        })
}

/// An empty variable counts as none (OpenTelemetry specification).
pub(super) fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}
