//! The database goes away and comes back.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use e2e::{
    Person, Refusal, World,
    people::{PASSWORD, actor, requester},
    refused,
    world::Program,
};
use futures::future::join_all;
use proto::identity::v1::{
    AdminResetRequest, ChangePasswordRequest, CheckResetRequest, CompleteResetRequest, CreateUserRequest,
    DeliveryState, GetOrganizationRequest, GetResetRequest, GetUserRequest, ListResetsRequest, ListUsersRequest,
    RequestResetRequest, Role, User, VerifyPasswordRequest, get_organization_request, get_reset_request,
    get_user_request, request_reset_request::Identifier,
};
use sqlx::{AssertSqlSafe, Executor, PgPool};
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;

use super::{health, signal};
use crate::{
    calls::{admin_reset, check_reset},
    crowd::{all_ask, all_mailed, all_sent, crowd},
    waiting::{number, until, until_within},
};

/// How soon all is well again once the database is (faults.md, G-05).
const RECOVERY: Duration = Duration::from_secs(5);

/// A call by name, and how it ended.
type Called = Pin<Box<dyn Future<Output = (&'static str, Result<(), Status>)> + Send>>;

/// Calls that each need the database, of every service.
fn calls(world: &World, user: &User, admin: &User) -> Vec<Called> {
    let (gateway, crm, support) = (world.gateway(), world.crm(), world.support());
    let requester = || requester("203.0.113.7", "id");
    let (user_id, organization_id) = (user.user_id.clone(), user.organization_id.clone());
    macro_rules! call {
        ($client:expr, $method:ident, $request:expr) => {{
            let (mut client, request) = ($client.clone(), $request);
            Box::pin(async move { (stringify!($method), client.$method(request).await.map(drop)) }) as Called
        }};
    }
    let request_reset = |name: &str| RequestResetRequest {
        identifier: Some(Identifier::Username(name.to_owned())),
        requester: requester(),
        ..Default::default()
    };
    let token = "A".repeat(43);
    vec![
        call!(gateway.identity, request_reset, request_reset("budi")),
        call!(gateway.identity, request_reset, request_reset("tidak-ada")),
        call!(gateway.identity, check_reset, CheckResetRequest { token: token.clone() }),
        call!(
            gateway.identity,
            complete_reset,
            CompleteResetRequest {
                token,
                new_password: "awan putih di atas ladang 3".to_owned(),
                requester: requester(),
                ..Default::default()
            }
        ),
        call!(
            gateway.identity,
            change_password,
            ChangePasswordRequest {
                user_id: user_id.clone(),
                current_password: PASSWORD.to_owned(),
                new_password: "awan putih di atas ladang 3".to_owned(),
                requester: requester(),
                ..Default::default()
            }
        ),
        call!(
            gateway.identity,
            verify_password,
            VerifyPasswordRequest {
                username: "budi".to_owned(),
                password: PASSWORD.to_owned(),
                requester: requester()
            }
        ),
        call!(
            crm.identity,
            admin_reset,
            AdminResetRequest {
                user_id: user_id.clone(),
                actor: actor(admin),
                reason: "tidak bisa masuk".to_owned(),
                ..Default::default()
            }
        ),
        call!(
            crm.directory,
            create_user,
            CreateUserRequest {
                user: Some(User {
                    organization_id: organization_id.clone(),
                    username: "baru".to_owned(),
                    role: Role::Member.into(),
                    ..Default::default()
                }),
                ..Default::default()
            }
        ),
        call!(crm.directory, get_user, GetUserRequest { key: Some(get_user_request::Key::UserId(user_id.clone())) }),
        call!(
            crm.directory,
            get_organization,
            GetOrganizationRequest {
                key: Some(get_organization_request::Key::OrganizationId(organization_id.clone()))
            }
        ),
        call!(
            crm.directory,
            list_users,
            ListUsersRequest { organization_id: organization_id.clone(), actor: actor(admin), ..Default::default() }
        ),
        call!(
            support.support,
            get_reset,
            GetResetRequest { key: Some(get_reset_request::Key::ResetId(user_id.clone())), ..Default::default() }
        ),
        call!(support.support, list_resets, ListResetsRequest { organization_id, user_id, ..Default::default() }),
    ]
}

/// What every call says while the database is away.
fn assert_unavailable(name: &str, refusal: &Refusal) {
    assert_eq!(refusal.code, Code::Unavailable, "{name}: {refusal:?}");
    assert_eq!(refusal.reason, "DEPENDENCY_UNAVAILABLE", "{name}: {refusal:?}");
    assert!(refusal.retry_after.is_some_and(|delay| !delay.is_zero()), "{name}: {refusal:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_says_that_the_database_is_away_and_works_again_within_five_seconds_of_its_return() {
    let mut world = World::build().own_database().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let sari = world.user(&kopi, Person::named("sari").role(Role::Admin)).await;
    let names = crowd(&world, &kopi, 5).await;
    let requests = all_ask(&world, &names).await;

    stop_at_once(&mut world);
    let answers = join_all(calls(&world, &budi, &sari)).await;
    for (name, outcome) in &answers {
        let status = outcome.as_ref().expect_err(name);
        assert_unavailable(name, &Refusal::from(status));
    }
    // Names tell nothing, also now.
    assert_eq!(Refusal::from(answers[0].1.as_ref().unwrap_err()), Refusal::from(answers[1].1.as_ref().unwrap_err()));
    until_within(RECOVERY, "health says so", async || {
        (health(&world).await == ServingStatus::NotServing).then_some(())
    })
    .await;
    assert_eq!(world.admin(Program::Identity, 0, "/readyz").status, 503);
    assert_eq!(world.admin(Program::Identity, 0, "/livez").status, 200);

    world.database_process().restart().expect("PostgreSQL starts again");
    let since = Instant::now();
    until_within(RECOVERY, "health recovers", async || (health(&world).await == ServingStatus::Serving).then_some(()))
        .await;
    until_within(RECOVERY.saturating_sub(since.elapsed()), "a call succeeds", async || {
        world.log_in("budi", PASSWORD).await.is_ok().then_some(())
    })
    .await;
    let after = world.request_reset("budi").await;
    world.reset_in(&after, DeliveryState::Sent).await;
    all_mailed(&world, &names).await;
    all_sent(&world, &requests).await;
    assert_eq!(world.sink().mails().len(), 6);
}

/// PostgreSQL's immediate shutdown: as after a crash, its log is replayed at the next start.
fn stop_at_once(world: &mut World) {
    let file = world.postgres().directory.join("data/postmaster.pid");
    let text = std::fs::read_to_string(file).expect("PostgreSQL runs");
    let pid = text.lines().next().and_then(|line| line.trim().parse().ok()).expect("its first line is the process id");
    signal("QUIT", pid);
    world.database_process().stop().expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_an_operator_ends_are_replaced_at_once() {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let sari = world.user(&kopi, Person::named("sari").role(Role::Admin)).await;
    world.user(&kopi, Person::named("wayan")).await;
    let fresh = || join_all(calls(&world, &budi, &sari));
    fresh().await;

    let sql = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = '{}' AND application_name = 'sandi-identity'",
        world.database_name()
    );
    let mut ended = 0;
    for _ in 0..10 {
        // In the middle of some of the calls, between others.
        let answers = tokio::spawn(fresh());
        let count = world.postgres().query("postgres", &sql).expect("the superuser may");
        ended += count.trim().parse::<u32>().expect("it is a number");
        let answers = answers.await.expect("they run to their end");
        for (name, outcome) in answers {
            let Err(status) = outcome else { continue };
            let refusal = Refusal::from(&status);
            match status.code() {
                Code::Unavailable => assert_unavailable(name, &refusal),
                // On its merits: a made-up token, a name that was taken by the last round.
                Code::FailedPrecondition | Code::NotFound | Code::AlreadyExists | Code::ResourceExhausted => {}
                _ => panic!("{name}: {refusal:?}"),
            }
        }
    }
    assert!(ended >= 10, "{ended} sessions were ended");
    until_within(RECOVERY, "all is well", async || world.log_in("wayan", PASSWORD).await.is_ok().then_some(())).await;
    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Sent).await;
    until_within(RECOVERY, "health recovers", async || (health(&world).await == ServingStatus::Serving).then_some(()))
        .await;
}

/// From now on no transaction comes to its end that writes such a row. How often one tried is counted by a sequence,
/// which no rollback takes back.
async fn forbid(database: &PgPool, table: &str, when: &str) {
    let trap = format!(
        "CREATE SEQUENCE IF NOT EXISTS tries;
         CREATE OR REPLACE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
             AS $$ BEGIN PERFORM nextval('tries'); RAISE EXCEPTION 'forbidden by the test'; END $$;
         CREATE TRIGGER forbid BEFORE INSERT ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION forbid();"
    );
    database.execute(AssertSqlSafe(trap)).await.expect("the owner may");
}

#[tokio::test]
async fn what_is_rolled_back_leaves_no_link_no_event_and_no_mail() {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin).password("")).await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example").password("")).await;
    let database = world.database().await;
    let nothing_is_left = async |what: &str| {
        let left = number(&world, "SELECT (SELECT count(*) FROM resets) + (SELECT count(*) FROM outbox)").await;
        assert_eq!(left, 0, "{what}");
        assert!(world.sink().mails().is_empty(), "{what}");
    };

    // The last thing that the call writes.
    forbid(&database, "audit_events", "NEW.action = 'AdminReset' AND NEW.outcome = 'ok'").await;
    let refusal = refused(admin_reset(world.gateway(), &siti, &budi).await);
    assert_eq!(refusal.reason, "INTERNAL");
    assert_eq!(number(&world, "SELECT last_value FROM tries").await, 1, "it came to its last statement");
    nothing_is_left("a link of an admin's").await;

    // The issuer's own transaction, again and again.
    forbid(&database, "outbox", "true").await;
    let request = world.request_reset("budi").await;
    until("it is tried to issue a link", async || {
        (number(&world, "SELECT last_value FROM tries").await > 1).then_some(())
    })
    .await;
    nothing_is_left("a link that was asked for").await;

    let free = "DROP TRIGGER forbid ON audit_events; DROP TRIGGER forbid ON outbox;";
    database.execute(free).await.expect("the owner may");
    world.reset_in(&request, DeliveryState::Sent).await;
    let token = world.token_to("budi@kopi.example").await;
    check_reset(&world, &token).await.expect("the link is good");
    assert_eq!(world.sink().mails().len(), 1, "of all that was rolled back there is no mail");
}
