//! Many connections that want nothing, and those that do.

use std::{net::Ipv4Addr, time::Duration};

use e2e::{
    World, raw,
    wire::{Call, Wire},
    world::Program,
};
use futures::{FutureExt, StreamExt, future::join_all};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use testbed::process::Start;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::process::processor;
use crate::{
    metrics,
    waiting::{until, until_within},
};

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn call(world: &World) -> Call {
    Call::of("GetUser", json!({"username": "nobody"})).bearer(world.token("crm"))
}

/// A new connection with a call on it; true when it is answered.
async fn is_served(world: &World, from: Ipv4Addr) -> Option<Wire> {
    let wire = Wire::over(world.tcp(from.into()).await.ok()?).await.ok()?;
    let answer = wire.try_call(call(world)).await.ok()?;
    assert_eq!(answer.refusal().reason, "USER_NOT_FOUND");
    Some(wire)
}

async fn crowd(world: &World, count: usize, said: &[u8]) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = world.tcp(HERE.into()).await.expect("it listens");
        // One that was closed again at once may refuse it.
        let _ = stream.write_all(said).await;
        streams.push(stream);
    }
    streams
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_makes_no_call_is_closed_within_10_s_and_one_that_made_one_stays() {
    let world = World::build().mailers(0).start().await;
    let good = is_served(&world, HERE).await.expect("it is served");
    let begin = Instant::now();
    let mut all = Vec::new();
    for said in [&b""[..], &raw::GREETING[..10], raw::GREETING] {
        all.extend(crowd(&world, 100, said).await);
    }
    let unfinished = raw::frame(raw::kind::HEADERS, 0, 1, &raw::request("/nowhere"));
    all.extend(crowd(&world, 100, &[raw::GREETING, &unfinished].concat()).await);
    let ends = join_all(all.into_iter().map(|stream| raw::until_closed(stream, Duration::from_secs(12)))).await;
    let open = ends.iter().filter(|end| end.is_err()).count();
    assert_eq!(open, 0, "still open");
    assert!(begin.elapsed() < Duration::from_secs(11), "{:?}", begin.elapsed());
    assert!(ends.iter().flatten().all(|end| end.took > Duration::from_secs(4)), "there was time for a call");
    assert_eq!(good.call(call(&world)).await.refusal().reason, "USER_NOT_FOUND");
}

/// A whole call of that path with an empty message, and without a token.
fn strangers(path: &str, stream: u32) -> Vec<u8> {
    let head = raw::frame(raw::kind::HEADERS, raw::END_HEADERS, stream, &raw::request(path));
    [head, raw::frame(raw::kind::DATA, raw::END_STREAM, stream, &[0; 5])].concat()
}

