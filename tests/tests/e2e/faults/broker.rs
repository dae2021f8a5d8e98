//! The broker is away, dies, or loses what it had.

use std::time::Duration;

use e2e::{Person, World, world::Program};
use proto::identity::v1::DeliveryState;
use tonic_health::pb::health_check_response::ServingStatus;

use super::health;
use crate::{
    crowd::{address, all_ask, all_mailed, all_sent, by_message_id, crowd},
    waiting::{number, until, until_number},
};

/// What the relay counts when nothing is bound for a message.
const UNROUTABLE: &str = r#"outcome="unroutable""#;

#[tokio::test(flavor = "multi_thread")]
async fn requests_accepted_without_a_broker_are_each_mailed_once_after_identity_was_killed_too() {
    let mut world = World::build().own_broker().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 20).await;

    world.broker_process().stop().expect("the broker stops");
    let requests = all_ask(&world, &names).await;
    until_number(&world, "SELECT count(*) FROM outbox", 20).await;
    until("identity sees that the broker is away", async || {
        let page = world.admin(Program::Identity, 0, "/healthz").body;
        (!page.contains("broker: ok")).then_some(())
    })
    .await;
    assert_eq!(health(&world).await, ServingStatus::Serving);
    assert_eq!(world.admin(Program::Identity, 0, "/readyz").status, 200);

    world.kill(Program::Identity, 0);
    world.broker_process().restart().expect("the broker starts again");
    world.start_again(Program::Identity, 0);

    all_mailed(&world, &names).await;
    all_sent(&world, &requests).await;
    let mails = by_message_id(&world);
    assert_eq!(mails.len(), 20);
    assert_eq!(world.sink().mails().len(), 20);
    assert_eq!(number(&world, "SELECT count(*) FROM outbox").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_while_messages_come_in_loses_none_of_them() {
    let mut world = World::build().own_broker().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 60).await;
    // Until it is written out, a killed RabbitMQ 3.10 forgets the name of a new queue, and so the queue.
    world.broker_process().stop().expect("the broker stops");
    world.broker_process().restart().expect("the broker starts again");
    world.user(&kopi, Person::named("budi").email(&address("budi"))).await;
    let first = world.request_reset("budi").await;
    world.reset_in(&first, DeliveryState::Sent).await;

    // The second half is on its way when it dies.
    let mut requests = all_ask(&world, &names[..30]).await;
    requests.extend(all_ask(&world, &names[30..]).await);
    world.broker_process().kill();
    world.broker_process().restart().expect("the broker starts again");

    all_mailed(&world, &names).await;
    all_sent(&world, &requests).await;
    assert_eq!(by_message_id(&world).len(), 61);
    assert_eq!(world.sink().mails().len(), 61, "the mailer remembers what it has sent");
}

#[tokio::test]
async fn connections_that_an_operator_closes_are_made_anew_within_five_seconds() {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let first = world.request_reset("budi").await;
    world.reset_in(&first, DeliveryState::Sent).await;

    let closed = close_connections(&world).await;
    // Two to publish and two to consume.
    assert!(closed >= 4, "{closed} connections");
    let since = std::time::Instant::now();
    let second = world.request_reset("budi").await;
    world.reset_in(&second, DeliveryState::Sent).await;
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert_eq!(world.sink().mails().len(), 2);
}

/// Closes all connections of the world's virtual host, as the management page does.
async fn close_connections(world: &World) -> usize {
    let list = || {
        let answer = world.rabbitmq().api("GET", &format!("vhosts/{}/connections", world.vhost()), None);
        let answer = answer.expect("the broker answers").body;
        let connections: serde_json::Value = serde_json::from_str(&answer).expect("it is JSON");
        let names = connections.as_array().into_iter().flatten().filter_map(|it| it["name"].as_str());
        names.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    // The management page learns of connections some time after they are made.
    let names = until("four connections are known", async || Some(list()).filter(|names| names.len() >= 4)).await;
    for name in &names {
        let name = name.replace(' ', "%20").replace('>', "%3E").replace(':', "%3A");
        let answer = world.rabbitmq().api("DELETE", &format!("connections/{name}"), None).expect("the broker answers");
        assert!(answer.is_ok() || answer.status == 404, "{}: {}", answer.status, answer.body);
    }
    names.len()
}

#[tokio::test]
async fn mails_that_were_lost_with_their_queue_are_published_again() {
    let mut world = World::build().wide_limits().set("identity.resets.silence=2s").start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 3).await;
    world.kill(Program::Mailer, 0);
    let requests = all_ask(&world, &names).await;
    for request in requests.values() {
        world.reset_in(request, DeliveryState::Queued).await;
    }
    let broker = world.broker().await;
    broker.wait_ready("mailer.requests", 3).await;

    let path = format!("queues/{}/mailer.requests", world.vhost());
    assert!(world.rabbitmq().api("DELETE", &path, None).expect("the broker answers").is_ok());
    world.start_again(Program::Mailer, 0);

    all_mailed(&world, &names).await;
    all_sent(&world, &requests).await;
    assert_eq!(world.sink().mails().len(), 3);
}

#[tokio::test]
async fn a_queue_deleted_under_a_running_mailer_is_declared_again() {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;

    let path = format!("queues/{}/mailer.requests", world.vhost());
    assert!(world.rabbitmq().api("DELETE", &path, None).expect("the broker answers").is_ok());
    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Sent).await;
    assert_eq!(world.sink().mails().len(), 1);
}

#[tokio::test]
async fn an_event_that_no_queue_takes_is_kept_and_counted_until_one_does() {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("orang1").email(&address("orang1"))).await;
    let key = "identity.reset.requested.v1";
    let bindings = format!("bindings/{}/e/identity.events/q/mailer.requests", world.vhost());
    let deleted = world.rabbitmq().api("DELETE", &format!("{bindings}/{key}"), None).expect("the broker answers");
    assert!(deleted.is_ok(), "{}: {}", deleted.status, deleted.body);

    let request = world.request_reset("orang1").await;
    until("it is counted", async || {
        world.admin(Program::Identity, 0, "/metrics").body.contains(UNROUTABLE).then_some(())
    })
    .await;
    assert_eq!(world.resets_of(&request).await[0].delivery_state(), DeliveryState::Pending);

    let body = serde_json::json!({ "routing_key": key });
    assert!(world.rabbitmq().api("POST", &bindings, Some(&body)).expect("the broker answers").is_ok());
    world.reset_in(&request, DeliveryState::Sent).await;
    assert_eq!(world.sink().mails().len(), 1);
}
