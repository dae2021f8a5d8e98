//! The mail server says: later.

use std::time::Duration;

use e2e::{Person, Phase, Rule, World};
use proto::identity::v1::{DeliveryState, NotSentReason};

use super::{seconds, told};
use crate::{
    crowd::{address, all_ask, all_sent, crowd},
    waiting::{until_number, until_within},
};

/// Where it says so, with what, and how support reads it.
const LATER: [(Phase, u16, &str, &str, &str); 6] = [
    (Phase::Mail, 451, "4.3.2 not now", "mail", "4.3.2"),
    (Phase::Recipient, 451, "4.7.1 greylisted, come again", "rcpt", "4.7.1"),
    (Phase::Recipient, 452, "4.2.2 mailbox full", "rcpt", "4.2.2"),
    (Phase::Data, 451, "4.3.0 not now", "data", "4.3.0"),
    (Phase::Final, 450, "no enhanced code", "final", ""),
    (Phase::Final, 421, "4.3.2 closing", "final", "4.3.2"),
];

#[tokio::test]
async fn a_mail_that_is_refused_for_now_is_tried_again_at_the_time_told_and_sent() {
    let world = World::build().wide_limits().set(r#"identity.resets.retry_gaps=["2s"]"#).start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, LATER.len()).await;
    for (name, (phase, code, text, told_phase, enhanced)) in names.iter().zip(LATER) {
        world.script(Rule::reply(phase, code, text).times(1));
        let request = world.request_reset(name).await;
        let deferred = world.reset_in(&request, DeliveryState::Deferred).await;
        assert_eq!(deferred.attempts.len(), 1);
        assert_eq!(told(&deferred.attempts[0]), (DeliveryState::Deferred, told_phase, code.into(), enhanced));
        assert!(world.sink().mails_to(&address(name)).is_empty());
        let next = seconds(deferred.next_attempt_time.as_ref());
        let gap = next - seconds(deferred.attempts[0].attempt_time.as_ref());
        // From the mail server's answer on, which may come late.
        assert!(gap >= 1.7, "{code} {text}: {gap} s");

        let sent = world.reset_in(&request, DeliveryState::Sent).await;
        assert_eq!(sent.attempts.len(), 2);
        assert_eq!(told(&sent.attempts[1]), (DeliveryState::Sent, "final", 250, "2.0.0"));
        let second = seconds(sent.attempts[1].attempt_time.as_ref());
        assert!(second >= next - 0.05, "{code} {text}: {} s too early", next - second);
        assert_eq!(sent.next_attempt_time, None);
        assert_eq!(world.sink().mails_to(&address(name)).len(), 1);
    }
}

#[tokio::test]
async fn gaps_between_attempts_follow_the_settings() {
    let world = World::build().set(r#"identity.resets.retry_gaps=["1s", "3s"]"#).start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.script(Rule::reply(Phase::Recipient, 451, "4.7.1 greylisted").times(2));

    let request = world.request_reset("budi").await;
    let sent = world.reset_in(&request, DeliveryState::Sent).await;
    let times: Vec<f64> = sent.attempts.iter().map(|attempt| seconds(attempt.attempt_time.as_ref())).collect();
    assert_eq!(times.len(), 3);
    let (first, second) = (times[1] - times[0], times[2] - times[1]);
    assert!(first >= 0.85, "{first} s");
    assert!(second >= 2.65, "{second} s");
    let mail = &world.sink().mails()[0];
    assert!(world.complete_reset(&mail.tokens()[0], "awan putih di atas ladang 3").await.is_ok());
}

#[tokio::test]
async fn many_deferred_mails_each_arrive_once() {
    let world = World::build().wide_limits().set(r#"identity.resets.retry_gaps=["1s"]"#).start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 30).await;
    for name in &names {
        world.script(Rule::reply(Phase::Recipient, 451, "4.7.1 greylisted").to(address(name)).times(1));
    }
    let requests = all_ask(&world, &names).await;
    all_sent(&world, &requests).await;
    assert_eq!(world.sink().mails().len(), 30);
    until_number(&world, "SELECT count(*) FROM outbox", 0).await;
    until_number(&world, "SELECT count(*) FROM delivery_attempts", 60).await;
}

#[tokio::test]
async fn no_attempt_is_planned_for_the_last_two_minutes_of_a_link() {
    let world = World::build()
        .set("identity.resets.self_service_life=2s")
        .set(r#"identity.resets.retry_gaps=["1s"]"#)
        .start()
        .await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.script(Rule::reply(Phase::Recipient, 451, "4.7.1 greylisted").times(1));

    let request = world.request_reset("budi").await;
    let deferred = world.reset_in(&request, DeliveryState::Deferred).await;
    assert_eq!(deferred.next_attempt_time, None);
    // It waits for the end of the link, and then it is said that there was no mail.
    let over = until_within(Duration::from_secs(40), "the mail is given up", async || {
        let reset = world.resets_of(&request).await.pop()?;
        (reset.delivery_state() == DeliveryState::NotSent).then_some(reset)
    })
    .await;
    assert_eq!(over.not_sent_reason(), NotSentReason::Expired);
    assert_eq!(over.attempts.len(), 1);
    assert!(world.sink().mails().is_empty());
}
