//! The line between the identity service and its servers is slow, or breaks at the worst moment.

use std::time::Duration;

use e2e::{Mode, Person, World, people::requester, world::Program};
use proto::identity::v1::{DeliveryState, RequestResetRequest, request_reset_request::Identifier};
use sqlx::{Connection, Executor, PgConnection};
use tonic::Code;

use crate::{
    crowd::{address, all_ask, all_sent, crowd},
    waiting::{BOUND, until, until_number},
};

#[tokio::test]
async fn a_message_whose_confirm_was_never_read_is_mailed_once() {
    let mut world = World::build().wide_limits().proxies().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email(&address("budi"))).await;
    let first = world.request_reset("budi").await;
    world.reset_in(&first, DeliveryState::Sent).await;

    world.broker_line(Mode::HoldReplies);
    let request = world.request_reset("budi").await;
    world.sink().wait_for(BOUND, |mails| (mails.len() == 2).then_some(())).await.expect("it was published");
    assert_eq!(world.resets_of(&request).await[0].delivery_state(), DeliveryState::Pending);
    world.kill(Program::Identity, 0);
    world.broker_line(Mode::Pass);
    world.start_again(Program::Identity, 0);

    until_number(&world, "SELECT count(*) FROM outbox", 0).await;
    world.reset_in(&request, DeliveryState::Sent).await;
    assert_eq!(world.sink().mails().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_broker_slows_no_request_and_many_messages_are_under_way_at_once() {
    let world = World::build().wide_limits().proxies().start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 50).await;
    // Each confirm takes a second: one by one, 50 would take longer than all waits here.
    world.broker_line(Mode::Delay(Duration::from_millis(500)));
    let requests = all_ask(&world, &names).await;
    all_sent(&world, &requests).await;
    assert_eq!(world.sink().mails().len(), 50);
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_after_its_commit_is_the_same_request_when_repeated() {
    let world = World::build().proxies().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email(&address("budi"))).await;
    // The commit itself waits until the lock is gone.
    let mut owner = PgConnection::connect(&world.sandi().plan().servers.database_owner).await.expect("it answers");
    owner
        .execute(
            "CREATE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql
                 AS $$ BEGIN
                     -- Not in line for the lock, for which no statement waits so long.
                     WHILE NOT pg_try_advisory_xact_lock_shared(4711) LOOP PERFORM pg_sleep(0.01); END LOOP;
                     RETURN NULL;
                 END $$;
             CREATE CONSTRAINT TRIGGER wait_for_the_test AFTER INSERT ON reset_requests
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_the_test();
             SELECT pg_advisory_lock(4711);",
        )
        .await
        .expect("the trap is laid");
    let request = RequestResetRequest {
        identifier: Some(Identifier::Username("budi".to_owned())),
        requester: requester("203.0.113.7", "id"),
        idempotency_key: "0e7a7c1e-kunci".to_owned(),
    };
    let (mut gateway, first) = (world.gateway().identity, request.clone());
    let call = tokio::spawn(async move { gateway.request_reset(first).await });
    let waiting = "SELECT count(*) FROM pg_locks
                   WHERE relation = 'reset_requests'::regclass AND mode = 'RowExclusiveLock'";
    until_number(&world, waiting, 1).await;
    world.database_line(Mode::HoldReplies);
    owner.execute("SELECT pg_advisory_unlock(4711)").await.expect("it is unlocked");
    until_number(&world, "SELECT count(*) FROM reset_requests", 1).await;
    world.database_line(Mode::Refuse);
    let lost = call.await.expect("it runs to its end").expect_err("the caller cannot be told");
    assert_eq!(lost.code(), Code::Unavailable, "{lost:?}");

    world.database_line(Mode::Pass);
    let request_id = until("the database is back", async || {
        let answer = world.gateway().identity.request_reset(request.clone()).await;
        answer.ok().map(|answer| answer.into_inner().request_id)
    })
    .await;
    world.reset_in(&request_id, DeliveryState::Sent).await;
    until_number(&world, "SELECT count(*) FROM reset_requests", 1).await;
    assert_eq!(world.sink().mails().len(), 1);
}
