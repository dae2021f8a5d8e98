//! Our own mail server is away: nobody's mail fails for that.

use e2e::{Act, Person, Phase, Rule, World, world::Program};
use proto::identity::v1::{DeliveryState, NotSentReason};
use testbed::ports;

use super::relay;
use crate::{
    crowd::{address, all_ask, crowd},
    waiting::{BOUND, until_number},
};

#[tokio::test(flavor = "multi_thread")]
async fn mails_are_held_while_the_mail_server_is_down_and_sent_when_it_is_back() {
    let port = ports::free();
    let sink = relay(port).await;
    let world = World::build().wide_limits().set(format!("mailer.smtp.relays.0.port={port}")).start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 12).await;
    drop(sink);

    let requests = all_ask(&world, &names).await;
    // As many as the mailer takes at once; the others stay in the queue.
    let held = "SELECT count(*) FROM resets WHERE delivery_state = 8 AND hold_time IS NOT NULL";
    until_number(&world, held, 8).await;
    let mut states = Vec::new();
    for request in requests.values() {
        let reset = world.resets_of(request).await.remove(0);
        assert_eq!(reset.hold_time.is_some(), reset.delivery_state() == DeliveryState::Held);
        states.push(reset.delivery_state());
    }
    // A confirm may still be on its way to the outbox.
    let waits = [DeliveryState::Held, DeliveryState::Queued, DeliveryState::Pending];
    assert!(states.iter().all(|state| waits.contains(state)), "{states:?}");
    let health = world.admin(Program::Mailer, 0, "/readyz");
    assert_eq!(health.status, 503);
    assert!(health.body.contains("relay: ") && !health.body.contains("relay: ok"), "{}", health.body);

    let sink = relay(port).await;
    let all = |mails: &[std::sync::Arc<_>]| (mails.len() >= 12).then_some(());
    sink.wait_for(BOUND, all).await.expect("all mails come");
    for (name, request) in &requests {
        let reset = world.reset_in(request, DeliveryState::Sent).await;
        assert_eq!(reset.hold_time, None);
        assert_eq!(reset.attempts.len(), 1, "a hold is no attempt of its own");
        assert_eq!(sink.mails_to(&address(name)).len(), 1);
    }
    assert_eq!(world.admin(Program::Mailer, 0, "/readyz").status, 200);
}

#[tokio::test]
async fn a_mail_server_that_will_not_talk_to_us_holds_mails_and_fails_none() {
    let refusals = [
        Rule::at(Phase::Banner, Act::Drop),
        Rule::reply(Phase::Banner, 554, "5.7.1 no service for you"),
        Rule::reply(Phase::Mail, 550, "5.7.1 sender refused"),
        Rule::reply(Phase::Mail, 530, "5.7.0 authentication required"),
    ];
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    for (before, refusal) in refusals.into_iter().enumerate() {
        // Connections that are open already, however many, are of no use either.
        if before < 2 {
            world.script(Rule::at(Phase::Mail, Act::Drop));
        }
        world.script(refusal.clone());
        let request = world.request_reset("budi").await;
        let held = world.reset_in(&request, DeliveryState::Held).await;
        assert!(held.hold_time.is_some(), "{refusal:?}");
        assert_eq!(world.sink().mails().len(), before);

        world.sink().behave();
        let sent = world.reset_in(&request, DeliveryState::Sent).await;
        assert_eq!(sent.hold_time, None);
        assert_eq!(world.sink().mails().len(), before + 1);
    }
}

#[tokio::test]
async fn a_mail_held_past_the_end_of_its_link_is_not_sent() {
    let mut world = World::build().set("identity.resets.self_service_life=3s").start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.script(Rule::reply(Phase::Mail, 550, "5.7.1 sender refused"));
    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Held).await;
    let over = world.reset_in(&request, DeliveryState::NotSent).await;
    assert_eq!(over.not_sent_reason(), NotSentReason::Expired);
    world.sink().behave();
    until_number(&world, "SELECT count(*) FROM outbox", 0).await;
    // What it still has in its hands it finishes before it ends.
    assert!(world.terminate(Program::Mailer, 0).success());
    world.broker().await.wait_ready("mailer.requests", 0).await;
    assert!(world.sink().mails().is_empty());
}
