//! The database's disk is full: nothing is taken that cannot be kept, and nobody is told that all is well.

use std::time::Duration;

use e2e::{Person, Refusal, World, people::PASSWORD, world::Program};
use proto::identity::v1::{DeliveryState, RequestResetRequest, request_reset_request::Identifier};
use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;

use super::health;
use crate::{
    crowd::{address, by_message_id},
    waiting::{number, until, until_within},
};

/// How large the disk is, in MiB: the server alone fills a third of it.
const DISK: u32 = 128;
/// How long the fault may stay unseen, and its end (faults.md, G-05).
const BOUND: Duration = Duration::from_secs(10);
/// Some pages of the table have room; what fits there is accepted, and kept.
const UNTIL_PAGES_ARE_FULL: usize = 1000;
/// A user, somebody without an account, and another.
const NAMES: [&str; 3] = ["budi", "tidak-ada", "wayan"];
/// Refusals of each name.
const ENOUGH: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_database_is_told_and_everybody_is_refused_alike_until_there_is_room() {
    let world = World::build().small_disk(DISK).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email(&address("budi"))).await;
    let before = world.request_reset("budi").await;
    world.reset_in(&before, DeliveryState::Sent).await;

    let postgres = world.own_database();
    postgres.fill_disk(true).expect("it fills up");
    until_within(BOUND, "health says so", async || (health(&world).await == ServingStatus::NotServing).then_some(()))
        .await;
    let page = world.admin(Program::Identity, 0, "/readyz");
    assert_eq!((page.status, page.body.as_str()), (503, "database: the database's disk is full\n"));
    assert_eq!(world.admin(Program::Identity, 0, "/livez").status, 200);
    let said = world.command(Program::Identity, &["doctor"]).expect_err("the doctor sees it too");
    assert!(format!("{said:#}").contains("1 of the checks failed"), "{said:#}");

    let mut accepted = vec![before];
    let (mut refused, mut first) = ([0; NAMES.len()], None);
    for round in 0.. {
        for (name, refused) in NAMES.iter().zip(&mut refused) {
            match ask(&world, name).await {
                Ok(request) => accepted.push(request),
                Err(status) => {
                    let refusal = Refusal::from(&status);
                    assert_eq!(first.get_or_insert_with(|| refusal.clone()), &refusal, "{name}");
                    *refused += 1;
                }
            }
        }
        if refused.iter().all(|count| *count >= ENOUGH) {
            break;
        }
        assert!(round < UNTIL_PAGES_ARE_FULL, "{refused:?} were refused");
    }
    let refusal = first.expect("there are refusals");
    assert_eq!((refusal.code, refusal.reason.as_str()), (Code::Unavailable, "DEPENDENCY_UNAVAILABLE"), "{refusal:?}");
    assert!(refusal.retry_after.is_some(), "{refusal:?}");
    assert_eq!(health(&world).await, ServingStatus::NotServing, "it stays so");

    postgres.fill_disk(false).expect("there is room again");
    until_within(BOUND, "health recovers", async || (health(&world).await == ServingStatus::Serving).then_some(()))
        .await;
    world.log_in("budi", PASSWORD).await.expect("all is well again");
    let after = ask(&world, "budi").await.expect("there is room");
    world.reset_in(&after, DeliveryState::Sent).await;
    accepted.push(after);
    until("every accepted request is resolved", async || {
        (number(&world, "SELECT count(*) FROM reset_requests WHERE due_time IS NOT NULL").await == 0).then_some(())
    })
    .await;
    let kept = number(&world, "SELECT count(*) FROM reset_requests").await;
    assert_eq!(usize::try_from(kept).expect("some"), accepted.len(), "what was accepted was kept, and nothing else");
    let links = number(&world, "SELECT count(*) FROM resets WHERE token_digest IS NOT NULL").await;
    until("each link is mailed", async || (i64::try_from(by_message_id(&world).len()) == Ok(links)).then_some(()))
        .await;
}

async fn ask(world: &World, name: &str) -> Result<String, Status> {
    let request = RequestResetRequest {
        identifier: Some(Identifier::Username(name.to_owned())),
        requester: e2e::people::requester("203.0.113.7", "id"),
        ..Default::default()
    };
    world.gateway().identity.request_reset(request).await.map(|answer| answer.into_inner().request_id)
}