const GET_USER: &str = "/sandi.identity.v1.DirectoryService/GetUser";
const CHECK: &str = "/grpc.health.v1.Health/Check";

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_of_strangers_end_a_connection_and_leave_no_line() {
    let world = World::build().mailers(0).start().await;
    let known = is_served(&world, HERE).await.expect("it is served");
    let stranger = || call(&world).without("authorization");
    let wire = world.wire().await;
    for _ in 0..1000 {
        assert_eq!(wire.call(stranger()).await.refusal().reason, "CALLER_UNKNOWN");
    }
    let next = tokio::time::timeout(Duration::from_secs(3), wire.try_call(stranger())).await;
    assert!(next.expect("it ends soon").is_err(), "the connection has ended");

    for _ in 0..2 {
        for _ in 0..600 {
            assert_eq!(known.call(stranger()).await.refusal().reason, "CALLER_UNKNOWN");
        }
        assert_eq!(known.call(call(&world)).await.refusal().reason, "USER_NOT_FOUND", "a known caller's stays");
    }
    let counted = metrics::sum(&world, Program::Identity, "rpc_server_call_duration_seconds_count", "CALLER_UNKNOWN");
    assert!((counted - 2200.0).abs() < 0.5, "{counted} are counted");
    let log = world.log(Program::Identity, 0);
    assert!(log.contains("USER_NOT_FOUND") && !log.contains("CALLER_UNKNOWN"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_connection_that_idles_is_closed_and_one_that_asks_for_health_stays() {
    let world = World::build().mailers(0).start().await;
    let known = is_served(&world, HERE).await.expect("it is served");
    let mut watched = HealthClient::new(world.channel(0)).watch(HealthCheckRequest::default()).await;
    let watched = watched.as_mut().expect("it can be watched").get_mut();
    watched.next().await.expect("a first word").expect("no error");
    let idle = [GET_USER, CHECK].map(async |path| {
        let mut stream = world.tcp(HERE.into()).await.expect("it listens");
        stream.write_all(&[raw::GREETING, &strangers(path, 1)].concat()).await.expect("it takes a call");
        raw::until_closed(stream, Duration::from_secs(52)).await
    });
    let checks = async {
        let wire = world.wire().await;
        for pause in [0, 25, 25] {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            assert_eq!(wire.call(Call::to(CHECK)).await.refusal().code, tonic::Code::Ok);
        }
    };
    let (ends, ()) = tokio::join!(join_all(idle), checks);
    for end in ends {
        let end = end.expect("it is closed");
        assert!(end.took > Duration::from_secs(40), "there was time for another call: {:?}", end.took);
        assert_eq!(end.goaway, Some(0), "with a goodbye");
    }
    while let Some(word) = watched.next().now_or_never() {
        word.expect("it is watched still").expect("no error");
    }
    assert_eq!(known.call(call(&world)).await.refusal().reason, "USER_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_idle_connections_keeps_nobody_out() {
    let world = World::build().mailers(0).set("identity.grpc.max_connections=50").start().await;
    let mut idle = crowd(&world, 400, b"").await;
    for round in 0..40 {
        idle.extend(crowd(&world, 5, raw::GREETING).await);
        assert!(is_served(&world, HERE).await.is_some(), "{round}");
    }
    let open = || metrics::sum(&world, Program::Identity, "sandi_grpc_connections{", "");
    assert!(open() <= 50.0, "{}", open());
    assert!(metrics::sum(&world, Program::Identity, "sandi_grpc_connections_refused_total", "all") > 300.0);
    drop(idle);
    until("all are gone", async || (open() < 1.0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_all_places() {
    let world = World::build()
        .mailers(0)
        .set("identity.grpc.max_connections=12")
        .set("identity.grpc.max_connections_per_address=8")
        .start()
        .await;
    let other = Ipv4Addr::new(127, 0, 0, 2);
    let mut known = Vec::new();
    for _ in 0..8 {
        known.push(is_served(&world, HERE).await.expect("there is room"));
    }
    assert!(is_served(&world, HERE).await.is_none(), "its places are taken by known callers");
    for _ in 0..4 {
        known.push(is_served(&world, other).await.expect("others have room"));
    }
    assert!(is_served(&world, other).await.is_none(), "all places are taken by known callers");
    for wire in &known {
        assert_eq!(wire.call(call(&world)).await.refusal().reason, "USER_NOT_FOUND", "they stay");
    }
    drop(known);
    until("there is room again", async || is_served(&world, HERE).await.map(drop)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_the_service_waits_quietly_and_comes_back_at_once() {
    let world = World::build().mailers(0).start().await;
    let good = is_served(&world, HERE).await.expect("it is served");
    let pid = world.pid(Program::Identity, 0);
    let used = std::fs::read_dir(format!("/proc/{pid}/fd")).map(Iterator::count);
    let Ok(used) = used else {
        // Only root may look at a program that forbids dumps.
        return;
    };
    limit_descriptors(pid, used as u64 + 20);
    let idle = crowd(&world, 100, b"").await;
    until("it says so", async || {
        world.log(Program::Identity, 0).contains("no connection can be accepted").then_some(())
    })
    .await;
    let (begin, before) = (Instant::now(), processor(&world));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let share = (processor(&world) - before) / begin.elapsed().as_secs_f64();
    assert!(share < 0.5, "{share} of a core for nothing");
    assert_eq!(good.call(call(&world)).await.refusal().reason, "USER_NOT_FOUND", "open connections are served");
    let said = world.log(Program::Identity, 0).matches("no connection can be accepted").count();
    assert!(said < 5, "said {said} times");
    drop(idle);
    let served = async || is_served(&world, HERE).await.map(drop);
    until_within(Duration::from_secs(5), "it accepts again", served).await;
}

fn limit_descriptors(pid: u32, most: u64) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process id"));
    let limit = Rlimit { current: Some(most), maximum: Some(most) };
    prlimit(pid, Resource::Nofile, limit).expect("a limit can be lowered");
}

#[tokio::test]
async fn fewer_descriptors_than_connections_are_told_at_the_start_and_are_enough() {
    let mut world = World::build().mailers(0).start().await;
    world.kill(Program::Identity, 0);
    let log = world.path("log/few-descriptors.log");
    let program = world.sandi().plan().programs.join("identity");
    let mut process = Start::new("identity", "/bin/sh", &log)
        .args(["-c".as_ref(), "ulimit -n 256; exec \"$0\" serve --config \"$1\"".as_ref(), program.as_os_str()])
        .args([world.path("identity.toml")])
        .spawn()
        .expect("it starts");
    world.sandi().wait_identity(0, &mut process).expect("it becomes ready");
    let said = |text: &str| std::fs::read_to_string(&log).expect("it logs").contains(text);
    assert!(said("grpc.max_connections is more than"));
    let idle = crowd(&world, 400, b"").await;
    for _ in 0..20 {
        assert!(is_served(&world, HERE).await.is_some(), "it is served");
    }
    assert!(!said("no connection can be accepted"));
    drop(idle);
}

/// The greeting, and so many calls by a known caller whose requests are still to come.
fn open_calls(world: &World, count: u32) -> Vec<u8> {
    let authorization = format!("Bearer {}", world.token("crm"));
    let path = "/sandi.identity.v1.DirectoryService/GetUser";
    let fields = [raw::request(path), raw::fields(&[("authorization", &authorization)])].concat();
    let open = |number| raw::frame(raw::kind::HEADERS, raw::END_HEADERS, number * 2 + 1, &fields);
    [raw::GREETING.to_vec(), (0..count).flat_map(open).collect()].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_has_a_hundred_calls_at_once_and_the_next_one_is_refused() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let other = is_served(&world, HERE).await.expect("it is served");
    assert_eq!(other.most_calls(), 100, "it is told to whoever connects");
    for (calls, refused) in [(100, 0), (101, 1)] {
        let mut stream = world.tcp(HERE.into()).await.expect("it listens");
        stream.write_all(&open_calls(&world, calls)).await.expect("it is open");
        let closed = raw::until_closed(stream, Duration::from_secs(2)).await;
        let frames = closed.expect_err("it stays open");
        let resets = frames.iter().filter(|it| **it == raw::kind::RST_STREAM).count();
        assert_eq!(resets, refused, "of {calls}: {frames:?}");
        assert_eq!(other.call(call(&world)).await.refusal().reason, "USER_NOT_FOUND", "others are served");
    }
}
