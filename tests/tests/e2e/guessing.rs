//! Wrong passwords: who guesses has to wait, and whose password it is does not have to suffer for it.

use std::time::{Duration, Instant};

use e2e::{
    Person, Refusal, World,
    client::Client,
    people::{PASSWORD, requester},
    world::Builder,
};
use futures::future::join_all;
use proto::identity::v1::{User, UserState, VerifyPasswordRequest, VerifyPasswordResponse};
use sqlx::PgPool;
use tonic::Code;

use crate::calls::{Outcome, change_password, set_state};

const HOME: &str = "198.51.100.7";
const NEW: &str = "awan putih di atas ladang 3";

/// Wide in everything but the guesses.
fn build() -> Builder {
    let usual = ["identity.limits.wrong_passwords=5", "identity.limits.wrong_passwords_of_strangers=100"];
    usual.into_iter().fold(World::build().wide_limits(), |world, setting| world.set(setting))
}

async fn log_in(mut client: Client, username: &str, password: &str, ip: &str) -> Outcome<VerifyPasswordResponse> {
    let request = VerifyPasswordRequest {
        username: username.to_owned(),
        password: password.to_owned(),
        requester: requester(ip, "en"),
    };
    client.identity.verify_password(request).await
}

/// The reason of a refusal; `OK` for a success.
fn reason<T>(outcome: Outcome<T>) -> String {
    outcome.map_or_else(|status| Refusal::from(&status).reason, |_| "OK".to_owned())
}

async fn guess(world: &World, username: &str, ip: &str) -> String {
    reason(log_in(world.gateway(), username, "not the password", ip).await)
}

/// A refusal that says when to come back.
fn wait(outcome: Outcome<VerifyPasswordResponse>) -> Duration {
    let refusal = Refusal::from(&outcome.expect_err("it has to wait"));
    assert_eq!((refusal.code, refusal.reason.as_str()), (Code::ResourceExhausted, "RATE_LIMITED"));
    refusal.retry_after.expect("it says when to come back")
}

/// Makes waits an hour longer, so that they are not over before a slow machine has looked at them.
async fn hold(database: &PgPool) {
    let longer = "UPDATE guesses SET wait_until = wait_until + interval '1 hour'";
    sqlx::query(longer).execute(database).await.expect("the owner may");
}

/// Ends all waits.
async fn release(database: &PgPool) {
    sqlx::query("UPDATE guesses SET wait_until = now()").execute(database).await.expect("the owner may");
}

/// An address for each number.
fn elsewhere(number: usize) -> String {
    format!("203.0.113.{number}")
}

#[tokio::test]
async fn fifty_guesses_at_once_over_two_processes_are_five() {
    let world = build().identities(2).mailers(0).start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi")).await;
    let mut all = 0;
    for (username, ip) in [("budi", "203.0.113.1"), ("nobody", "203.0.113.1"), ("budi", "203.0.113.2")] {
        let begin = Instant::now();
        let calls = (0..50).map(|number| log_in(world.client("gateway", number % 2), username, "wrong", ip));
        let reasons: Vec<String> = join_all(calls).await.into_iter().map(reason).collect();
        let hashed = reasons.iter().filter(|reason| *reason == "PASSWORD_MISMATCH").count();
        // On a machine that is slow the first waits may be over before all have asked: after 1 s one more, after 3 s two.
        let late = (begin.elapsed().as_secs() + 1).ilog2() as usize;
        assert!((1..=5 + late).contains(&hashed), "{username} from {ip}: {reasons:?}");
        // The others hashed nothing; where it is slow they may also have found no place, or no connection, in time.
        let refusals = ["RATE_LIMITED", "HASHER_BUSY", "DEPENDENCY_UNAVAILABLE", "PASSWORD_MISMATCH"];
        assert!(reasons.iter().all(|it| refusals.contains(&it.as_str())), "{username} from {ip}: {reasons:?}");
        all += hashed as i64;
    }
    let database = world.database().await;
    let counted: i64 = sqlx::query_scalar("SELECT sum(failures + pending) FROM guesses")
        .fetch_one(&database)
        .await
        .expect("the owner may count");
    assert!(counted >= 2 * all, "each at its source and among the strangers: {counted} of {all}");
}

#[tokio::test]
async fn many_right_log_ins_at_once_do_not_hinder_each_other() {
    // All wait for a few hashes at a time, on a slow machine for long.
    let world = build().set("identity.passwords.max_wait=9s").identities(2).mailers(0).start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi")).await;
    for _ in 0..2 {
        let calls = (0..12).map(|number| log_in(world.client("gateway", number % 2), "budi", PASSWORD, HOME));
        for outcome in join_all(calls).await {
            assert_eq!(reason(outcome), "OK");
        }
    }
    let database = world.database().await;
    let left: i64 =
        sqlx::query_scalar("SELECT sum(failures + pending) FROM guesses").fetch_one(&database).await.unwrap();
    assert_eq!(left, 0, "a success leaves nothing behind");
}

