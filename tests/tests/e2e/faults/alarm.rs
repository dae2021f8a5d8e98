//! The broker is away at the start, and then takes nothing because its disk is full.

use e2e::{Person, World, world::Program};
use proto::identity::v1::DeliveryState;
use tonic_health::pb::health_check_response::ServingStatus;

use super::health;
use crate::{
    crowd::address,
    metrics,
    waiting::{number, until},
};

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_accepted_while_the_broker_is_away_at_the_start_or_takes_nothing_more() {
    let mut world = World::build().own_broker().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email(&address("budi"))).await;
    world.broker_process().stop().expect("the broker stops");
    assert!(world.terminate(Program::Identity, 0).success());
    world.start_again(Program::Identity, 0);
    assert_eq!(health(&world).await, ServingStatus::Serving);
    let before = world.request_reset("budi").await;
    until("it waits in the outbox", async || (number(&world, OUTBOX).await == 1).then_some(())).await;
    world.broker_process().restart().expect("the broker starts again");
    world.reset_in(&before, DeliveryState::Sent).await;

    world.broker_process().control(&["set_disk_free_limit", "999999GB"]).expect("the alarm goes off");
    until("identity is told to stop publishing", async || {
        let request = world.request_reset("budi").await;
        let told = world.log(Program::Identity, 0).contains("the broker takes no messages for now");
        told.then_some(request)
    })
    .await;
    let blocked = |world: &World| metrics::sum(world, Program::Identity, "sandi_broker_blocked", "");
    assert_eq!(blocked(&world), 1.0);
    let page = world.admin(Program::Identity, 0, "/healthz");
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("publishing: the broker takes nothing for now: it lacks memory or disk"),
        "{}",
        page.body
    );
    let during = world.request_reset("budi").await;
    until("it is issued", async || world.resets_of(&during).await.pop().filter(|reset| !reset.reset_id.is_empty()))
        .await;
    assert_eq!(health(&world).await, ServingStatus::Serving);
    assert_eq!(world.resets_of(&during).await[0].delivery_state(), DeliveryState::Pending);
    world.broker_process().control(&["set_disk_free_limit", "50MB"]).expect("the alarm is over");
    world.reset_in(&during, DeliveryState::Sent).await;
    assert_eq!(blocked(&world), 0.0);
}

const OUTBOX: &str = "SELECT count(*) FROM outbox";
