use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;

use super::environment::{Environment, Export};
use super::signals::{metrics, resource, traces};
use super::*;
use crate::log::tests::Buffer;
use crate::settings::LogFormat;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::from(|name| {
        let mut found = variables.iter().filter(|(known, _)| *known == name);
        found.next().map(|(_, value)| (*value).to_owned())
    })
}

fn settings(endpoint: Option<&str>) -> TelemetrySettings {
    TelemetrySettings { otlp_endpoint: endpoint.map(str::to_owned), ..TelemetrySettings::default() }
}

#[test]
fn nothing_is_exported_without_an_endpoint() {
    let environment = environment(&[]);
    assert_eq!(environment.export_traces(&settings(None)), Export::Nowhere);
    assert_eq!(environment.export_metrics(&settings(None)), Export::Nowhere);
    let to = Export::To("http://collector".into());
    assert_eq!(environment.export_traces(&settings(Some("http://collector"))), to);
}

#[test]
fn the_standard_variables_win_over_the_settings() {
    let settings = settings(Some("http://collector"));
    let both = environment(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://other")]);
    assert_eq!(both.export_traces(&settings), Export::ToVariable);
    assert_eq!(both.export_metrics(&settings), Export::ToVariable);
    let disabled = environment(&[("OTEL_SDK_DISABLED", "TRUE")]);
    assert_eq!(disabled.export_traces(&settings), Export::Nowhere);
    assert_eq!(disabled.export_metrics(&settings), Export::Nowhere);
    let none = environment(&[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "prometheus")]);
    assert_eq!(none.export_traces(&settings), Export::Nowhere);
    assert_eq!(none.export_metrics(&settings), Export::Nowhere);
    let unknown = environment(&[("OTEL_TRACES_EXPORTER", "zipkin")]);
    assert_eq!(unknown.export_traces(&settings), Export::To("http://collector".into()));
}

#[test]
fn what_we_cannot_do_is_named() {
    let asked = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
    ];
    assert_eq!(environment(&asked).not_understood, ["OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_PROTOCOL"]);
    assert!(environment(&[("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")]).not_understood.is_empty());
}

#[test]
fn propagators_decide_about_trace_context() {
    assert!(environment(&[]).trace_context);
    assert!(environment(&[("OTEL_PROPAGATORS", "tracecontext,baggage")]).trace_context);
    assert!(!environment(&[("OTEL_PROPAGATORS", "none")]).trace_context);
    assert!(environment(&[("OTEL_PROPAGATORS", "b3")]).trace_context);
}

#[test]
fn metrics_are_readable_as_prometheus_text() {
    let text = MetricsText::default();
    let resource = resource("identity", "1.2.3");
    let provider = metrics(&environment(&[]), &resource, &settings(None), &text).unwrap();
    let meter = provider.meter("sandi");
    let outcome = [KeyValue::new("outcome", "ok")];
    meter.u64_counter("sandi.rpc.calls").build().add(2, &outcome);
    let duration = meter.f64_histogram("sandi.rpc.duration").with_unit("s").build();
    duration.record(0.004, &[]);

    let text = text.render();
    assert!(text.contains("sandi_rpc_calls_total{outcome=\"ok\"} 2"), "{text}");
    assert!(text.contains("sandi_rpc_duration_seconds_bucket{le=\"0.005\"} 1"), "{text}");
    assert!(!text.contains("otel_scope"), "{text}");
    assert!(text.contains("service_version=\"1.2.3\""), "{text}");
}

#[test]
fn a_wrong_level_or_ratio_is_a_wrong_setting() {
    for level in ["inof", "info,=", "", "info, bug", "7x"] {
        let error = filter_of("log.level", level).unwrap_err().to_string();
        assert!(error.starts_with("log.level: not a level"), "{error}");
    }
    for level in ["info", "WARN", "off", "info,identity=debug", "info,identity[issue]=trace"] {
        assert!(filter_of("log.level", level).is_ok(), "{level}");
    }

    let telemetry = TelemetrySettings { sample_ratio: 1.5, ..TelemetrySettings::default() };
    let resource = resource("identity", "1.2.3");
    let error = traces(&environment(&[]), &resource, &telemetry, &spans::Tally::new()).err().unwrap();
    assert!(error.to_string().starts_with("telemetry.sample_ratio"), "{error}");
}

#[test]
fn an_endpoint_that_is_none_is_a_wrong_setting() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let settings = settings(Some("not a url, with a hush"));
    let resource = resource("identity", "1.2.3");
    let error = traces(&environment(&[]), &resource, &settings, &spans::Tally::new()).err().unwrap();
    assert!(error.to_string().starts_with("telemetry.otlp_endpoint"), "{error}");
    assert!(!error.to_string().contains("hush"), "{error}");
}

#[test]
fn a_quiet_log_does_not_end_the_traces() {
    let written = Buffer::default();
    let buffer = written.clone();
    let lines = LogLayer::new(LogFormat::Json, "identity", move || buffer.clone());
    let resource = resource("identity", "1.2.3");
    let traces = traces(&environment(&[]), &resource, &settings(None), &spans::Tally::new()).unwrap();
    let filter = filter_of("log.level", "warn").unwrap();
    let mut trace_id = None;
    tracing::subscriber::with_default(subscriber(lines, filter, &traces), || {
        let _span = tracing::info_span!("complete_reset").entered();
        trace_id = crate::trace::current_trace_id();
        tracing::info!("not shown");
        tracing::warn!("shown");
    });
    let text = written.text();
    assert!(!text.contains("not shown"), "{text}");
    assert!(text.contains(&trace_id.unwrap()), "{text}");
}

#[test]
fn no_level_makes_clients_print_their_frames_and_headers() {
    let filter = capped();
    assert!(!filter.would_enable("lapin::channels", &tracing::Level::ERROR));
    assert!(!filter.would_enable("opentelemetry-otlp", &tracing::Level::DEBUG));
    assert!(filter.would_enable("identity::issuer", &tracing::Level::TRACE));
}
