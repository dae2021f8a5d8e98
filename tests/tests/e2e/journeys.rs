//! The journeys of the CRM's help page.

use e2e::{Person, World, people::PASSWORD, refused};
use proto::identity::v1::DeliveryState;

#[tokio::test]
async fn a_forgotten_password_is_replaced_through_a_link_in_a_mail() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;

    let request = world.request_reset("budi").await;
    let token = world.token_to("budi@kopi.example").await;
    let reset = world.reset_in(&request, DeliveryState::Sent).await;
    assert_eq!(reset.attempts.len(), 1);

    let new = "awan putih di atas ladang 3";
    let completed = world.complete_reset(&token, new).await.expect("the link is good").into_inner();
    assert_eq!(completed.username, "budi");
    let logged_in = world.log_in("budi", new).await.expect("the new password is good").into_inner();
    assert_eq!(logged_in.user.unwrap().credential_version, completed.credential_version);
    assert_eq!(refused(world.log_in("budi", PASSWORD).await).reason, "PASSWORD_MISMATCH");
    assert_eq!(refused(world.complete_reset(&token, new).await).reason, "RESET_TOKEN_INVALID");
}
