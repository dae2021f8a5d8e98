//! Calls that are given up at any moment leave nothing broken behind.

use std::time::{Duration, Instant};

use e2e::{Person, World, full, people::PASSWORD, wire::Call, world::Program};
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::Executor;
use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::process::processor;
use crate::{
    metrics,
    waiting::{until, until_number},
};

/// Each call is given up at some moment within so many milliseconds.
const GIVEN_UP_WITHIN: u64 = 12;
const AT_ONCE: usize = 40;

fn count() -> usize {
    if full() { 20_000 } else { 1_500 }
}

/// Every write takes some milliseconds more, inside its transaction.
async fn slow_down(world: &World) {
    let slow = "CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql
                    AS $$ BEGIN PERFORM pg_sleep(0.004); RETURN NEW; END $$;
                CREATE TRIGGER take_time BEFORE INSERT ON reset_requests FOR EACH ROW EXECUTE FUNCTION take_time();
                CREATE TRIGGER take_time BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION take_time();
                CREATE TRIGGER take_time BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION take_time();";
    world.database().await.execute(slow).await.expect("the owner may");
}

fn call(world: &World, kopi: &str, users: &[(String, String)], number: usize) -> Call {
    let (id, name) = &users[number % users.len()];
    let new = format!("baru{number}");
    let (rpc, caller, request): (_, _, Value) = match number % 4 {
        0 => ("RequestReset", "gateway", json!({ "username": name })),
        1 => ("UpdateUser", "crm", json!({ "user": { "user_id": id, "display_name": new } })),
        2 => ("CreateUser", "crm", json!({ "user": { "organization_id": kopi, "username": new } })),
        _ => ("GetUser", "crm", json!({ "username": name })),
    };
    Call::of(rpc, request).bearer(world.token(caller))
}

/// Makes calls one after another on one connection, each for a moment only. Gives how many did not end within it.
async fn give_up(world: &World, calls: impl Iterator<Item = (usize, Call)>) -> usize {
    let (mut wire, mut given_up) = (world.wire().await, 0);
    for (number, call) in calls {
        // Any moment: they follow no rhythm of the calls.
        let patience = Duration::from_micros((number as u64 * 7919) % (GIVEN_UP_WITHIN * 1000));
        match timeout(patience, wire.try_call(call)).await {
            Err(_) => given_up += 1,
            Ok(Ok(_)) => {}
            // The server may think that it is flooded.
            Ok(Err(_)) => wire = world.wire().await,
        }
    }
    given_up
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_given_up_at_any_moment_leave_no_transaction_open_and_no_connection_broken() {
    let world = World::build().mailers(0).wide_limits().set("identity.database.max_connections=4");
    let world = world.log("info,sqlx::postgres::notice=warn").start().await;
    let kopi = world.organization("kopi").await;
    let mut users = Vec::new();
    for number in 0..20 {
        let name = format!("orang{number}");
        users.push((world.user(&kopi, Person::named(&name).password("")).await.user_id, name));
    }
    for number in 0..4 {
        let answer = world.wire().await.call(call(&world, &kopi.organization_id, &users, number)).await;
        assert_eq!(answer.refusal().code, Code::Ok, "{number}: {answer:?}");
    }
    slow_down(&world).await;
    let workers = (0..AT_ONCE).map(|worker| {
        let numbers = (4 + worker..count()).step_by(AT_ONCE);
        give_up(&world, numbers.map(|number| (number, call(&world, &kopi.organization_id, &users, number))))
    });
    let given_up: usize = join_all(workers).await.into_iter().sum();
    assert!(given_up > count() / 4, "{given_up} of {} were given up", count());

    until_number(
        &world,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
             AND usename <> current_user AND state <> 'idle'",
        0,
    )
    .await;
    let wire = world.wire().await;
    // What was given up goes on to its end.
    until("it serves again", async || {
        let call = Call::of("GetUser", json!({ "username": users[0].1 })).bearer(world.token("crm"));
        (wire.call(call).await.refusal().code == Code::Ok).then_some(())
    })
    .await;
    for (id, name) in users.iter().cycle().take(100) {
        let call = Call::of("GetUser", json!({ "username": name })).bearer(world.token("crm"));
        let answer = wire.call(call).await;
        assert!(answer.message().windows(id.len()).any(|it| it == id.as_bytes()), "{name} is still {name}");
    }
    let log = world.log(Program::Identity, 0);
    // The database warns of a BEGIN in a transaction that somebody has left open.
    for sign in ["25P02", "already a transaction", "panicked"] {
        assert!(!log.contains(sign), "{sign} in {log}");
    }
}

/// How many passwords were hashed so far.
fn hashed(world: &World) -> f64 {
    metrics::sum(world, Program::Identity, "sandi_hasher_duration_seconds_count", "")
}

#[tokio::test(flavor = "multi_thread")]
async fn log_ins_whose_time_is_over_are_not_hashed_and_hold_up_nobody() {
    const LOG_INS: usize = 200;
    let world = World::build().mailers(0).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi")).await;
    world.log_in("budi", PASSWORD).await.expect("it is the password");
    let before = hashed(&world);
    let health = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let begin = Instant::now();
            let request = HealthCheckRequest { service: "sandi.identity.v1.IdentityService".to_owned() };
            HealthClient::new(world.channel(0)).check(request).await.expect("health is always there");
            slowest = slowest.max(begin.elapsed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        slowest
    };
    let log_ins = (0..4).map(|_| async {
        let wire = world.wire().await;
        let call = || Call::of("VerifyPassword", json!({ "username": "budi", "password": PASSWORD }));
        let call = || call().without("grpc-timeout").header("grpc-timeout", "5m").bearer(world.token("gateway"));
        join_all((0..LOG_INS / 4).map(|_| wire.call(call()))).await
    });
    let (answers, slowest) = tokio::join!(join_all(log_ins), health);
    let answers: Vec<_> = answers.into_iter().flatten().map(|answer| answer.refusal().code).collect();
    let late = [Code::DeadlineExceeded, Code::ResourceExhausted, Code::Unavailable];
    assert!(answers.iter().filter(|code| late.contains(code)).count() > LOG_INS / 2, "{answers:?}");
    assert!(slowest < Duration::from_secs(1), "health took {slowest:?}");

    let begin = Instant::now();
    world.log_in("budi", PASSWORD).await.expect("it is served");
    assert!(begin.elapsed() < Duration::from_secs(2), "a log-in after them took {:?}", begin.elapsed());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (after, used) = (hashed(&world), processor(&world));
    // What was on a thread when its time was over goes on to its end.
    assert!(after - before < LOG_INS as f64 / 4.0, "{} of {LOG_INS} were hashed", after - before);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(hashed(&world) - after < 1.0, "nothing is left to hash");
    let used = processor(&world) - used;
    assert!(used < 0.5, "{used} s of the processor in a second of nothing");
}
