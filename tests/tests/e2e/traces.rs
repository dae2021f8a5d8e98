//! A collector of traces that is no good.

use std::time::Duration;

use e2e::{World, world::Program};
use tokio::{net::TcpListener, time::timeout};

use super::metrics;

const BOUND: Duration = Duration::from_secs(90);

#[tokio::test]
async fn a_collector_that_hangs_slows_nothing_and_what_is_lost_is_counted() {
    // It takes connections and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let endpoint = format!("http://{}", silent.local_addr().expect("it listens"));
    let builder = World::build().mailers(0).wide_limits().environment("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
    let builder =
        builder.environment("OTEL_BSP_MAX_QUEUE_SIZE", "64").environment("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "64");
    let world = builder.start().await;
    for _ in 0..100 {
        timeout(Duration::from_secs(5), world.request_reset("budi")).await.expect("it is answered in time");
    }
    let dropped = async {
        let lost = || metrics::sum(&world, Program::Identity, "sandi_telemetry_spans_dropped_total", "queue_full");
        while lost() < 1.0 {
            world.request_reset("budi").await;
        }
    };
    timeout(BOUND, dropped).await.expect("it is counted");
}
