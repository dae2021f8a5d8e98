//! The identity service dies between two steps.

use std::time::Duration;

use e2e::{World, world::Program};
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    crowd::{all_ask, all_mailed, all_sent, by_message_id, crowd},
    waiting::until_number,
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
