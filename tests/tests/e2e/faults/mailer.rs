//! The mailer dies, freezes, or was off for too long.

use std::time::{Duration, Instant};

use e2e::{Act, Entry, Person, Phase, Rule, World, world::Program};
use proto::identity::v1::{DeliveryState, LinkState, NotSentReason};
use testbed::rabbitmq::MAILER;
use time::OffsetDateTime;

use super::signal;
use crate::{
    crowd::{address, all_ask, all_mailed, all_sent, by_message_id, crowd},
    waiting::{BOUND, until, until_number, until_within},
};

/// Twice the four connections of the default settings: what the mailer has in its hands at most.
const IN_FLIGHT: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_mailer_killed_in_the_middle_of_fifty_mails_loses_none_and_repeats_only_those_in_flight() {
    let mut world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 50).await;
    world.script(Rule::at(Phase::Final, Act::Delay(Duration::from_millis(300))));

    let requests = all_ask(&world, &names).await;
    let middle = world.sink().wait_for(BOUND, |mails| (mails.len() >= 20).then_some(mails.len())).await;
    world.kill(Program::Mailer, 0);
    let middle = middle.expect("mails come");
    assert!(middle < 45, "{middle} were sent before the kill");
    world.start_again(Program::Mailer, 0);

    all_mailed(&world, &names).await;
    all_sent(&world, &requests).await;
    // Nothing is on its way any more.
    assert!(world.terminate(Program::Mailer, 0).success());
    let mails = by_message_id(&world);
    assert_eq!(mails.len(), 50);
    assert!(mails.values().all(|count| *count <= 2), "{mails:?}");
    let twice = mails.values().filter(|count| **count == 2).count();
    assert!(twice <= IN_FLIGHT, "{twice} were sent twice");
}

