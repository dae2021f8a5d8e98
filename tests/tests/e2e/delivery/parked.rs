//! What was put aside, and what an operator does with it.

use std::collections::BTreeMap;

use e2e::{Person, World, broker::Message, people::actor, world::Program};
use lapin::BasicProperties;
use messaging::topology::{IDENTITY_MAIL_STATUS, IDENTITY_PARKED, MAILER_PARKED, MAILER_REQUESTS};
use prost::Message as _;
use proto::{
    identity::v1::{
        DeliveryState, LinkState, NotSentReason, RevokeResetRequest, Role, UpdateUserRequest, User, UserState,
    },
    mailer::events::v1::{MailStatus, mail_status::Outcome},
};
use serde_json::Value;

use crate::{
    crowd::{address, all_ask, crowd},
    waiting::until,
};

async fn command(world: &World, program: Program, arguments: &[&str]) -> String {
    world.command(program, arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error:#}"))
}

async fn listed(world: &World, program: Program) -> Vec<Value> {
    let text = command(world, program, &["parked", "list", "--json"]).await;
    serde_json::from_str(&text).expect("it is JSON")
}

/// A world with sealed events of these people in the parking queue, and why they are there: the mailer did not know
/// the key that they were sealed by. Their frames, by name.
async fn parked_for_a_missing_key(count: usize, life: &str) -> (World, Vec<String>, Vec<String>) {
    let mut world = World::build().wide_limits().set(format!("identity.resets.self_service_life={life}")).start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, count).await;
    world.kill(Program::Mailer, 0);
    let requests = all_ask(&world, &names).await;
    for request in requests.values() {
        world.reset_in(request, DeliveryState::Queued).await;
    }
    let broker = world.broker().await;
    broker.wait_ready(MAILER_REQUESTS, u32::try_from(count).expect("few")).await;
    for Message { routing_key, body, properties } in broker.take(MAILER_REQUESTS).await {
        // As the mailer does: aside through the exchange of that name.
        assert!(broker.publish(MAILER_PARKED, &routing_key, &body, properties).await);
    }
    let requests = names.iter().map(|name| requests[name].clone()).collect();
    (world, names, requests)
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_mails_are_listed_shown_replayed_and_sent() {
    let (mut world, names, requests) = parked_for_a_missing_key(3, "30m").await;
    let parked = listed(&world, Program::Mailer).await;
    assert_eq!(parked.len(), 3);
    assert!(
        parked.iter().all(|it| it["why"] == "it opens and renders now" && it["age_seconds"].is_u64()),
        "{parked:?}"
    );
    let event = parked[0]["event"].as_str().expect("it is told").to_owned();
    let shown = command(&world, Program::Mailer, &["parked", "show", &event]).await;
    for secret in ["orang", "surat.example", "/reset#"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("genuine         yes") && shown.contains(&event), "{shown}");

    let said = command(&world, Program::Mailer, &["parked", "replay", &event]).await;
    assert!(said.contains(&event) && said.contains("asked for again"), "{said}");
    let broker = world.broker().await;
    broker.wait_ready(MAILER_REQUESTS, 1).await;
    assert_eq!(listed(&world, Program::Mailer).await.len(), 2);
    let said = command(&world, Program::Mailer, &["parked", "replay", "--all"]).await;
    assert!(said.contains("2 put back, 0 discarded, 0 left"), "{said}");
    assert_eq!(command(&world, Program::Mailer, &["parked", "list"]).await, "nothing is parked\n");
    world.start_again(Program::Mailer, 0);
    for (name, request) in names.iter().zip(&requests) {
        world.reset_in(request, DeliveryState::Sent).await;
        assert_eq!(world.sink().mails_to(&address(name)).len(), 1);
    }
    broker.wait_ready(MAILER_PARKED, 0).await;
}

/// What happened to a person while the mail was aside.
async fn supersede(world: &World, names: &[String], requests: &BTreeMap<&String, &String>) {
    let admin = Person::named("sari").role(Role::Admin);
    let kopi = world.find_user(&names[0]).await.organization_id;
    let kopi = proto::identity::v1::Organization { organization_id: kopi, ..Default::default() };
    let sari = world.user(&kopi, admin).await;
    let reset_id = world.resets_of(requests[&names[0]]).await.remove(0).reset_id;
    let revoke = RevokeResetRequest { reset_id, actor: actor(&sari), reason: "salah orang".to_owned() };
    world.crm().support.revoke_reset(revoke).await.expect("it is revoked");
    let change = async |name: &String, path: &str, change: &dyn Fn(&mut User)| {
        let mut user = world.find_user(name).await;
        change(&mut user);
        let update_mask = Some(prost_types::FieldMask { paths: vec![path.to_owned()] });
        let update = UpdateUserRequest { user: Some(user), update_mask, ..Default::default() };
        world.crm().directory.update_user(update).await.expect("it is changed");
    };
    change(&names[1], "email", &|user| user.email = "baru@surat.example".to_owned()).await;
    change(&names[2], "state", &|user| user.state = UserState::Disabled.into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_superseded_is_not_mailed_by_a_replay() {
    let (mut world, names, requests) = parked_for_a_missing_key(4, "30m").await;
    supersede(&world, &names, &names.iter().zip(&requests).collect()).await;
    let said = command(&world, Program::Mailer, &["parked", "replay", "--all"]).await;
    assert!(said.contains("4 put back, 0 discarded, 0 left"), "{said}");
    world.start_again(Program::Mailer, 0);
    world.reset_in(&requests[3], DeliveryState::Sent).await;
    for request in &requests[..3] {
        let over = world.reset_in(request, DeliveryState::NotSent).await;
        assert_eq!((over.not_sent_reason(), over.link_state()), (NotSentReason::Revoked, LinkState::Revoked));
    }
    let mails = world.sink().mails();
    let links = mails.iter().filter(|mail| !mail.tokens().is_empty());
    assert!(links.map(|mail| mail.to.clone()).eq([[address(&names[3])]]), "{mails:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_could_not_be_made_is_sent_once_the_cause_is_gone() {
    let (mut world, names, requests) = parked_for_a_missing_key(1, "30m").await;
    let event = listed(&world, Program::Mailer).await[0]["event"].as_str().expect("it is told").to_owned();
    let status = MailStatus {
        event_id: event,
        attempt: 1,
        attempt_time: Some(prost_types::Timestamp { seconds: 1_790_000_000, nanos: 0 }),
        outcome: Outcome::Parked.into(),
        ..Default::default()
    };
    let broker = world.broker().await;
    let key = "mailer.mail.status.v1";
    assert!(broker.publish("mailer.events", key, &status.encode_to_vec(), BasicProperties::default()).await);
    let parked = world.reset_in(&requests[0], DeliveryState::NotSent).await;
    assert_eq!(parked.not_sent_reason(), NotSentReason::Parked);
    world.start_again(Program::Mailer, 0);
    command(&world, Program::Mailer, &["parked", "replay", "1"]).await;
    let sent = world.reset_in(&requests[0], DeliveryState::Sent).await;
    assert_eq!(sent.attempts.len(), 2);
    assert_eq!(world.sink().mails_to(&address(&names[0])).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replay_of_an_expired_link_says_so_and_sends_nothing() {
    let (mut world, _, requests) = parked_for_a_missing_key(1, "1s").await;
    until("the link is over", async || (listed(&world, Program::Mailer).await[0]["why"] == "expired").then_some(()))
        .await;
    world.start_again(Program::Mailer, 0);
    for arguments in [["parked", "replay", "1"], ["parked", "replay", "--all"]] {
        let refused = world.command(Program::Mailer, &arguments).expect_err("none can go back");
        assert!(format!("{refused:#}").contains("nothing was put back: 1 left where they are"), "{refused:#}");
    }
    world.broker().await.wait_ready(MAILER_REQUESTS, 0).await;
    world.reset_in(&requests[0], DeliveryState::NotSent).await;
    assert!(world.sink().mails().is_empty());

    let refused = world.command(Program::Mailer, &["parked", "discard", "1"]).expect_err("nobody can be asked");
    assert!(format!("{refused:#}").contains("--yes"), "{refused:#}");
    assert_eq!(listed(&world, Program::Mailer).await.len(), 1);
    let said = command(&world, Program::Mailer, &["parked", "discard", "1", "--yes", "--json"]).await;
    assert!(said.contains(r#""done": "discarded""#), "{said}");
    assert!(listed(&world, Program::Mailer).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_statuses_are_replayed_and_applied_and_strange_ones_stay() {
    let mut world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 1).await;
    world.kill(Program::Mailer, 0);
    let requests = all_ask(&world, &names).await;
    world.reset_in(&requests[&names[0]], DeliveryState::Queued).await;
    let event = world.broker().await.peek(MAILER_REQUESTS).await[0].properties.message_id().clone();
    let status = MailStatus {
        event_id: event.expect("it has one").to_string(),
        attempt: 1,
        attempt_time: Some(prost_types::Timestamp { seconds: 1_790_000_000, nanos: 0 }),
        outcome: Outcome::Sent.into(),
        ..Default::default()
    };
    let broker = world.broker().await;
    for body in [status.encode_to_vec(), b"\xff strange".to_vec()] {
        let properties = BasicProperties::default();
        assert!(broker.publish(IDENTITY_PARKED, "mailer.mail.status.v1", &body, properties).await);
    }
    assert_eq!(listed(&world, Program::Identity).await.len(), 2);
    let said = command(&world, Program::Identity, &["parked", "replay", "--all"]).await;
    assert!(said.contains("1 put back, 0 discarded, 1 left") && said.contains("body_malformed"), "{said}");
    world.reset_in(&requests[&names[0]], DeliveryState::Sent).await;
    broker.wait_ready(IDENTITY_MAIL_STATUS, 0).await;
    let said = command(&world, Program::Identity, &["parked", "discard", "--all", "--yes"]).await;
    assert!(said.contains("discarded"), "{said}");
    broker.wait_ready(IDENTITY_PARKED, 0).await;
}