#[tokio::test]
async fn each_next_guess_waits_twice_as_long_and_a_success_starts_anew() {
    let world = build().mailers(0).start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi")).await;
    for number in 0..5 {
        let outcome = if number % 2 == 0 {
            guess(&world, "budi", HOME).await
        } else {
            // The account settings count with the log-in page.
            let request = proto::identity::v1::ChangePasswordRequest {
                user_id: budi.user_id.clone(),
                current_password: "not the password".to_owned(),
                new_password: NEW.to_owned(),
                requester: requester(HOME, "en"),
                ..Default::default()
            };
            reason(world.gateway().identity.change_password(request).await)
        };
        assert_eq!(outcome, "PASSWORD_MISMATCH", "guess {number}");
    }
    let database = world.database().await;
    hold(&database).await;
    let waits = wait(log_in(world.gateway(), "budi", PASSWORD, HOME).await);
    assert!((Duration::from_secs(3500)..=Duration::from_secs(3601)).contains(&waits), "{waits:?}: also the right one");
    assert_eq!(guess(&world, "budi", HOME).await, "RATE_LIMITED");
    release(&database).await;
    assert_eq!(guess(&world, "budi", HOME).await, "PASSWORD_MISMATCH", "trying has not made the wait longer");
    let growing: f64 = sqlx::query_scalar(
        "SELECT EXTRACT(EPOCH FROM wait_until - attempt_time)::float8 FROM guesses WHERE wait_until IS NOT NULL",
    )
    .fetch_one(&database)
    .await
    .expect("the sixth");
    assert!(growing >= 2.0, "{growing}");
    hold(&database).await;
    let waits = wait(log_in(world.gateway(), "budi", PASSWORD, HOME).await);
    assert!(waits <= Duration::from_secs(3602), "{waits:?}");
    sqlx::query("UPDATE guesses SET failures = 40").execute(&database).await.expect("the owner may");
    release(&database).await;
    assert_eq!(guess(&world, "budi", HOME).await, "PASSWORD_MISMATCH");
    let most = wait(log_in(world.gateway(), "budi", PASSWORD, HOME).await);
    assert!((Duration::from_secs(800)..=Duration::from_secs(900)).contains(&most), "{most:?}");
    release(&database).await;
    assert_eq!(reason(log_in(world.gateway(), "budi", PASSWORD, HOME).await), "OK", "the wait is over");
    for number in 0..5 {
        assert_eq!(guess(&world, "budi", HOME).await, "PASSWORD_MISMATCH", "guess {number} after a success");
    }
    hold(&database).await;
    assert_eq!(guess(&world, "budi", HOME).await, "RATE_LIMITED");
    let changed = change_password(world.gateway(), &budi, PASSWORD, NEW).await;
    assert_eq!(reason(changed), "OK", "from another network");
}

#[tokio::test]
async fn names_that_nobody_has_wait_like_any_other() {
    let world = build().set("identity.limits.wrong_passwords_of_strangers=8").mailers(0).start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi")).await;
    let wayan = world.user(&kopi, Person::named("wayan")).await;
    world.user(&kopi, Person::named("citra").password("")).await;
    set_state(world.crm(), &wayan, UserState::Disabled).await.expect("the system of record may");
    let database = world.database().await;
    let mut seen = Vec::new();
    for username in ["budi", "wayan", "citra", "tidak.ada", "bukan nama", "Tidak.Tahu"] {
        let mut answers = Vec::new();
        for number in 0..12 {
            if number == 5 {
                hold(&database).await;
            }
            let ip = elsewhere(1 + number / 7);
            let outcome = log_in(world.gateway(), username, "not the password", &ip).await;
            let refusal = Refusal::from(&outcome.expect_err("it is wrong"));
            let wait = refusal.retry_after.map(|wait| (wait.as_secs_f64() / 60.0).round());
            answers.push((refusal.code, refusal.reason, wait));
        }
        let spelled = guess(&world, &username.to_uppercase(), &elsewhere(1)).await;
        // What cannot be a username has no other spelling.
        let wants = if username.contains(' ') { "PASSWORD_MISMATCH" } else { "RATE_LIMITED" };
        assert_eq!(spelled, wants, "{username} in another spelling");
        release(&database).await;
        seen.push((username, answers));
    }
    for (username, answers) in &seen {
        assert_eq!(answers, &seen[0].1, "{username} as {}", seen[0].0);
    }
    let hashed = seen[0].1.iter().filter(|(_, reason, _)| reason == "PASSWORD_MISMATCH").count();
    assert_eq!(hashed, 8, "{:?}", seen[0].1);
    let dump = world.dump();
    for name in ["tidak.ada", "bukan nama", "tidak.tahu", "Tidak.Tahu", "203.0.113.2"] {
        assert!(!dump.contains(name), "{name} is in the database");
    }
}

/// A world in which strangers have used up their guesses at budi's password, who logs in from home.
async fn besieged() -> (World, User) {
    let world = build().set("identity.limits.wrong_passwords_of_strangers=10").start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    assert_eq!(reason(log_in(world.gateway(), "budi", PASSWORD, HOME).await), "OK");
    for number in 0..20 {
        let wants = if number < 10 { "PASSWORD_MISMATCH" } else { "RATE_LIMITED" };
        assert_eq!(guess(&world, "budi", &elsewhere(number)).await, wants, "from place {number}");
    }
    assert_eq!(reason(log_in(world.gateway(), "budi", PASSWORD, &elsewhere(30)).await), "RATE_LIMITED");
    (world, budi)
}