#[tokio::test]
async fn a_mailer_killed_before_it_handed_a_mail_over_sends_it_once() {
    let mut world = World::start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.script(Rule::at(Phase::Recipient, Act::Silence));

    let request = world.request_reset("budi").await;
    until("the dialogue is under way", async || {
        world.sink().journal().iter().any(|entry| entry.phase == Phase::Recipient).then_some(())
    })
    .await;
    world.kill(Program::Mailer, 0);
    world.sink().behave();
    world.start_again(Program::Mailer, 0);
    let reset = world.reset_in(&request, DeliveryState::Sent).await;
    assert_eq!(reset.attempts.len(), 1);
    assert_eq!(world.sink().mails().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_sent_twice_because_its_status_never_got_out_is_the_same_mail() {
    let mut world = World::start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;

    // The mailer may not publish a status, so it cannot acknowledge the message either.
    allow_mailer_to_write(&world, r"^mailer\.(requests|parked)$");
    let request = world.request_reset("budi").await;
    world.mail_to("budi@kopi.example").await;
    until("the status is refused", async || {
        world.log(Program::Mailer, 0).contains("the status is not confirmed").then_some(())
    })
    .await;
    assert_eq!(world.resets_of(&request).await[0].delivery_state(), DeliveryState::Queued);
    world.kill(Program::Mailer, 0);
    allow_mailer_to_write(
        &world,
        messaging::topology::permissions(messaging::Side::Mailer, messaging::topology::Declares::Programs).write,
    );
    world.start_again(Program::Mailer, 0);

    world.reset_in(&request, DeliveryState::Sent).await;
    let mails = world.sink().mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(by_message_id(&world).len(), 1, "one Message-ID, one recipient, one link");
}

fn allow_mailer_to_write(world: &World, write: &str) {
    let rights = messaging::topology::permissions(messaging::Side::Mailer, messaging::topology::Declares::Programs);
    let rights = serde_json::json!({ "configure": rights.configure, "write": write, "read": rights.read });
    let path = format!("permissions/{}/{MAILER}", world.vhost());
    assert!(world.rabbitmq().api("PUT", &path, Some(&rights)).expect("the broker answers").is_ok());
}

#[tokio::test]
async fn a_mailer_that_was_frozen_past_the_end_of_a_link_does_not_send_it() {
    let world = World::build().set("identity.resets.self_service_life=3s").start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.script(Rule::at(Phase::Recipient, Act::Delay(Duration::from_secs(1))));

    let request = world.request_reset("budi").await;
    // The recipient's answer is waited for: the sender's is written down.
    until("the dialogue is under way", async || {
        world.sink().journal().iter().any(|entry| entry.phase == Phase::Mail).then_some(())
    })
    .await;
    signal("STOP", world.pid(Program::Mailer, 0));
    let over = until("the link is over", async || {
        let reset = world.resets_of(&request).await.pop()?;
        (reset.link_state() == LinkState::Expired).then_some(())
    });
    over.await;
    signal("CONT", world.pid(Program::Mailer, 0));

    let reset = world.reset_in(&request, DeliveryState::NotSent).await;
    assert_eq!(reset.not_sent_reason(), NotSentReason::Expired);
    let journal = world.sink().journal();
    assert!(journal.iter().any(|entry| entry.phase == Phase::Recipient), "it thawed in the middle");
    assert!(journal.iter().all(|entry| entry.phase != Phase::Data), "no content was offered");
    assert!(world.sink().mails().is_empty());
}

#[tokio::test]
async fn an_event_that_expired_in_the_queue_while_the_mailer_was_off_is_not_mailed() {
    let mut world = World::build().wide_limits().set("identity.resets.self_service_life=2s").start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.kill(Program::Mailer, 0);
    let request = world.request_reset("budi").await;
    let broker = world.broker().await;
    broker.wait_ready("mailer.requests", 1).await;
    until("the link is over", async || {
        let reset = world.resets_of(&request).await.pop()?;
        (reset.link_state() == LinkState::Expired).then_some(())
    })
    .await;
    assert_eq!(world.resets_of(&request).await[0].delivery_state(), DeliveryState::Queued);

    world.start_again(Program::Mailer, 0);
    let reset = world.reset_in(&request, DeliveryState::NotSent).await;
    assert_eq!(reset.not_sent_reason(), NotSentReason::Expired);
    assert_eq!(reset.attempts.len(), 1, "the mailer said so, before the sweep");
    assert!(world.sink().mails().is_empty());
    broker.wait_ready("mailer.parked", 0).await;
    until_number(&world, "SELECT count(*) FROM outbox", 0).await;
    let metrics = world.admin(Program::Mailer, 0, "/metrics").body;
    assert!(metrics.contains(r#"outcome="expired""#), "{metrics}");
}

#[tokio::test]
async fn a_mail_whose_time_ends_while_nobody_reads_the_queue_is_given_up_in_time() {
    let mut world = World::build().set("identity.resets.self_service_life=1s").start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.kill(Program::Mailer, 0);
    let request = world.request_reset("budi").await;
    // By the sweep: some seconds for a status on its way, and never more than five minutes.
    let reset = until_within(Duration::from_secs(40), "it is given up", async || {
        let reset = world.resets_of(&request).await.pop()?;
        (reset.delivery_state() == DeliveryState::NotSent).then_some(reset)
    })
    .await;
    assert_eq!(reset.not_sent_reason(), NotSentReason::Expired);
    until_number(&world, "SELECT count(*) FROM outbox", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailer_ended_in_the_middle_of_its_work_finishes_what_it_holds_and_repeats_nothing() {
    let mut world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 50).await;
    world.script(Rule::at(Phase::Final, Act::Delay(Duration::from_millis(200))));

    let requests = all_ask(&world, &names).await;
    let middle = world.sink().wait_for(BOUND, |mails| (mails.len() >= 15).then_some(mails.len())).await;
    let began = Instant::now();
    let status = world.terminate(Program::Mailer, 0);
    assert!(status.success(), "{status}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(middle.expect("mails come") < 45);
    world.start_again(Program::Mailer, 0);

    all_mailed(&world, &names).await;
    all_sent(&world, &requests).await;
    assert!(world.terminate(Program::Mailer, 0).success());
    assert_eq!(by_message_id(&world).len(), 50);
    assert_eq!(world.sink().mails().len(), 50);
}

#[tokio::test]
async fn a_slow_mailbox_does_not_hold_up_the_others() {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 20).await;
    for slow in &names[..2] {
        let rule = Rule::at(Phase::Final, Act::Delay(Duration::from_secs(8)));
        world.script(rule.to(address(slow)));
    }
    let requests = all_ask(&world, &names).await;
    let since = Instant::now();
    let quick = requests.iter().filter(|(name, _)| !names[..2].contains(name));
    for (_, request) in quick {
        world.reset_in(request, DeliveryState::Sent).await;
    }
    assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
    all_sent(&world, &requests).await;
}

#[tokio::test]
async fn a_message_that_ended_its_mailer_twice_is_handled_alone() {
    let mut world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 6).await;
    let (poison, neighbours) = names.split_first().expect("there are some");
    world.script(Rule::at(Phase::Recipient, Act::Silence).to(address(poison)));
    let looks = |world: &World, name: &str| -> Vec<OffsetDateTime> {
        let journal = world.sink().journal();
        let at = |entry: &Entry| entry.phase == Phase::Recipient && entry.recipient.as_deref() == Some(&address(name));
        journal.iter().filter(|entry| at(entry)).map(|entry| entry.time).collect()
    };
    all_ask(&world, &names[..1]).await;
    for round in 1..=2 {
        until("it is in the mailer's hands", async || (looks(&world, poison).len() == round).then_some(())).await;
        world.kill(Program::Mailer, 0);
        if round == 2 {
            all_ask(&world, neighbours).await;
            world.broker().await.wait_ready("mailer.requests", 6).await;
        }
        world.start_again(Program::Mailer, 0);
    }
    let waited = world.sink().wait_for(Duration::from_secs(40), |mails| (mails.len() == 5).then_some(()));
    waited.await.expect("the neighbours are mailed");
    let third = looks(&world, poison)[2];
    for name in neighbours {
        // Not beside it, until it has had its time: 10 s, less what it took it to get so far.
        let waited = (looks(&world, name)[0] - third).as_seconds_f32();
        assert!(waited > 5.0, "{name}: {waited} s");
    }
    let broker = world.broker().await;
    broker.wait_ready("mailer.parked", 0).await;
}
