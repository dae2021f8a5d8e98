//! Floods of frames: the connection ends, and nobody else notices.

use std::{net::Ipv4Addr, time::Duration};

use e2e::{
    Refusal, World,
    raw::{self, END_HEADERS, END_STREAM, frame, kind},
    wire::Call,
};
use futures::{FutureExt, StreamExt, future::join_all};
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::process::memory;
use crate::waiting::until;

/// How many frames each flood has (security.md, GRPC-4).
const COUNT: u32 = 100_000;
/// How much more memory the service may hold after all of them, in kibibytes.
const MEMORY: u64 = 64 * 1024;
const BOUND: Duration = Duration::from_secs(20);
const REQUEST_RESET: &str = "/sandi.identity.v1.IdentityService/RequestReset";

/// The numbers of streams that a client opens.
fn streams() -> impl Iterator<Item = u32> {
    (0..COUNT).map(|number| number * 2 + 1)
}

fn repeated(first: Vec<u8>, frame: &[u8]) -> Vec<u8> {
    [first, frame.repeat(COUNT as usize)].concat()
}

fn open(flags: u8) -> Vec<u8> {
    frame(kind::HEADERS, flags, 1, &raw::request(REQUEST_RESET))
}

fn floods() -> Vec<(&'static str, Vec<u8>)> {
    let request = raw::request(REQUEST_RESET);
    let call = |stream, flags| frame(kind::HEADERS, flags, stream, &request);
    let reset = |stream| frame(kind::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
    let no_window = |stream| frame(kind::WINDOW_UPDATE, 0, stream, &[0; 4]);
    vec![
        (
            "calls taken back",
            streams().flat_map(|it| [call(it, END_HEADERS | END_STREAM), reset(it)].concat()).collect(),
        ),
        ("calls made wrong", streams().flat_map(|it| [call(it, END_HEADERS), no_window(it)].concat()).collect()),
        ("CONTINUATION", repeated(open(0), &frame(kind::CONTINUATION, 0, 1, &[]))),
        ("CONTINUATION with fields", repeated(open(0), &frame(kind::CONTINUATION, 0, 1, &raw::fields(&[("a", "b")])))),
        ("empty DATA", repeated(open(END_HEADERS), &frame(kind::DATA, 0, 1, &[]))),
        ("DATA of one byte", repeated(open(END_HEADERS), &frame(kind::DATA, 0, 1, &[0]))),
        ("SETTINGS", repeated(Vec::new(), &frame(kind::SETTINGS, 0, 0, &[]))),
        ("SETTINGS with a setting", repeated(Vec::new(), &frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]))),
        ("PING", repeated(Vec::new(), &frame(kind::PING, 0, 0, &[7; 8]))),
        ("WINDOW_UPDATE", repeated(Vec::new(), &frame(kind::WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()))),
        ("PRIORITY", repeated(Vec::new(), &frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 3, 1]))),
        ("unknown frames", repeated(Vec::new(), &frame(kind::UNKNOWN, 0, 0, &[]))),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_frames_ends_its_own_connection_and_nothing_else() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let other = world.wire().await;
    let asked = || Call::of("GetUser", json!({"username": "nobody"})).bearer(world.token("crm"));
    assert_eq!(other.call(asked()).await.refusal().reason, "USER_NOT_FOUND");
    let before = memory(&world);
    for (name, frames) in floods() {
        let (reading, mut writing) = world.tcp(Ipv4Addr::LOCALHOST.into()).await.expect("it listens").into_split();
        let flood = async {
            writing.write_all(raw::GREETING).await.expect("it takes a greeting");
            raw::pour(&mut writing, &frames, BOUND).await;
        };
        let (end, ()) = tokio::join!(raw::until_closed(reading, BOUND), flood);
        let end = end.unwrap_or_else(|frames| panic!("{name}: still open after {} answers", frames.len()));
        assert!(end.frames.len() < COUNT as usize / 2, "{name}: {} answers", end.frames.len());
        assert_eq!(other.call(asked()).await.refusal().reason, "USER_NOT_FOUND", "{name}: others are served");
    }
    let after = memory(&world);
    assert!(after < before + MEMORY, "{before} KiB before, {after} KiB after");
}

