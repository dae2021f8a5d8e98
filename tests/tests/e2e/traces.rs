//! What traces show, and what a collector that is no good does to the service.

mod failures;
mod resets;

use std::time::Duration;

use e2e::{Mode, World, collector::Collector, spans, wire::Call, world::Program};
use serde_json::json;
use testbed::proxy::Proxy;
use tokio::time::timeout;

use super::{metrics, waiting::until};

const BOUND: Duration = Duration::from_secs(90);
/// What a program may grow by while spans wait: 64 of them are some 100 KiB, the rest is the allocator's.
const GROWTH_KIB: u64 = 32 * 1024;

/// What a collector does, and under which reason the spans are counted that it costs.
const COLLECTORS: [(&str, Mode, &str); 3] = [
    ("it takes connections and never says a word", Mode::Hold, "queue_full"),
    ("it is away", Mode::Refuse, "export_failed"),
    ("it answers after a while", Mode::Delay(Duration::from_secs(3)), "queue_full"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_slow_or_hanging_slows_nothing_and_what_is_lost_is_counted() {
    let collector = Collector::start().await.expect("a collector starts");
    let proxy = Proxy::start(collector.address()).await.expect("a proxy starts");
    let endpoint = format!("http://{}", proxy.address());
    let builder = World::build().mailers(0).wide_limits().environment("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
    let builder =
        builder.environment("OTEL_BSP_MAX_QUEUE_SIZE", "64").environment("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "64");
    let world = builder.environment("OTEL_BSP_SCHEDULE_DELAY", "500").start().await;
    calls(&world, 200).await;
    let pid = world.pid(Program::Identity, 0);
    let memory = resident_kib(pid);
    for (what, mode, reason) in COLLECTORS {
        proxy.set(mode);
        let lost = || metrics::sum(&world, Program::Identity, "sandi_telemetry_spans_dropped_total", reason);
        let before = lost();
        let counted = async {
            while lost() <= before {
                calls(&world, 20).await;
            }
        };
        timeout(BOUND, counted).await.unwrap_or_else(|_| panic!("{what}: it is not counted"));
        calls(&world, 100).await;
    }
    let grown = resident_kib(pid).saturating_sub(memory);
    assert!(grown < GROWTH_KIB, "it grew by {grown} KiB");
    proxy.set(Mode::Pass);
    let before = collector.exports().len();
    let heals = async {
        while collector.exports().len() == before {
            calls(&world, 20).await;
        }
    };
    timeout(BOUND, heals).await.expect("spans come again when the collector is back");
}

#[tokio::test]
async fn a_known_caller_says_which_trace_its_call_is_of_and_a_stranger_does_not() {
    let collector = Collector::start().await.expect("a collector starts");
    let endpoint = format!("identity.telemetry.otlp_endpoint={}", collector.url());
    let world = World::build().mailers(0).set(endpoint).environment("OTEL_BSP_SCHEDULE_DELAY", "200").start().await;
    let wire = world.wire().await;
    let of = |trace: &str| {
        let call = Call::of("GetUser", json!({"username": "nobody"}));
        call.header("traceparent", &format!("00-{trace}-00000000000000ef-01"))
    };
    let (stranger, known) = ("abcd".repeat(8), "1234".repeat(8));
    wire.call(of(&stranger)).await;
    wire.call(of(&known).bearer(world.token("crm"))).await;
    let spans = until("both spans come", async || {
        let all = spans::of(&collector).into_iter();
        let calls: Vec<_> = all.filter(|span| span.name.ends_with("/GetUser")).collect();
        (calls.len() == 2).then_some(calls)
    })
    .await;
    let status = |trace: &str| {
        let mut of_trace = spans.iter().filter(|span| span.trace == trace);
        of_trace.next().map(|span| span.attributes["rpc.response.status_code"].as_str())
    };
    assert_eq!((status(&known), status(&stranger)), (Some("NOT_FOUND"), None));
}

/// Makes so many calls, each answered in time.
async fn calls(world: &World, count: usize) {
    for _ in 0..count {
        timeout(Duration::from_secs(5), world.request_reset("budi")).await.expect("it is answered in time");
    }
}

/// The memory that a process has, in KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("it is a number")
}
