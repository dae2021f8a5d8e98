//! What happens around a user: no address, a first password, a new address, a revoked link, a disabled account.

use e2e::{
    Person, World,
    people::{PASSWORD, actor},
    refused,
};
use proto::identity::v1::{
    AddressState, CreateUserRequest, DeliveryState, ExplainResetRequest, ExplainResetResponse, LinkState,
    NotSentReason, ResetKind, RevokeResetRequest, Role, UpdateUserRequest, User, UserState, explain_reset_request::Key,
};

use super::has_no_link;
use crate::{
    calls::{admin_reset, both_say, check_reset, reset_by_id, resets_of_user, set_state, settled, update},
    waiting::number,
};

const NEW: &str = "awan putih di atas ladang 3";

async fn explain(world: &World, key: Key, locale: &str) -> ExplainResetResponse {
    let reason = "ticket 4711".to_owned();
    let request = ExplainResetRequest { key: Some(key), locale: locale.to_owned(), reason };
    world.support().support.explain_reset(request).await.expect("support may").into_inner()
}

#[tokio::test]
async fn without_an_address_the_admin_is_told_at_once_and_support_can_help() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin)).await;
    let wayan = world.user(&kopi, Person::named("wayan")).await;

    let told = admin_reset(world.gateway(), &siti, &wayan).await.expect("it is an answer, not an error").into_inner();
    let address = told.address.expect("what is known of the address");
    assert_eq!((address.state(), address.masked.as_str()), (AddressState::Missing, ""));
    assert_eq!(told.expire_time, None, "there is no link");
    let reset = reset_by_id(&world, &told.reset_id).await;
    assert_eq!(reset.delivery_state(), DeliveryState::NotSent, "at once");
    assert_eq!((reset.not_sent_reason(), reset.link_state()), (NotSentReason::NoAddress, LinkState::NotIssued));

    for (locale, summary, step) in [
        (
            "id",
            "Pengguna ini tidak memiliki alamat email, jadi tautan tidak dapat dikirim.",
            "catat sendiri dengan menyebutkan alasan",
        ),
        (
            "en",
            "This user has no e-mail address on file, so no link can be sent.",
            "enter it yourself and give the reason",
        ),
    ] {
        for key in [Key::Username("wayan".to_owned()), Key::ResetId(told.reset_id.clone())] {
            let said = explain(&world, key, locale).await;
            assert!(said.summary.starts_with(summary), "{}", said.summary);
            assert!(said.next_steps.iter().any(|it| it.contains(step)), "{:?}", said.next_steps);
            assert_eq!(said.address.unwrap().state(), AddressState::Missing);
            assert_eq!((&said.user_id, &said.organization_id), (&wayan.user_id, &kopi.organization_id));
            assert_eq!(said.resets.iter().map(|it| &it.reset_id).collect::<Vec<_>>(), [&told.reset_id]);
        }
    }

    // Support does what the answer says.
    let user = User { email: "wayan@kopi.example".to_owned(), ..wayan.clone() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["email".to_owned()] });
    let mut correct = UpdateUserRequest { user: Some(user), update_mask, ..Default::default() };
    let unexplained = refused(world.support().directory.update_user(correct.clone()).await);
    assert_eq!((unexplained.reason.as_str(), unexplained.fields()), ("FIELD_INVALID", vec!["reason"]));
    correct.reason = "ticket 4711".to_owned();
    world.support().directory.update_user(correct).await.expect("support may, with a reason");
    world.request_reset("wayan").await;
    let token = world.token_to("wayan@kopi.example").await;
    world.complete_reset(&token, NEW).await.expect("the link is good");
    let said = explain(&world, Key::Username("wayan".to_owned()), "en").await;
    assert_eq!(said.resets.len(), 2);
    assert!(!said.summary.contains("no e-mail address"), "{}", said.summary);
    let audited = "SELECT count(*) FROM audit_events
                   WHERE action = 'ExplainReset' AND caller = 'support' AND reason = 'ticket 4711' AND outcome = 'ok'";
    assert_eq!(number(&world, audited).await, 5, "every use is on record, with its reason");
    settled(&world).await;
    assert_eq!(world.sink().mails().len(), 2, "the link and the notice; nothing for the reset without an address");
}

#[tokio::test]
async fn an_invited_user_sets_a_first_password() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    let user = User {
        organization_id: kopi.organization_id.clone(),
        username: "nyoman".to_owned(),
        email: "nyoman@kopi.example".to_owned(),
        display_name: "Nyoman Rai".to_owned(),
        ..User::default()
    };
    let request = CreateUserRequest { user: Some(user), send_invitation: true, ..Default::default() };
    let created = world.crm().directory.create_user(request.clone()).await.unwrap().into_inner().user.unwrap();
    assert!(!created.has_password);
    assert_eq!(refused(world.log_in("nyoman", PASSWORD).await).reason, "PASSWORD_MISMATCH");

    let mail = world.mail_to("nyoman@kopi.example").await;
    assert_eq!(mail.subject(), "Buat kata sandi Sandi Anda");
    both_say(&mail, "Halo Nyoman Rai,");
    both_say(&mail, "Akun Sandi ini telah dibuat untuk Anda.");
    both_say(&mail, "(24 jam sejak undangan dibuat)");
    world.complete_reset(&mail.tokens()[0], NEW).await.expect("the link is good");
    let user = world.log_in("nyoman", NEW).await.expect("the password is set").into_inner().user.unwrap();
    assert!(user.has_password);
    let [reset] = &resets_of_user(&world, &created).await[..] else { panic!("one link") };
    assert_eq!((reset.kind(), reset.link_state()), (ResetKind::Invitation, LinkState::Completed));

    let nowhere = User { username: "ketut".to_owned(), email: String::new(), ..request.user.clone().unwrap() };
    let request = CreateUserRequest { user: Some(nowhere), ..request };
    assert_eq!(refused(world.crm().directory.create_user(request).await).fields(), ["user.email"]);
}

