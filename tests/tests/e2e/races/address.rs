//! An address that changes while a mail to the old one is already in the queue.

use e2e::{Person, World, people::PASSWORD, refused, world::Program};
use proto::identity::v1::{DeliveryState, LinkState, UpdateUserRequest, User};
use tonic::Code;

#[tokio::test]
async fn a_link_on_its_way_to_a_former_address_opens_nothing() {
    let mut world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let user = world.user(&kopi, Person::named("budi").email("lama@kopi.example")).await;
    world.terminate(Program::Mailer, 0);
    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Queued).await;

    let update = UpdateUserRequest {
        user: Some(User { email: "baru@kopi.example".to_owned(), ..user }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["email".to_owned()] }),
        ..Default::default()
    };
    world.crm().directory.update_user(update).await.expect("it is changed");
    world.start_again(Program::Mailer, 0);

    // The mailer has no database, so the mail may still go out. The new address hears nothing of it.
    let token = world.token_to("lama@kopi.example").await;
    let refusal = refused(world.complete_reset(&token, "perahu kertas di sungai 8").await);
    assert_eq!((refusal.code, refusal.reason.as_str()), (Code::FailedPrecondition, "RESET_TOKEN_INVALID"));
    assert!(world.log_in("budi", PASSWORD).await.is_ok(), "the old password stays");
    let told = world.reset_in(&request, DeliveryState::Sent).await;
    assert_eq!(told.link_state(), LinkState::Revoked);
    let links: usize = world.sink().mails_to("baru@kopi.example").iter().map(|mail| mail.tokens().len()).sum();
    assert_eq!(links, 0);
}
