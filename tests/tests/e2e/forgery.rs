//! Somebody has a broker account and the mailer's public key. What he writes is not mailed, and what
//! he repeats is not mailed again.

mod forged;
mod header;
mod replayed;
mod rights;
mod sealer;

use e2e::{Person, World, broker::Message, world::Program};
use lapin::BasicProperties;
use messaging::topology::{IDENTITY_EVENTS, MAILER_REQUESTS};
use prost::Message as _;
use proto::identity::{events::v1::ResetRequested, v1::DeliveryState};

/// A mail event as it travels, and the request that it answers.
struct Captured {
    request: String,
    message: Message,
}

impl Captured {
    fn event(&self) -> ResetRequested {
        ResetRequested::decode(self.message.body.as_slice()).expect("it is one of ours")
    }
}

/// A world with `budi` and `sari`, whose mailer is off, and the event of each of these names, taken out of its queue.
async fn captured(names: &[&str]) -> (World, Vec<Captured>) {
    let mut world = World::build().wide_limits().start().await;
    world.kill(Program::Mailer, 0);
    let kopi = world.organization("kopi").await;
    for name in ["budi", "sari"] {
        world.user(&kopi, Person::named(name).email(&format!("{name}@surat.example")).password("")).await;
    }
    let broker = world.broker().await;
    let mut all = Vec::new();
    for name in names {
        let request = world.request_reset(name).await;
        world.reset_in(&request, DeliveryState::Queued).await;
        broker.wait_ready(MAILER_REQUESTS, 1).await;
        all.push(Captured { request, message: broker.take(MAILER_REQUESTS).await.remove(0) });
    }
    (world, all)
}

/// Publishes as the identity service's broker account.
async fn publish(world: &World, routing_key: &str, body: &[u8], message_id: &str) {
    let properties = BasicProperties::default().with_message_id(message_id.into()).with_delivery_mode(2);
    let broker = world.broker_as_identity().await;
    assert!(broker.publish(IDENTITY_EVENTS, routing_key, body, properties).await, "a queue takes it");
}
