//! No plan depends on the statistics of a quiet moment.

use e2e::{Person, World, people::PASSWORD};
use proto::identity::v1::{DeliveryState, Organization, Role, User};
use testbed::postgres::SERVICE;

use super::{counting, run};
use crate::calls::{admin_reset, change_password, check_reset, resets_of_user, settled};

/// Pages that a call of a statement may look at: its rows and the ways to them through the indexes, and not the
/// thousands of rows beside them.
const PAGES: f64 = 250.0;
const NEW: &str = "awan putih di atas ladang 3";

/// What is measured for the metrics every few seconds counts what waits, 10,000 rows at most.
const COUNTS: &str = "%AS oldest_seconds%";

/// Rows of every table beside those of the tests: open requests, live links whose mails are out, keys, guesses.
const OPENED: &str = "
    INSERT INTO users (user_id, organization_id, username, display_name, email, role, state, credential_version)
        SELECT gen_random_uuid(), organization_id, 'banyak' || n, '', 'banyak' || n || '@surat.example', 1, 1, 1
        FROM organizations, generate_series(1, 10000) AS n;
    CREATE TEMP TABLE opened AS
        SELECT user_id, organization_id, gen_random_uuid() AS request_id, gen_random_uuid() AS event_id
        FROM users WHERE username LIKE 'banyak%';
    INSERT INTO reset_requests (request_id, caller, identifier_kind, identifier, device, due_time)
        SELECT request_id, 'gateway', 1, 'banyak', '', now() + interval '1 hour' FROM opened;
    INSERT INTO resets (reset_id, request_id, event_id, kind, user_id, organization_id, token_digest, delivery_state,
            link_state, request_time, expire_time)
        SELECT gen_random_uuid(), request_id, event_id, 1, user_id, organization_id, uuid_send(gen_random_uuid()), 2, 2,
            now(), now() + interval '30 minutes'
        FROM opened;
    INSERT INTO outbox (event_id, routing_key, organization_id, header, body, due_time, heard_time, expire_time)
        SELECT event_id, 'identity.reset.requested.v1', organization_id, '', '', NULL, now(), now() + interval '1 hour'
        FROM opened;
    INSERT INTO outbox (event_id, routing_key, organization_id, header, body, due_time, expire_time)
        SELECT gen_random_uuid(), 'identity.reset.requested.v1', organization_id, '', '', now() + interval '1 hour',
            now() + interval '2 hours'
        FROM opened;
    INSERT INTO delivery_attempts (event_id, attempt, attempt_time, outcome, relay, smtp_code, enhanced_code, phase,
            duration_ms)
        SELECT event_id, 1, now(), 3, '', 451, '', 'rcpt', 1 FROM opened;
    INSERT INTO idempotency_keys (caller, idempotency_key, fingerprint, resource_id)
        SELECT 'gateway', request_id::text, '', request_id FROM opened;
    INSERT INTO guesses (subject, source, failures, attempt_time, attempt_day)
        SELECT user_id, gen_random_uuid(), 1, now(), current_date FROM opened;";

/// Everything that has to do with one person's reset, and with it each statement that a reset costs.
async fn journey(world: &World, organization: &Organization, admin: &User, number: usize) {
    let name = format!("orang{number}");
    let address = format!("{name}@kopi.example");
    let user = world.user(organization, Person::named(&name).email(&address)).await;
    let request = world.request_reset(&name).await;
    world.reset_in(&request, DeliveryState::Sent).await;
    let token = world.token_to(&address).await;
    check_reset(world, &token).await.expect("the link works");
    world.complete_reset(&token, NEW).await.expect("the link works");
    world.log_in(&name, NEW).await.expect("it is the password");
    world.log_in(&name, PASSWORD).await.expect_err("it is not any more");
    change_password(world.gateway(), &user, NEW, "perahu biru di laut tenang").await.expect("it may be changed");
    admin_reset(world.gateway(), admin, &user).await.expect("an admin may");
    assert_eq!(resets_of_user(world, &user).await.len(), 2);
    world.request_reset("tidak-ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_plan_depends_on_the_statistics_of_a_quiet_moment() {
    // Few sessions, so that each has its plans ready from the quiet moment.
    let world = counting(&["identity.database.max_connections=2"]).await;
    let kopi = world.organization("kopi").await;
    let admin = world.user(&kopi, Person::named("ayu").email("ayu@kopi.example").role(Role::Admin)).await;

    journey(&world, &kopi, &admin, 1).await;
    settled(&world).await;
    run(
        &world,
        "UPDATE resets SET link_state = 5 WHERE link_state = 2; DELETE FROM idempotency_keys; DELETE FROM guesses;
         VACUUM ANALYZE",
    );
    // A prepared statement has its lasting plan after the fifth time.
    for number in 2..10 {
        journey(&world, &kopi, &admin, number).await;
    }
    settled(&world).await;
    run(&world, OPENED);
    run(&world, "SELECT pg_stat_statements_reset()");
    for number in 10..14 {
        journey(&world, &kopi, &admin, number).await;
    }

    let dear = run(
        &world,
        &format!(
            "SELECT round((shared_blks_hit + shared_blks_read)::numeric / calls) || ' pages: ' || query
         FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
         WHERE r.rolname = '{SERVICE}' AND query NOT LIKE '{COUNTS}'
           AND (shared_blks_hit + shared_blks_read)::float8 / calls > {PAGES}"
        ),
    );
    assert_eq!(dear, "", "statements that read what is not theirs");
    let seen = run(
        &world,
        &format!(
            "SELECT count(*) FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE r.rolname = '{SERVICE}'"
        ),
    );
    assert!(seen.parse::<u32>().is_ok_and(|seen| seen > 30), "{seen} statements were seen");
}
