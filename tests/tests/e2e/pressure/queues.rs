//! What has gone through a queue does not slow down what comes after it.

use std::time::Duration;

use e2e::{Person, World, people::PASSWORD};

use super::{counting, run};
use crate::{
    calls::{change_password, settled},
    waiting::{number, until_within},
};

/// What goes through each queue beforehand.
const BEFORE: &str = "
    INSERT INTO reset_requests (request_id, caller, identifier_kind, identifier, device)
        SELECT gen_random_uuid(), 'gateway', 1, 'tidak-ada', '' FROM generate_series(1, 30000);
    INSERT INTO outbox (event_id, routing_key, organization_id, header, body)
        SELECT gen_random_uuid(), 'identity.credential.changed.v1', organization_id, '', ''
        FROM organizations, generate_series(1, 30000)";
/// How long that may take.
const DRAIN: Duration = Duration::from_secs(180);
/// Pages that a claim may look at, on average, which goes on where the last one ended. From the head of its queue, where
/// one looks every few seconds, it walks over the dead entries of all that went through it: they fill hundreds.
const PAGES: f64 = 150.0;

/// How many pages the calls of this statement looked at on average.
fn pages(world: &World, statement: &str) -> f64 {
    let mean = run(
        world,
        &format!(
            "SELECT sum(shared_blks_hit + shared_blks_read)::float8 / sum(calls) FROM pg_stat_statements
             WHERE query LIKE '{statement}'"
        ),
    );
    mean.parse().unwrap_or_else(|_| panic!("{statement} was not seen: {mean}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_costs_the_same_however_many_were_claimed_before_it() {
    let world = counting(&[]).await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    // An old transaction, such as a dump's: nothing that dies meanwhile may be marked as dead to all.
    let database = world.database().await;
    let mut old = database.begin().await.expect("the database answers");
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *old).await.expect("it may");
    sqlx::query("SELECT count(*) FROM outbox").execute(&mut *old).await.expect("it may");
    run(&world, BEFORE);
    let open =
        "SELECT (SELECT count(*) FROM reset_requests WHERE due_time IS NOT NULL) + (SELECT count(*) FROM outbox)";
    until_within(DRAIN, "the queues are empty", async || (number(&world, open).await == 0).then_some(())).await;

    run(&world, "SELECT pg_stat_statements_reset()");
    let mut password = PASSWORD.to_owned();
    for number in 0..40 {
        let next = format!("perahu biru di laut tenang {number}");
        change_password(world.gateway(), &budi, &password, &next).await.expect("it may be changed");
        password = next;
        world.request_reset("tidak-ada").await;
    }
    settled(&world).await;

    let requests = pages(&world, "%FROM reset_requests%(due_time, request_id) > (%SKIP LOCKED%");
    let events = pages(&world, "%FROM outbox%(due_time, event_id) > (%SKIP LOCKED%UPDATE outbox o%");
    old.rollback().await.expect("the database answers");
    assert!(requests <= PAGES && events <= PAGES, "{requests} and {events} pages a claim");
}
