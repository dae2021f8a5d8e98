//! A roll-out: one of two identity processes is restarted again and again while callers call, and others hold on to it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use e2e::{Person, World, client::Client, people::requester, world::Program};
use futures::future::join_all;
use proto::identity::v1::{RequestResetRequest, request_reset_request::Identifier};
use tokio::time::sleep;
use tonic::Code;

use super::shutdown::{PREFACE, hostile};
use crate::waiting::number;

/// How often, in a usual run and in a full one.
const RESTARTS: (usize, usize) = (5, 100);
const CALLERS: usize = 4;
/// How long an orderly end may take.
const END: Duration = Duration::from_secs(10);

/// The two processes, as a client knows them that keeps to `deploy/grpc/service-config.json`.
#[derive(Clone)]
pub(super) struct Pair(pub [Client; 2]);

impl Pair {
    /// Asks for a reset, and gives the request's id; on UNAVAILABLE the call is made again at the other process, with
    /// the same key, 4 times in all.
    pub async fn request(&self, first: usize, name: &str, key: &str) -> Result<String, tonic::Status> {
        let mut wait = Duration::from_millis(100);
        for attempt in 0.. {
            let request = RequestResetRequest {
                identifier: Some(Identifier::Username(name.to_owned())),
                requester: requester("203.0.113.7", "id"),
                idempotency_key: key.to_owned(),
            };
            match self.0[(first + attempt) % 2].identity.clone().request_reset(request).await {
                Ok(answer) => return Ok(answer.into_inner().request_id),
                Err(status) if may_go_elsewhere(&status) && attempt < 3 => sleep(wait).await,
                Err(status) => return Err(status),
            }
            wait *= 2;
        }
        unreachable!("it returns")
    }
}

/// UNAVAILABLE, or what the client's own transport made of a goodbye: tonic tells of a request that was still unsent when
/// its connection closed as CANCELLED, or as INTERNAL with the GOAWAY as its source; other clients send it again by
/// themselves.
fn may_go_elsewhere(status: &tonic::Status) -> bool {
    let of_transport = std::error::Error::source(status).is_some();
    status.code() == Code::Unavailable || of_transport && matches!(status.code(), Code::Cancelled | Code::Internal)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "a person reads the figures of a full run")]
async fn a_roll_out_costs_no_call() {
    let restarts = if e2e::full() { RESTARTS.1 } else { RESTARTS.0 };
    let mut world = World::build().identities(2).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let pair = Pair([world.client("gateway", 0), world.client("gateway", 1)]);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let caller = |caller: usize| {
        let (pair, stop, done) = (pair.clone(), Arc::clone(&stop), Arc::clone(&done));
        tokio::spawn(async move {
            for call in 0.. {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                pair.request(call % 2, "budi", &format!("call-{caller}-{call}")).await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        })
    };
    let callers: Vec<_> = (0..CALLERS).map(caller).collect();
    let mut slowest = Duration::ZERO;
    for round in 0..restarts {
        let before = done.load(Ordering::Relaxed);
        let listen = world.sandi().plan().identities[round % 2].grpc;
        let _idle = hostile(listen, 100, PREFACE);
        let _slow = hostile(listen, 20, &PREFACE[..10]);
        let begun = Instant::now();
        let status = tokio::task::block_in_place(|| world.terminate(Program::Identity, round % 2));
        let took = begun.elapsed();
        assert!(status.success() && took < END, "it ends in order: {status}, {took:?}");
        slowest = slowest.max(took);
        tokio::task::block_in_place(|| world.start_again(Program::Identity, round % 2));
        assert!(done.load(Ordering::Relaxed) > before, "calls went on meanwhile");
    }
    stop.store(true, Ordering::Relaxed);
    for ended in join_all(callers).await {
        let outcome: Result<(), tonic::Status> = ended.expect("it runs to its end");
        outcome.unwrap_or_else(|status| panic!("a call failed: {status:?}"));
    }
    let (requests, calls) = (number(&world, "SELECT count(*) FROM reset_requests").await, done.load(Ordering::Relaxed));
    assert_eq!(requests, i64::try_from(calls).expect("a few"), "each call was accepted once");
    println!("{restarts} restarts, {calls} calls, none failed; the slowest end took {slowest:?}");
}
