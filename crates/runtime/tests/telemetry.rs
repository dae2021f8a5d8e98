//! Telemetry as a program has it: once in the process, so in a process of its own.

use std::time::{Duration, Instant};

use runtime::telemetry::init;
use runtime::{LogSettings, TelemetrySettings, TraceContext, current_trace_id};

#[tokio::test]
async fn a_collector_that_hangs_does_not_hold_up_the_end() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let log = LogSettings::default();
    let settings = TelemetrySettings { otlp_endpoint: Some(endpoint), ..TelemetrySettings::default() };
    let telemetry = init("identity", "1.2.3", &log, &settings).unwrap();
    tracing::info_span!("work").in_scope(|| {
        assert!(current_trace_id().is_some());
        let context = TraceContext::current();
        assert!(context.traceparent.is_some());
    });
    assert!(init("identity", "1.2.3", &log, &TelemetrySettings::default()).is_err());

    let begun = Instant::now();
    telemetry.shutdown(Duration::from_millis(300)).await;
    assert!(begun.elapsed() < Duration::from_secs(3));
}
