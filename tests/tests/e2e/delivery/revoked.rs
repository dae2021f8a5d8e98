//! What happens to a link while its mail waits for the next attempt.

use e2e::{
    Person, Phase, Rule, World,
    people::{PASSWORD, actor, requester},
};
use proto::identity::v1::{
    ChangePasswordRequest, DeliveryState, ExplainResetRequest, LinkState, NotSentReason, Organization,
    RevokeResetRequest, Role, UpdateOrganizationRequest, UpdateUserRequest, User, UserState,
    explain_reset_request::Key,
};

use crate::waiting::{until, until_number};

const NEW_PASSWORD: &str = "awan putih di atas ladang 3";

/// What ends the links of a person.
#[derive(Clone, Copy, Debug)]
enum End {
    Revoke,
    UseOfAnotherLink,
    PasswordChange,
    Address,
    Username,
    Disabling,
}

impl End {
    /// What support is told of it.
    fn told(self) -> &'static str {
        match self {
            End::Revoke => "an administrator revoked it",
            End::UseOfAnotherLink => "another link was used to set a new password",
            End::PasswordChange => "the password was changed in the account settings",
            End::Address => "the user's e-mail address was changed",
            End::Username => "the user name was changed",
            End::Disabling => "This user is disabled",
        }
    }
}

/// The summary that support reads in English.
async fn explained(world: &World, reset_id: String) -> String {
    let request =
        ExplainResetRequest { key: Some(Key::ResetId(reset_id)), locale: "en".to_owned(), ..Default::default() };
    world.support().support.explain_reset(request).await.expect("support may").into_inner().summary
}

#[tokio::test]
async fn a_deferred_mail_is_not_tried_again_once_its_link_is_over() {
    let ends = [End::Revoke, End::UseOfAnotherLink, End::PasswordChange, End::Address, End::Username, End::Disabling];
    // With the gaps of every day nothing is tried again within this test by itself.
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let sari = world.user(&kopi, Person::named("sari").role(Role::Admin)).await;
    for (index, end) in ends.into_iter().enumerate() {
        let name = format!("orang{index}");
        let email = format!("{name}@kopi.example");
        let user = world.user(&kopi, Person::named(&name).email(&email)).await;
        let earlier = world.request_reset(&name).await;
        world.reset_in(&earlier, DeliveryState::Sent).await;
        let token = world.token_to(&email).await;
        world.script(Rule::reply(Phase::Recipient, 451, "4.7.1 greylisted").to(&email));
        let request = world.request_reset(&name).await;
        let deferred = world.reset_in(&request, DeliveryState::Deferred).await;
        assert!(deferred.next_attempt_time.is_some());
        assert_eq!(deferred.link_state(), LinkState::Live);

        match end {
            End::Revoke => {
                let revoke = RevokeResetRequest {
                    reset_id: deferred.reset_id,
                    actor: actor(&sari),
                    reason: "salah orang".to_owned(),
                };
                world.crm().support.revoke_reset(revoke).await.expect("it is revoked");
            }
            End::UseOfAnotherLink => {
                world.complete_reset(&token, NEW_PASSWORD).await.expect("the first link is good");
            }
            End::PasswordChange => {
                let change = ChangePasswordRequest {
                    user_id: user.user_id,
                    current_password: PASSWORD.to_owned(),
                    new_password: NEW_PASSWORD.to_owned(),
                    requester: requester("203.0.113.7", "id"),
                    ..Default::default()
                };
                world.gateway().identity.change_password(change).await.expect("it is changed");
            }
            End::Address => update(&world, User { email: "baru@kopi.example".to_owned(), ..user }, "email").await,
            End::Username => update(&world, User { username: "nama-baru".to_owned(), ..user }, "username").await,
            End::Disabling => update(&world, User { state: UserState::Disabled.into(), ..user }, "state").await,
        }

        let over = world.reset_in(&request, DeliveryState::NotSent).await;
        assert_eq!(over.not_sent_reason(), NotSentReason::Revoked, "{end:?}");
        assert_eq!(over.link_state(), LinkState::Revoked, "{end:?}");
        assert_eq!(over.attempts.len(), 1, "{end:?}");
        assert_eq!(over.next_attempt_time, None, "{end:?}");
        let said = explained(&world, over.reset_id).await;
        assert!(said.contains(end.told()), "{end:?}: {said}");
        let mails = world.sink().mails_to(&email);
        let links: usize = mails.iter().map(|mail| mail.tokens().len()).sum();
        assert_eq!(links, 1, "{end:?}: only the first mail");
    }
    let waiting = "SELECT count(*) FROM outbox WHERE routing_key = 'identity.reset.requested.v1'";
    until_number(&world, waiting, 0).await;
}

async fn update(world: &World, user: User, path: &str) {
    let update = UpdateUserRequest {
        user: Some(user),
        update_mask: Some(prost_types::FieldMask { paths: vec![path.to_owned()] }),
        ..Default::default()
    };
    world.crm().directory.update_user(update).await.expect("it is changed");
}

#[tokio::test]
async fn a_mail_still_in_the_outbox_is_not_published_once_its_link_is_over() {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let sari = world.user(&kopi, Person::named("sari").role(Role::Admin)).await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    // Nothing is bound, so the message comes back and the row stays.
    let key = "identity.reset.requested.v1";
    let bindings = format!("bindings/{}/e/identity.events/q/mailer.requests", world.vhost());
    let deleted = world.rabbitmq().api("DELETE", &format!("{bindings}/{key}"), None).expect("the broker answers");
    assert!(deleted.is_ok(), "{}", deleted.body);

    let request = world.request_reset("budi").await;
    let pending = until("the link is made", async || {
        world.resets_of(&request).await.pop().filter(|reset| !reset.reset_id.is_empty())
    })
    .await;
    assert_eq!(pending.delivery_state(), DeliveryState::Pending);
    let revoke = RevokeResetRequest { reset_id: pending.reset_id, actor: actor(&sari), reason: String::new() };
    world.crm().support.revoke_reset(revoke).await.expect("it is revoked");
    let over = world.reset_in(&request, DeliveryState::NotSent).await;
    assert_eq!(over.not_sent_reason(), NotSentReason::Revoked);
    assert!(over.attempts.is_empty());
    assert!(world.sink().mails().is_empty());
}

#[tokio::test]
async fn a_deferred_mail_is_not_tried_again_while_its_organisation_is_suspended() {
    let world = World::build().wide_limits().set(r#"identity.resets.retry_gaps=["1s"]"#).start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.script(Rule::reply(Phase::Recipient, 451, "4.7.1 greylisted"));
    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Deferred).await;
    let suspend = UpdateOrganizationRequest {
        organization: Some(Organization { suspended: true, ..kopi }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["suspended".to_owned()] }),
    };
    world.crm().directory.update_organization(suspend).await.expect("it is suspended");
    // The mail server still says: later. So only the suspension can end this.
    let over = world.reset_in(&request, DeliveryState::NotSent).await;
    assert_eq!(over.not_sent_reason(), NotSentReason::AccountDisabled);
    assert!(world.sink().mails().is_empty());
}
