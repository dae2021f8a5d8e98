use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;

use super::environment::{Environment, Export};
use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::from(|name| {
        let mut found = variables.iter().filter(|(known, _)| *known == name);
        found.next().map(|(_, value)| (*value).to_owned())
    })
}

fn settings(endpoint: Option<&str>) -> TelemetrySettings {
    TelemetrySettings {
        otlp_endpoint: endpoint.map(str::to_owned),
        ..TelemetrySettings::default()
    }
}

#[test]
fn nothing_is_exported_without_an_endpoint() {
    let environment = environment(&[]);
    assert_eq!(environment.export_traces(&settings(None)), Export::Nowhere);
    assert_eq!(environment.export_metrics(&settings(None)), Export::Nowhere);
    let to = Export::To("http://collector".into());
    assert_eq!(
        environment.export_traces(&settings(Some("http://collector"))),
        to
    );
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
    let none = environment(&[
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_METRICS_EXPORTER", "prometheus"),
    ]);
    assert_eq!(none.export_traces(&settings), Export::Nowhere);
    assert_eq!(none.export_metrics(&settings), Export::Nowhere);
    let unknown = environment(&[("OTEL_TRACES_EXPORTER", "zipkin")]);
    assert_eq!(
        unknown.export_traces(&settings),
        Export::To("http://collector".into())
    );
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
    meter
        .u64_counter("sandi.rpc.calls")
        .build()
        .add(2, &outcome);
    let duration = meter
        .f64_histogram("sandi.rpc.duration")
        .with_unit("s")
        .build();
    duration.record(0.004, &[]);

    let text = text.render();
    assert!(
        text.contains("sandi_rpc_calls_total{outcome=\"ok\"} 2"),
        "{text}"
    );
    assert!(
        text.contains("sandi_rpc_duration_seconds_bucket{le=\"0.005\"} 1"),
        "{text}"
    );
    assert!(!text.contains("otel_scope"), "{text}");
    assert!(text.contains("service_version=\"1.2.3\""), "{text}");
}

#[test]
fn a_wrong_level_or_ratio_is_a_wrong_setting() {
    let log = LogSettings {
        level: "info,=".into(),
        ..LogSettings::default()
    };
    let error = log_filter(&log).unwrap_err().to_string();
    assert!(error.starts_with("log.level: not a level"), "{error}");

    let telemetry = TelemetrySettings {
        sample_ratio: 1.5,
        ..TelemetrySettings::default()
    };
    let resource = resource("identity", "1.2.3");
    let error = traces(&environment(&[]), &resource, &telemetry)
        .err()
        .unwrap();
    assert!(
        error.to_string().starts_with("telemetry.sample_ratio"),
        "{error}"
    );
}

#[test]
fn no_level_makes_clients_print_their_frames_and_headers() {
    let filter = capped();
    assert!(!filter.would_enable("lapin::channels", &tracing::Level::TRACE));
    assert!(filter.would_enable("lapin::channels", &tracing::Level::DEBUG));
    assert!(!filter.would_enable("opentelemetry-otlp", &tracing::Level::DEBUG));
    assert!(filter.would_enable("identity::issuer", &tracing::Level::TRACE));
}

#[tokio::test]
async fn a_collector_that_hangs_does_not_hold_up_the_end() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let log = LogSettings::default();
    let telemetry = init("identity", "1.2.3", &log, &settings(Some(&endpoint))).unwrap();
    tracing::info_span!("work").in_scope(|| {
        assert!(crate::trace::current_trace_id().is_some());
        let context = crate::trace::TraceContext::current();
        assert!(context.traceparent.is_some());
    });
    assert!(init("identity", "1.2.3", &log, &settings(None)).is_err());

    let begun = std::time::Instant::now();
    telemetry.shutdown(Duration::from_millis(300)).await;
    assert!(begun.elapsed() < Duration::from_secs(3));
}
