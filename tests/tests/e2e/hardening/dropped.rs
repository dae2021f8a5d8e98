//! Calls that are given up at any moment leave nothing broken behind.

use std::time::Duration;

use e2e::{Person, World, full, wire::Call, world::Program};
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::Executor;
use tokio::time::timeout;
use tonic::Code;

use crate::waiting::{until, until_number};

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
