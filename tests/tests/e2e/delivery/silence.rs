//! The mail server falls silent after the content: nobody knows whether it has the mail.

use e2e::{Act, Person, Phase, Rule, World, people::actor};
use proto::identity::v1::{DeliveryState, LinkState, RevokeResetRequest, Role};

use super::told;
use crate::waiting::{until, until_number};

async fn world_of_short_gaps() -> World {
    let world = World::build().wide_limits().set(r#"identity.resets.retry_gaps=["2s"]"#).start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world
}

#[tokio::test]
async fn after_a_silence_the_same_mail_is_tried_once_more() {
    let world = world_of_short_gaps().await;
    for (act, mails) in [(Act::Drop, 1), (Act::KeepAndDrop, 2)] {
        let before = world.sink().mails().len();
        world.script(Rule::at(Phase::Final, act.clone()).times(1));
        let request = world.request_reset("budi").await;
        let unknown = world.reset_in(&request, DeliveryState::Unknown).await;
        assert_eq!(told(&unknown.attempts[0]), (DeliveryState::Unknown, "final", 0, ""), "{act:?}");
        assert_eq!(unknown.link_state(), LinkState::Live);

        let sent = world.reset_in(&request, DeliveryState::Sent).await;
        assert_eq!(sent.attempts.len(), 2);
        let kept = world.sink().mails().split_off(before);
        assert_eq!(kept.len(), mails, "{act:?}");
        for mail in &kept {
            assert_eq!(mail.header("Message-ID"), kept[0].header("Message-ID"));
            assert_eq!(mail.tokens(), kept[0].tokens());
            assert_eq!(mail.from, kept[0].from);
        }
    }
}

#[tokio::test]
async fn the_second_silence_is_final() {
    let world = world_of_short_gaps().await;
    world.script(Rule::at(Phase::Final, Act::KeepAndDrop));
    let request = world.request_reset("budi").await;
    until("the second silence", async || {
        let reset = world.resets_of(&request).await.pop()?;
        (reset.attempts.len() == 2).then_some(())
    })
    .await;
    // Without its row in the outbox nothing is ever published again.
    until_number(&world, "SELECT count(*) FROM outbox", 0).await;
    // Read again: a reset and its attempts are read one after the other, and the second attempt may come in between.
    let unknown = world.resets_of(&request).await.remove(0);
    assert_eq!(unknown.delivery_state(), DeliveryState::Unknown);
    assert_eq!(unknown.next_attempt_time, None);
    assert_eq!(world.sink().mails().len(), 2);
    let contents = world.sink().journal().iter().filter(|entry| entry.phase == Phase::Final).count();
    assert_eq!(contents, 2);
    // It may have arrived, so it works.
    let token = &world.sink().mails()[0].tokens()[0];
    assert!(world.complete_reset(token, "awan putih di atas ladang 3").await.is_ok());
}

#[tokio::test]
async fn a_mail_that_nobody_knows_about_is_not_tried_again_once_its_link_is_over() {
    // With the gaps of every day.
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    let sari = world.user(&kopi, Person::named("sari").role(Role::Admin)).await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.script(Rule::at(Phase::Final, Act::KeepAndDrop).times(1));
    let request = world.request_reset("budi").await;
    let unknown = world.reset_in(&request, DeliveryState::Unknown).await;
    assert!(unknown.next_attempt_time.is_some());

    let revoke =
        RevokeResetRequest { reset_id: unknown.reset_id, actor: actor(&sari), reason: "salah orang".to_owned() };
    world.crm().support.revoke_reset(revoke).await.expect("it is revoked");
    until_number(&world, "SELECT count(*) FROM outbox", 0).await;
    let over = world.resets_of(&request).await.remove(0);
    // It may have arrived, so nobody says that it was not sent.
    assert_eq!(over.delivery_state(), DeliveryState::Unknown);
    assert_eq!(over.link_state(), LinkState::Revoked);
    assert_eq!(over.next_attempt_time, None);
    assert_eq!(world.sink().mails().len(), 1);
}

#[tokio::test]
async fn a_connection_lost_before_the_content_leaves_no_doubt() {
    let world = world_of_short_gaps().await;
    for (before, phase) in [Phase::Mail, Phase::Recipient, Phase::Data].into_iter().enumerate() {
        // An idle connection that the server closed is no failure; the next one is.
        world.script(Rule::at(phase, Act::Drop).times(2));
        let request = world.request_reset("budi").await;
        let sent = world.reset_in(&request, DeliveryState::Sent).await;
        assert!(sent.attempts.iter().all(|it| it.outcome() != DeliveryState::Unknown), "{phase:?}: {sent:?}");
        assert_eq!(world.sink().mails().len(), before + 1, "{phase:?}");
    }
}