#[tokio::test]
async fn a_new_address_is_told_to_the_old_one_and_gets_the_next_link() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("lama@kopi.example").locale("en")).await;
    world.request_reset("budi").await;
    let token = world.token_to("lama@kopi.example").await;

    let moved = User { email: "baru@kopi.example".to_owned(), ..budi.clone() };
    let moved =
        update(world.crm(), moved, &["email"]).await.expect("the system of record may").into_inner().user.unwrap();
    assert_eq!(moved.credential_version, budi.credential_version, "the password is as before, and so are its sessions");
    assert_eq!(refused(check_reset(&world, &token).await).reason, "RESET_TOKEN_INVALID", "the old address's link");

    let notice = world.mails_to("lama@kopi.example", 2).await.remove(1);
    assert_eq!(notice.subject(), "Your Sandi email address has been changed");
    both_say(&notice, "Mails about this account no longer go to this address of yours.");
    has_no_link(&notice);
    for part in [notice.text(), notice.html()] {
        assert!(!part.contains("baru@"), "the new address is nobody's business at the old one");
    }
    settled(&world).await;
    assert_eq!(world.sink().mails_to("baru@kopi.example").len(), 0);

    // The wait of a minute is the account's, whatever its address; an admin's link need not wait.
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin)).await;
    admin_reset(world.gateway(), &siti, &budi).await.expect("an admin may");
    let token = world.token_to("baru@kopi.example").await;
    world.complete_reset(&token, NEW).await.expect("the link is good");
    settled(&world).await;
    assert_eq!(world.sink().mails_to("lama@kopi.example").len(), 2, "nothing more to the old address");
}

#[tokio::test]
async fn a_revoked_link_is_over_and_cannot_be_revoked_again() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin)).await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let sent = admin_reset(world.gateway(), &siti, &budi).await.unwrap().into_inner();
    let token = world.token_to("budi@kopi.example").await;
    check_reset(&world, &token).await.expect("the link is good");

    let revoke =
        RevokeResetRequest { reset_id: sent.reset_id.clone(), actor: actor(&siti), reason: "wrong person".into() };
    let revoked = world.gateway().support.revoke_reset(revoke.clone()).await.unwrap().into_inner().reset.unwrap();
    assert_eq!(revoked.link_state(), LinkState::Revoked);
    assert_eq!(refused(check_reset(&world, &token).await).reason, "RESET_TOKEN_INVALID");
    assert_eq!(refused(world.complete_reset(&token, NEW).await).reason, "RESET_TOKEN_INVALID");
    assert_eq!(refused(world.gateway().support.revoke_reset(revoke).await).reason, "RESET_ENDED");
    world.log_in("budi", PASSWORD).await.expect("the password is as before");
    for (locale, word) in [("id", "dicabut"), ("en", "revoked")] {
        let said = explain(&world, Key::SupportCode(revoked.support_code.to_lowercase()), locale).await;
        assert!(said.summary.contains(word), "{}", said.summary);
    }
}

#[tokio::test]
async fn a_disabled_user_has_no_links_no_log_in_and_no_mails_until_enabled_again() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin)).await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.request_reset("budi").await;
    let token = world.token_to("budi@kopi.example").await;

    set_state(world.crm(), &budi, UserState::Disabled).await.expect("the system of record may");
    assert_eq!(refused(check_reset(&world, &token).await).reason, "RESET_TOKEN_INVALID");
    assert_eq!(refused(world.complete_reset(&token, NEW).await).reason, "RESET_TOKEN_INVALID");
    assert_eq!(refused(world.log_in("budi", PASSWORD).await).reason, "PASSWORD_MISMATCH");
    assert_eq!(refused(admin_reset(world.gateway(), &siti, &budi).await).reason, "USER_DISABLED");
    let request = world.request_reset("budi").await;
    let reset = world.reset_in(&request, DeliveryState::NotSent).await;
    assert_eq!(reset.not_sent_reason(), NotSentReason::AccountDisabled);
    for (locale, words) in [("id", "Pengguna ini dinonaktifkan"), ("en", "This user is disabled")] {
        let said = explain(&world, Key::Username("budi".to_owned()), locale).await;
        assert!(said.summary.starts_with(words), "{}", said.summary);
    }

    set_state(world.crm(), &budi, UserState::Active).await.expect("the system of record may");
    world.log_in("budi", PASSWORD).await.expect("the password is as before");
    assert_eq!(refused(check_reset(&world, &token).await).reason, "RESET_TOKEN_INVALID", "what is over stays over");
    admin_reset(world.gateway(), &siti, &budi).await.expect("an admin may again");
    let mails = world.mails_to("budi@kopi.example", 2).await;
    world.complete_reset(&mails[1].tokens()[0], NEW).await.expect("the link is good");
}
