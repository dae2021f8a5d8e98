//! The mail server refuses for good.

use e2e::{Person, Phase, Rule, World, people::actor};
use proto::identity::v1::{Address, AddressState, AdminResetRequest, DeliveryState, Role, UpdateUserRequest, User};

use super::told;
use crate::waiting::until;

/// What the directory says of somebody's address.
async fn known(world: &World, username: &str) -> Address {
    world.find_user(username).await.address.expect("it is always told")
}

#[tokio::test]
async fn an_address_that_does_not_exist_is_told_to_admins_with_its_reason_until_a_mail_is_accepted() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    let sari = world.user(&kopi, Person::named("sari").role(Role::Admin)).await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    assert_eq!(known(&world, "budi").await.state(), AddressState::Ok);
    world.script(Rule::reply(Phase::Recipient, 550, "5.1.1 <budi@kopi.example>: no such mailbox"));

    let request = world.request_reset("budi").await;
    let bounced = world.reset_in(&request, DeliveryState::Bounced).await;
    assert_eq!(bounced.attempts.len(), 1);
    assert_eq!(told(&bounced.attempts[0]), (DeliveryState::Bounced, "rcpt", 550, "5.1.1"));
    assert_eq!(bounced.next_attempt_time, None);
    let address = known(&world, "budi").await;
    assert_eq!(address.state(), AddressState::Undeliverable);
    assert!(address.undeliverable_since.is_some());
    assert_eq!(address.undeliverable_reason, "5.1.1: kotak surat itu tidak ada");

    // The admin is told at once; the mail is tried all the same, and its acceptance clears the mark.
    world.sink().behave();
    let again = AdminResetRequest {
        user_id: budi.user_id,
        actor: actor(&sari),
        reason: "tidak bisa masuk".to_owned(),
        ..Default::default()
    };
    let answer = world.crm().identity.admin_reset(again).await.expect("it is allowed").into_inner();
    let address = answer.address.expect("it is always told");
    assert_eq!(address.state(), AddressState::Undeliverable);
    assert!(address.undeliverable_reason.starts_with("5.1.1: "), "{address:?}");
    world.reset_by_id_in(&answer.reset_id, DeliveryState::Sent).await;
    let address = known(&world, "budi").await;
    assert_eq!(address.state(), AddressState::Ok);
    assert_eq!((address.undeliverable_since, address.undeliverable_reason.as_str()), (None, ""));
}

#[tokio::test]
async fn a_mail_that_bounced_does_not_keep_a_person_from_asking_again() {
    // With the limits of every day: one mail a minute.
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.script(Rule::reply(Phase::Recipient, 550, "5.1.1 no such mailbox").times(1));
    let first = world.request_reset("budi").await;
    world.reset_in(&first, DeliveryState::Bounced).await;
    let second = world.request_reset("budi").await;
    world.reset_in(&second, DeliveryState::Sent).await;
}

#[tokio::test]
async fn only_codes_about_the_address_itself_mark_it() {
    let cases = [
        (Phase::Recipient, 550, "5.1.1 no such mailbox", AddressState::Undeliverable),
        (Phase::Recipient, 553, "5.1.3 bad address", AddressState::Undeliverable),
        (Phase::Final, 550, "5.1.10 null mx", AddressState::Undeliverable),
        (Phase::Recipient, 550, "5.2.1 mailbox disabled", AddressState::Undeliverable),
        (Phase::Recipient, 552, "5.2.2 mailbox full", AddressState::Ok),
        (Phase::Recipient, 554, "5.7.1 blocked", AddressState::Ok),
        (Phase::Final, 554, "5.7.1 looks like spam", AddressState::Ok),
        (Phase::Final, 554, "no enhanced code", AddressState::Ok),
    ];
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    for (index, (phase, code, text, expected)) in cases.into_iter().enumerate() {
        let name = format!("orang{index}");
        let email = format!("{name}@kopi.example");
        world.user(&kopi, Person::named(&name).email(&email).password("")).await;
        world.script(Rule::reply(phase, code, text).to(&email));
        let request = world.request_reset(&name).await;
        let bounced = world.reset_in(&request, DeliveryState::Bounced).await;
        assert_eq!(bounced.attempts.len(), 1, "{code} {text}");
        assert_eq!(bounced.attempts[0].smtp_code, u32::from(code));
        assert_eq!(known(&world, &name).await.state(), expected, "{code} {text}");
    }
    assert!(world.sink().mails().is_empty());
}

#[tokio::test]
async fn another_address_starts_without_the_mark_of_the_old_one() {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("lama@kopi.example")).await;
    world.script(Rule::reply(Phase::Recipient, 550, "5.1.1 no such mailbox").to("lama@kopi.example"));
    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Bounced).await;
    until("the address is marked", async || {
        (known(&world, "budi").await.state() == AddressState::Undeliverable).then_some(())
    })
    .await;

    let update = UpdateUserRequest {
        user: Some(User { user_id: budi.user_id, email: "baru@kopi.example".to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["email".to_owned()] }),
        ..Default::default()
    };
    world.crm().directory.update_user(update).await.expect("it is changed");
    assert_eq!(known(&world, "budi").await.state(), AddressState::Ok);
    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Sent).await;
    assert_eq!(world.mail_to("baru@kopi.example").await.tokens().len(), 1);
}
