//! A machine's clock is wrong. Links end by the database's clock whatever the programs' say, and somebody is told.

use e2e::{Person, people::PASSWORD, world::Program};
use proto::identity::v1::{DeliveryState, NotSentReason};

use crate::{
    clocks::off,
    tokens::{NEW, ending::ends_by_the_databases_clock},
    waiting::until,
};

/// The words of a program that got a message from the future.
const FUTURE: &str = "a message comes from the future";

#[tokio::test]
async fn an_hour_more_or_less_at_identity_changes_no_links_life() {
    let ahead = off(Program::Identity, "+1h").wide_limits().set("identity.resets.self_service_life=5s").start();
    let behind = off(Program::Identity, "-1h").wide_limits().set("identity.resets.self_service_life=5s").start();
    let (ahead, behind) = tokio::join!(ahead, behind);
    tokio::join!(ends_by_the_databases_clock(&ahead), ends_by_the_databases_clock(&behind));
}

#[tokio::test]
async fn a_wrong_clock_at_identity_is_told_and_nobody_is_kept_out() {
    for (by, told) in [("+1h", "ahead of"), ("-1h", "behind")] {
        let world = off(Program::Identity, by).wide_limits().start().await;
        let kopi = world.organization("kopi").await;
        world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
        world.log_in("budi", PASSWORD).await.expect("as ever");
        let request = world.request_reset("budi").await;
        let token = world.token_to("budi@kopi.example").await;
        world.complete_reset(&token, NEW).await.expect("the link works");
        world.log_in("budi", NEW).await.expect("with the new one");
        world.reset_in(&request, DeliveryState::Sent).await;
        until(by, async || {
            let page = world.admin(Program::Identity, 0, "/healthz");
            (page.status == 200 && page.body.contains("clock: 3") && page.body.contains(told)).then_some(())
        })
        .await;
        until(by, async || world.log(Program::Identity, 0).contains("the clock is wrong").then_some(())).await;
        let (well, doctor) = world.said(Program::Identity, &["doctor"]).await;
        assert!(!well && doctor.contains("FAILED   clock: 3") && doctor.contains(told), "{doctor}");
        // Whoever is behind hears of it from the other side.
        let hears = if by == "+1h" { Program::Mailer } else { Program::Identity };
        until(by, async || world.log(hears, 0).contains(FUTURE).then_some(())).await;
    }
}

#[tokio::test]
async fn a_wrong_clock_at_the_mailer_loses_no_mail_without_a_word() {
    let behind = off(Program::Mailer, "-1h").start().await;
    let kopi = behind.organization("kopi").await;
    behind.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let request = behind.request_reset("budi").await;
    behind.reset_in(&request, DeliveryState::Sent).await;
    let told = async || behind.log(Program::Mailer, 0).contains(FUTURE).then_some(());
    until("its own is behind identity's", told).await;

    // It takes each link for one that is over.
    let ahead = off(Program::Mailer, "+1h").start().await;
    let kopi = ahead.organization("kopi").await;
    ahead.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let request = ahead.request_reset("budi").await;
    let over = ahead.reset_in(&request, DeliveryState::NotSent).await;
    assert_eq!(over.not_sent_reason(), NotSentReason::Expired);
    let told = async || ahead.log(Program::Identity, 0).contains(FUTURE).then_some(());
    until("identity tells, because the mailer cannot know", told).await;
    assert!(ahead.sink().mails().is_empty());
}