#[tokio::test]
async fn strangers_who_guess_lock_out_each_other_and_not_the_person() {
    let (world, budi) = besieged().await;
    assert_eq!(reason(log_in(world.gateway(), "budi", PASSWORD, HOME).await), "OK", "where budi has logged in before");
    for _ in 0..5 {
        assert_eq!(guess(&world, "budi", HOME).await, "PASSWORD_MISMATCH", "a typing mistake has waits of its own");
    }
    hold(&world.database().await).await;
    assert_eq!(guess(&world, "budi", HOME).await, "RATE_LIMITED");
    assert_eq!(reason(log_in(world.gateway(), "budi", PASSWORD, &elsewhere(30)).await), "RATE_LIMITED");

    // The way by mail is open, and opens the others.
    world.request_reset("budi").await;
    let token = world.token_to("budi@kopi.example").await;
    assert_eq!(
        reason(log_in(world.gateway(), "budi", PASSWORD, &elsewhere(30)).await),
        "RATE_LIMITED",
        "asking is not enough"
    );
    let before = world.find_user("budi").await;
    assert_eq!(before, budi, "a request changes nothing");
    world.complete_reset(&token, NEW).await.expect("the link is good");
    for ip in [HOME, &elsewhere(30), &elsewhere(1)] {
        assert_eq!(reason(log_in(world.gateway(), "budi", NEW, ip).await), "OK", "{ip}");
    }
}

#[tokio::test]
async fn support_lets_strangers_try_again_by_setting_the_user_active() {
    let (world, budi) = besieged().await;
    let request = proto::identity::v1::UpdateUserRequest {
        user: Some(User { user_id: budi.user_id.clone(), state: UserState::Active.into(), ..User::default() }),
        reason: "ticket 4711".to_owned(),
        ..Default::default()
    };
    world.support().directory.update_user(request).await.expect("support may");
    assert_eq!(reason(log_in(world.gateway(), "budi", PASSWORD, &elsewhere(30)).await), "OK");
    let after = world.find_user("budi").await;
    assert_eq!(after.credential_version, budi.credential_version, "sessions go on");
}

#[tokio::test]
async fn without_an_address_all_people_of_a_caller_are_one_stranger() {
    let world = build().set("identity.limits.wrong_passwords_of_strangers=4").mailers(0).start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi")).await;
    let log_in = async |password: &str| {
        let request =
            VerifyPasswordRequest { username: "budi".to_owned(), password: password.to_owned(), requester: None };
        reason(world.gateway().identity.verify_password(request).await)
    };
    assert_eq!(log_in(PASSWORD).await, "OK");
    for _ in 0..3 {
        assert_eq!(log_in("not the password").await, "PASSWORD_MISMATCH");
    }
    assert_eq!(log_in(PASSWORD).await, "OK", "a success breaks the row");
    for _ in 0..4 {
        assert_eq!(log_in("not the password").await, "PASSWORD_MISMATCH");
    }
    assert_eq!(log_in(PASSWORD).await, "RATE_LIMITED", "nobody is known by the caller alone");
    assert_eq!(guess(&world, "budi", HOME).await, "RATE_LIMITED", "and a new network is strange too");
}

#[tokio::test]
async fn who_has_to_wait_at_one_way_to_try_a_password_waits_at_every_other() {
    let world = build().mailers(0).start().await;
    let kopi = world.organization("kopi").await;
    let database = world.database().await;
    let change = async |user: &User, password: &str| {
        let request = proto::identity::v1::ChangePasswordRequest {
            user_id: user.user_id.clone(),
            current_password: password.to_owned(),
            new_password: NEW.to_owned(),
            requester: requester(HOME, "en"),
            ..Default::default()
        };
        reason(world.gateway().identity.change_password(request).await)
    };
    for (username, by_log_in) in [("budi", true), ("sari", false)] {
        let user = world.user(&kopi, Person::named(username)).await;
        for number in 0..5 {
            let outcome = match by_log_in {
                true => guess(&world, username, HOME).await,
                false => change(&user, "not the password").await,
            };
            assert_eq!(outcome, "PASSWORD_MISMATCH", "{username}, guess {number}");
        }
        hold(&database).await;
        let log_in = async || reason(log_in(world.gateway(), username, PASSWORD, HOME).await);
        assert_eq!(change(&user, PASSWORD).await, "RATE_LIMITED", "{username}: also with the right one");
        assert_eq!(log_in().await, "RATE_LIMITED", "{username}: also with the right one");
        release(&database).await;
        assert_eq!(change(&user, "not the password").await, "PASSWORD_MISMATCH", "{username}: one more");
        hold(&database).await;
        assert_eq!(log_in().await, "RATE_LIMITED", "{username}: what the other way did counts");
        release(&database).await;
        assert_eq!(change(&user, PASSWORD).await, "OK", "{username}: the wait is over");
    }
}