#[tokio::test]
async fn many_pings_in_peace_are_no_flood() {
    let world = World::build().mailers(0).start().await;
    let mut stream = world.tcp(Ipv4Addr::LOCALHOST.into()).await.expect("it listens");
    stream.write_all(raw::GREETING).await.expect("it takes a greeting");
    for round in 0..10 {
        stream.write_all(&frame(kind::PING, 0, 0, &[round; 8]).repeat(100)).await.expect("it is open");
    }
    stream.write_all(&open(END_HEADERS | END_STREAM)).await.expect("it is open");
    let closed = raw::until_closed(stream, Duration::from_secs(2)).await;
    let frames = closed.expect_err("it stays open");
    assert_eq!(frames.iter().filter(|it| **it == kind::PING).count(), 1000, "{frames:?}");
    assert!(frames.contains(&kind::HEADERS), "the call is answered");
}

#[tokio::test]
async fn a_stranger_watches_health_four_times_on_a_connection_and_no_more() {
    let world = World::build().mailers(0).start().await;
    let watch = async || {
        let word = HealthClient::new(world.channel(0)).watch(HealthCheckRequest::default()).await?;
        let mut words = word.into_inner();
        words.next().await.expect("a first word")?;
        Ok::<_, tonic::Status>(words)
    };
    let mut watched = Vec::new();
    for _ in 0..4 {
        watched.push(watch().await.expect("it can be watched"));
    }
    let refused = watch().await.expect_err("they are too many");
    assert_eq!((refused.code(), Refusal::from(&refused).reason.as_str()), (Code::ResourceExhausted, "RATE_LIMITED"));
    watched.pop();
    until("one has ended", async || watch().await.ok()).await;
}

/// A connection with 100 calls of `Check`, each with the head of a message of that size, and no more of it.
async fn unfinished_checks(world: &World, size: u32) -> TcpStream {
    let mut stream = world.tcp(Ipv4Addr::LOCALHOST.into()).await.expect("it listens");
    stream.write_all(raw::GREETING).await.expect("it takes a greeting");
    let head = [&[0][..], &size.to_be_bytes()].concat();
    for number in streams().take(100) {
        let call = frame(kind::HEADERS, END_HEADERS, number, &raw::request("/grpc.health.v1.Health/Check"));
        stream.write_all(&[call, frame(kind::DATA, 0, number, &head)].concat()).await.expect("it is open");
    }
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_of_health_that_never_end_are_ended_and_hold_no_memory_and_a_watch_goes_on() {
    let world = World::build().mailers(0).start().await;
    let watched = HealthClient::new(world.channel(0)).watch(HealthCheckRequest::default()).await;
    let mut watched = watched.expect("it can be watched").into_inner();
    watched.next().await.expect("a first word").expect("no error");
    let before = memory(&world);
    let large = join_all((0..8).map(|_| unfinished_checks(&world, 4 * 1024 * 1024 - 1))).await;
    let small = unfinished_checks(&world, 4 * 1024).await;
    let look = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        memory(&world)
    };
    // A little more than the longest deadline.
    let answers = |stream| raw::until_closed(stream, Duration::from_secs(12));
    let (large, small, meanwhile) = tokio::join!(join_all(large.into_iter().map(answers)), answers(small), look);
    assert!(meanwhile < before + 32 * 1024, "{before} KiB before, {meanwhile} KiB with them");
    for frames in large.into_iter().chain([small]) {
        let frames = frames.expect_err("the connections stay");
        assert_eq!(frames.iter().filter(|it| **it == kind::HEADERS).count(), 100, "all are answered: {frames:?}");
    }
    while let Some(word) = watched.next().now_or_never() {
        word.expect("it is watched still").expect("no error");
    }
}
