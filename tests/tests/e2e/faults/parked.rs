//! The parked queue is full.

use e2e::{Person, World};
use proto::identity::v1::DeliveryState;

use crate::{crowd::address, waiting::until};

#[tokio::test]
async fn what_cannot_be_parked_stays_where_it_is_and_holds_up_nobody() {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email(&address("budi"))).await;
    let policy = serde_json::json!({
        "pattern": "^mailer.parked$", "apply-to": "queues",
        "definition": { "max-length": 1, "overflow": "reject-publish" },
    });
    let path = format!("policies/{}/tiny", world.vhost());
    assert!(world.rabbitmq().api("PUT", &path, Some(&policy)).expect("the broker answers").is_ok());
    let broker = world.broker().await;
    for number in 0..4_u8 {
        let garbage = [b"garbage".as_slice(), &[number]].concat();
        let key = "identity.reset.requested.v1";
        assert!(broker.publish("identity.events", key, &garbage, Default::default()).await, "a queue has it");
    }
    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Sent).await;

    // As there is room again, the others come along: none is lost.
    let mut seen = std::collections::BTreeSet::new();
    until("all four are parked in turn", async || {
        seen.extend(broker.take("mailer.parked").await.into_iter().map(|message| message.body));
        (seen.len() == 4).then_some(())
    })
    .await;
}
