//! While an organisation is suspended, its people behave as disabled ones; afterwards as before.

use e2e::{
    Person, World,
    people::{PASSWORD, actor},
    refused,
};
use proto::identity::v1::{
    AdminResetRequest, ChangePasswordRequest, CheckResetRequest, DeliveryState, ListUsersRequest, NotSentReason, Role,
};

#[tokio::test]
async fn a_suspended_organisation_has_no_log_in_no_link_and_no_admin() {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let owner = world.user(&kopi, Person::named("sari").role(Role::Owner)).await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let gateway = world.gateway();
    world.request_reset("budi").await;
    let token = world.token_to("budi@kopi.example").await;
    let check = async || gateway.identity.clone().check_reset(CheckResetRequest { token: token.clone() }).await;
    let reset = async |actor| {
        let reason = "he asked".to_owned();
        let request = AdminResetRequest { user_id: budi.user_id.clone(), actor, reason, ..Default::default() };
        match actor_of(&request) {
            true => gateway.identity.clone().admin_reset(request).await,
            false => world.support().identity.admin_reset(request).await,
        }
    };
    let list = async || {
        let request = ListUsersRequest {
            organization_id: kopi.organization_id.clone(),
            actor: actor(&owner),
            ..Default::default()
        };
        gateway.directory.clone().list_users(request).await
    };
    let change = async || {
        let request = ChangePasswordRequest {
            user_id: budi.user_id.clone(),
            current_password: PASSWORD.to_owned(),
            new_password: "hujan turun di kebun 5".to_owned(),
            ..Default::default()
        };
        gateway.identity.clone().change_password(request).await
    };
    check().await.expect("the link is open");
    world.log_in("budi", PASSWORD).await.expect("he may");

    super::suspend(&world, &kopi, true).await;
    assert_eq!(refused(world.log_in("budi", PASSWORD).await).reason, "PASSWORD_MISMATCH");
    assert_eq!(refused(change().await).reason, "PASSWORD_MISMATCH");
    assert_eq!(refused(check().await).reason, "RESET_TOKEN_INVALID");
    let completed = world.complete_reset(&token, "awan putih di atas ladang 3").await;
    assert_eq!(refused(completed).reason, "RESET_TOKEN_INVALID");
    assert_eq!(refused(list().await).reason, "ACTOR_INVALID");
    assert_eq!(refused(reset(actor(&owner)).await).reason, "ACTOR_INVALID");
    assert_eq!(refused(reset(None).await).reason, "USER_DISABLED", "on support's behalf");
    let request = world.request_reset("budi").await;
    let told = world.reset_in(&request, DeliveryState::NotSent).await;
    assert_eq!(told.not_sent_reason(), NotSentReason::AccountDisabled);

    super::suspend(&world, &kopi, false).await;
    check().await.expect("the link is open again");
    world.log_in("budi", PASSWORD).await.expect("he may again");
    list().await.expect("she may again");
    reset(actor(&owner)).await.expect("she may again");
    world.complete_reset(&token, "awan putih di atas ladang 3").await.expect("the link works again");
}

fn actor_of(request: &AdminResetRequest) -> bool {
    request.actor.is_some()
}
