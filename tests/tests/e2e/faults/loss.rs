//! All that the broker had is gone.

use e2e::{Phase, Rule, World, world::Program};
use proto::identity::v1::DeliveryState;

use crate::{
    crowd::{address, all_ask, all_sent, by_message_id, crowd},
    waiting::until_number,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_accepted_resets_survive_the_loss_of_all_of_the_brokers_data() {
    let mut world = World::build()
        .own_broker()
        .wide_limits()
        .set("identity.resets.silence=3s")
        .set(r#"identity.resets.retry_gaps=["12s"]"#)
        .start()
        .await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 100).await;
    let (deferred, others) = names.split_at(35);
    let (queued, pending) = others.split_at(35);

    for name in deferred {
        world.script(Rule::reply(Phase::Recipient, 451, "4.7.1 greylisted").to(address(name)).times(1));
    }
    let mut requests = all_ask(&world, deferred).await;
    for request in requests.values() {
        world.reset_in(request, DeliveryState::Deferred).await;
    }
    world.kill(Program::Mailer, 0);
    let waiting = all_ask(&world, queued).await;
    for request in waiting.values() {
        world.reset_in(request, DeliveryState::Queued).await;
    }
    requests.extend(waiting);
    world.broker_process().lose_data().expect("it is all gone");
    requests.extend(all_ask(&world, pending).await);
    until_number(&world, "SELECT count(*) FROM outbox", 100).await;

    world.broker_process().restart().expect("the broker starts again");
    world.rabbitmq().create_vhost(world.vhost()).expect("the virtual host is made again");
    world.start_again(Program::Mailer, 0);
    all_sent(&world, &requests).await;
    assert_eq!(by_message_id(&world).len(), 100);
    assert_eq!(world.sink().mails().len(), 100);
    until_number(&world, "SELECT count(*) FROM outbox", 0).await;
}
