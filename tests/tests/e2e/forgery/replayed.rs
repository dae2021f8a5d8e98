//! Genuine events, again.

use e2e::{World, world::Program};
use messaging::topology::{MAILER_PARKED, MAILER_REQUESTS, RESET_REQUESTED};
use prost::Message as _;
use proto::identity::{
    events::v1::ResetRequested,
    v1::{CheckResetRequest, DeliveryState},
};

use super::{captured, publish};
use crate::{metrics, waiting::until};

/// How many messages the mailer has answered from memory.
async fn until_repeated(world: &World, count: u32) {
    until("the mailer has seen all of them", async || {
        let repeated = metrics::sum(world, Program::Mailer, "sandi_mailer_repeated_total", "");
        (repeated >= f64::from(count)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_event_published_a_hundred_times_is_mailed_once() {
    let (mut world, events) = captured(&["budi"]).await;
    // Half of them lie in the queue together, half of them come when the mail is out.
    for _ in 0..50 {
        publish(&world, RESET_REQUESTED, &events[0].message.body, "again").await;
    }
    world.start_again(Program::Mailer, 0);
    let sent = world.reset_in(&events[0].request, DeliveryState::Sent).await;
    for _ in 0..50 {
        publish(&world, RESET_REQUESTED, &events[0].message.body, "again").await;
    }
    until_repeated(&world, 99).await;
    world.broker().await.wait_ready(MAILER_REQUESTS, 0).await;
    assert_eq!(world.sink().mails().len(), 1);
    assert_eq!(sent.attempts.len(), 1);
    assert_eq!(world.resets_of(&events[0].request).await, [sent]);
}

#[tokio::test]
async fn a_sent_event_is_not_mailed_again_under_any_attempt_number() {
    let (mut world, events) = captured(&["budi"]).await;
    world.start_again(Program::Mailer, 0);
    publish(&world, RESET_REQUESTED, &events[0].message.body, "first").await;
    let sent = world.reset_in(&events[0].request, DeliveryState::Sent).await;
    let numbers = [0, 2, 3, 4, 5, 100, u32::MAX];
    for attempt in numbers {
        let body = ResetRequested { attempt, ..events[0].event() }.encode_to_vec();
        publish(&world, RESET_REQUESTED, &body, "again").await;
    }
    let broker = world.broker().await;
    broker.wait_ready(MAILER_REQUESTS, 0).await;
    until("all are answered from memory or parked", async || {
        let repeated = metrics::sum(&world, Program::Mailer, "sandi_mailer_repeated_total", "");
        let parked = metrics::sum(&world, Program::Mailer, "sandi_mailer_parked_total", "");
        (repeated + parked >= 7.0).then_some(())
    })
    .await;
    broker.wait_ready("identity.mail-status", 0).await;
    assert_eq!(world.sink().mails().len(), 1);
    assert_eq!(world.resets_of(&events[0].request).await, [sent]);
}

#[tokio::test]
async fn events_of_one_person_in_the_wrong_order_are_both_mailed_and_both_links_work() {
    let (mut world, events) = captured(&["budi", "budi"]).await;
    for event in events.iter().rev() {
        publish(&world, RESET_REQUESTED, &event.message.body, "late").await;
    }
    world.start_again(Program::Mailer, 0);
    let mails = world.mails_to("budi@surat.example", 2).await;
    for event in &events {
        world.reset_in(&event.request, DeliveryState::Sent).await;
    }
    assert_eq!(mails.len(), 2);
    for mail in mails {
        let token = mail.tokens().remove(0);
        let check = world.gateway().identity.check_reset(CheckResetRequest { token }).await;
        assert_eq!(check.expect("the link works").into_inner().username, "budi");
    }
    world.broker().await.wait_ready(MAILER_PARKED, 0).await;
}
