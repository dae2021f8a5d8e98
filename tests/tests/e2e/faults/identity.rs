//! The identity service dies between two steps.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use e2e::{Person, World, client::Client, people::PASSWORD, world::Program};
use futures::future::join_all;
use proto::identity::v1::{Role, User, UserState, VerifyPasswordRequest};
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    calls::{admin_reset, set_state},
    crowd::{address, all_ask, all_mailed, all_sent, by_message_id, crowd},
    waiting::{until, until_number},
};

/// Statements that wait for a lock.
const WAITING: &str = "SELECT least(count(*), 1) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                       WHERE NOT l.granted AND d.datname = current_database()";

/// A connection as the owner, for locks that are held while a program dies.
async fn owner(world: &World) -> PgConnection {
    let url = &world.sandi().plan().servers.database_owner;
    PgConnection::connect(url).await.expect("the database answers")
}

#[tokio::test]
async fn requests_are_issued_and_mailed_once_when_identity_is_killed_right_after_it_accepted_them() {
    let mut world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 20).await;

    // Nobody can issue a link while the table is locked; a request needs another table.
    let mut owner = owner(&world).await;
    let mut lock = owner.begin().await.expect("a transaction begins");
    lock.execute("LOCK TABLE resets IN ACCESS EXCLUSIVE MODE").await.expect("it is locked");
    let requests = all_ask(&world, &names).await;
    world.kill(Program::Identity, 0);
    lock.rollback().await.expect("it is unlocked");
    until_number(&world, "SELECT count(*) FROM reset_requests WHERE due_time IS NOT NULL", 20).await;
    assert!(world.sink().mails().is_empty());

    world.start_again(Program::Identity, 0);
    all_mailed(&world, &names).await;
    all_sent(&world, &requests).await;
    assert_eq!(by_message_id(&world).len(), 20);
    assert_eq!(world.sink().mails().len(), 20);
}

#[tokio::test]
async fn messages_published_again_because_identity_was_killed_before_it_noted_them_are_mailed_once() {
    let mut world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 20).await;
    world.kill(Program::Mailer, 0);

    // What was confirmed cannot be noted while the lock is held.
    let mut owner = owner(&world).await;
    owner
        .execute(
            "CREATE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql
                 AS $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$;
             CREATE TRIGGER wait_for_the_test BEFORE UPDATE ON outbox
                 FOR EACH ROW WHEN (NEW.due_time IS NULL) EXECUTE FUNCTION wait_for_the_test();
             SELECT pg_advisory_lock(4711);",
        )
        .await
        .expect("the trap is laid");
    let requests = all_ask(&world, &names).await;
    until_number(&world, WAITING, 1).await;
    world.kill(Program::Identity, 0);
    // The first claims, which may be all of them; the broker still reads what was sent to it.
    let broker = world.broker().await;
    let mut first = broker.ready("mailer.requests").await;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let then = std::mem::replace(&mut first, broker.ready("mailer.requests").await);
        if then == first {
            break;
        }
    }
    assert!((1..=20).contains(&first), "{first} were published");
    owner
        .execute("DROP TRIGGER wait_for_the_test ON outbox; SELECT pg_advisory_unlock(4711);")
        .await
        .expect("the trap is removed");

    world.start_again(Program::Identity, 0);
    broker.wait_ready("mailer.requests", 20 + first).await;
    world.start_again(Program::Mailer, 0);
    all_mailed(&world, &names).await;
    all_sent(&world, &requests).await;
    broker.wait_ready("mailer.requests", 0).await;
    assert!(world.terminate(Program::Mailer, 0).success());
    broker.wait_ready("mailer.requests", 0).await;
    assert_eq!(by_message_id(&world).len(), 20);
    assert_eq!(world.sink().mails().len(), 20);
}

/// Users whose calls are going on when identity dies.
const LOAD: usize = 90;

/// A call about a user; its name when it was answered with OK.
async fn answered(mut client: Client, siti: User, user: User, number: usize) -> Option<(&'static str, String)> {
    let (action, outcome) = match number % 3 {
        0 => ("UpdateUser", set_state(client, &user, UserState::Disabled).await.map(drop)),
        1 => ("AdminReset", admin_reset(client, &siti, &user).await.map(drop)),
        _ => {
            let request = VerifyPasswordRequest {
                username: user.username.clone(),
                password: PASSWORD.to_owned(),
                requester: None,
            };
            ("VerifyPassword", client.identity.verify_password(request).await.map(drop))
        }
    };
    outcome.is_ok().then_some((action, user.user_id))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_that_was_answered_is_on_record_when_identity_is_killed_under_load() {
    let mut world = World::build().identities(2).mailers(0).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin).password("")).await;
    let mut users = Vec::new();
    for number in 0..LOAD {
        let name = format!("orang{number}");
        // Only who logs in needs one.
        let password = if number % 3 == 2 { PASSWORD } else { "" };
        users.push(world.user(&kopi, Person::named(&name).email(&address(&name)).password(password)).await);
    }
    let count = Arc::new(AtomicUsize::new(0));
    let calls: Vec<_> = (users.into_iter().enumerate())
        .map(|(number, user)| {
            let caller = if number % 3 == 0 { "crm" } else { "gateway" };
            let (client, siti, count) = (world.client(caller, number / 3 % 2), siti.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                // One after the other, so that some are early and some late.
                tokio::time::sleep(Duration::from_millis(10 * number as u64)).await;
                let answered = answered(client, siti, user, number).await;
                count.fetch_add(usize::from(answered.is_some()), Ordering::SeqCst);
                answered
            })
        })
        .collect();
    until("some are answered", async || (count.load(Ordering::SeqCst) >= LOAD / 6).then_some(())).await;
    world.kill(Program::Identity, 0);
    let ended = join_all(calls).await.into_iter().map(|call| call.expect("it ends"));
    let answered: Vec<(&str, String)> = ended.flatten().collect();
    assert!((LOAD / 6..LOAD).contains(&answered.len()), "it was killed in the middle: {}", answered.len());

    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT action, user_id::text FROM audit_events
         WHERE outcome = 'ok' AND action IN ('UpdateUser', 'AdminReset', 'VerifyPassword')",
    )
    .fetch_all(&world.database().await)
    .await
    .expect("the owner may read");
    for (action, user) in &answered {
        let kept = rows.iter().filter(|(kept, of)| kept == action && of == user).count();
        assert_eq!(kept, 1, "{action} of {user}");
    }
}
