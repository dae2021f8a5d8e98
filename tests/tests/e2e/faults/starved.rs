//! Identity runs a tenth of the time, as in a container whose share of the processor is used up: what it says of itself
//! stays true, nobody waits past their deadline, nothing that was accepted is lost, and its memory keeps to its limit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use e2e::{Mode, Person, World, people::PASSWORD, people::requester, world::Program};
use futures::future::join_all;
use proto::identity::v1::{
    DeliveryState, RequestResetRequest, VerifyPasswordRequest, request_reset_request::Identifier,
};
use rustix::process::{Pid, Signal, kill_process};
use tonic::{Code, Request};
use tonic_health::pb::health_check_response::ServingStatus;

use super::health;
use crate::waiting::{number, until_within};

/// How long it runs, and how long not.
const RUNS: Duration = Duration::from_millis(10);
const WAITS: Duration = Duration::from_millis(90);
/// People who log in at once, again and again, with a deadline.
const CALLERS: usize = 32;
const DEADLINE: Duration = Duration::from_secs(2);
/// What a caller sees beyond the deadline: identity runs again, and answers.
const GRACE: Duration = Duration::from_secs(1);
const STORM: Duration = Duration::from_secs(6);
/// How long a fault may stay unseen, and its end; and how long one who comes alone may have to try. Other tests run
/// beside this one.
const BOUND: Duration = Duration::from_secs(60);
/// What the deployment's container asks for; twice as much and twice again is its limit.
const MEMORY_KIB: u64 = 128 * 1024;

/// A process that runs a tenth of the time, for as long as this lives.
struct Starved {
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Starved {
    fn begin(pid: u32) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ends);
        let pid = Pid::from_raw(i32::try_from(pid).expect("a process id")).expect("a process id");
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::SeqCst) {
                kill_process(pid, Signal::STOP).expect("it runs");
                std::thread::sleep(WAITS);
                kill_process(pid, Signal::CONT).expect("it runs");
                std::thread::sleep(RUNS);
            }
        });
        Self { ends, thread: Some(thread) }
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_a_tenth_of_the_processor_tells_the_truth_and_keeps_its_word() {
    let world = World::build().proxies().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let starved = Starved::begin(world.pid(Program::Identity, 0));

    let end = Instant::now() + STORM;
    let logging_in = join_all((0..CALLERS).map(|_| log_in_until(&world, end)));
    let asking = ask_until(&world, end);
    let (logins, requests, probes) = tokio::join!(logging_in, asking, probe_until(&world, end));
    let logins: Vec<(Option<Code>, Duration)> = logins.into_iter().flatten().collect();
    for (code, took) in &logins {
        let known = [Code::ResourceExhausted, Code::DeadlineExceeded, Code::Cancelled, Code::Unavailable];
        assert!(code.is_none_or(|code| known.contains(&code)), "a log-in ended with {code:?}");
        assert!(*took <= DEADLINE + GRACE, "a log-in took {took:?}");
    }
    assert!(!logins.is_empty(), "nobody tried");
    assert!(!requests.is_empty(), "no reset was accepted");
    assert!(probes > 0, "no probe was answered");

    until_within(BOUND, "one who comes alone gets in", async || world.log_in("budi", PASSWORD).await.ok()).await;

    // It still sees what is wrong, and when it is over.
    world.database_line(Mode::Refuse);
    until_within(BOUND, "health says so", async || (health(&world).await == ServingStatus::NotServing).then_some(()))
        .await;
    assert_eq!(world.admin(Program::Identity, 0, "/readyz").status, 503);
    world.database_line(Mode::Pass);
    until_within(BOUND, "it is over", async || (health(&world).await == ServingStatus::Serving).then_some(())).await;
    assert_eq!(world.admin(Program::Identity, 0, "/readyz").status, 200);

    drop(starved);
    for request in &requests {
        world.reset_in(request, DeliveryState::Sent).await;
    }
    let kept = number(&world, "SELECT count(*) FROM resets WHERE delivery_state IS NOT NULL").await;
    assert!(usize::try_from(kept).is_ok_and(|kept| kept >= requests.len()), "{kept} of {}", requests.len());
    world.log_in("budi", PASSWORD).await.expect("all is well again");
    let peak = peak_memory(&world);
    assert!(peak <= MEMORY_KIB, "it held {peak} KiB");
}

/// Logs in again and again; how each try ended, and how long it took.
async fn log_in_until(world: &World, end: Instant) -> Vec<(Option<Code>, Duration)> {
    let mut identity = world.gateway().identity;
    let mut seen = Vec::new();
    while Instant::now() < end {
        let mut request = Request::new(VerifyPasswordRequest {
            username: "budi".to_owned(),
            password: PASSWORD.to_owned(),
            requester: requester("203.0.113.7", "id"),
        });
        request.set_timeout(DEADLINE);
        let begun = Instant::now();
        let code = identity.verify_password(request).await.err().map(|status| status.code());
        seen.push((code, begun.elapsed()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    seen
}

/// Asks for resets, one after the other; the requests that were accepted.
async fn ask_until(world: &World, end: Instant) -> Vec<String> {
    let mut identity = world.gateway().identity;
    let mut accepted = Vec::new();
    while Instant::now() < end {
        let mut request = Request::new(RequestResetRequest {
            identifier: Some(Identifier::Username("budi".to_owned())),
            requester: requester("203.0.113.7", "id"),
            ..Default::default()
        });
        request.set_timeout(DEADLINE);
        if let Ok(answer) = identity.request_reset(request).await {
            accepted.push(answer.into_inner().request_id);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    accepted
}

/// Asks whether it is ready, as an orchestrator does. It is: nothing is wrong but its share. How often it said so.
async fn probe_until(world: &World, end: Instant) -> usize {
    let mut said = 0;
    while Instant::now() < end {
        assert_eq!(health(world).await, ServingStatus::Serving);
        let ready = tokio::task::block_in_place(|| world.admin(Program::Identity, 0, "/readyz"));
        assert_eq!(ready.status, 200, "{}", ready.body);
        said += 1;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    said
}

/// The most memory that the identity process ever held, in KiB.
fn peak_memory(world: &World) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.pid(Program::Identity, 0)));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("it tells its peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
