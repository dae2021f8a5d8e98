//! What spends a link, and what does not.

use e2e::{
    Person, World,
    people::{PASSWORD, requester},
    refused,
};
use proto::identity::v1::{CompleteResetRequest, DeliveryState, LinkState};

use super::{NEW, admin, newest_token};
use crate::calls::{admin_reset, check_reset, reset_by_id, resets_of_user, settled};

#[tokio::test]
async fn a_refused_password_does_not_spend_the_link() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.request_reset("budi").await;
    let token = world.token_to("budi@kopi.example").await;

    for (password, rule) in
        [("pendek", "TOO_SHORT"), ("bismillahirrahmanirrahim", "COMMON"), ("budi-kopi-Q7#x-sandi", "CONTEXT_WORD")]
    {
        let refusal = refused(world.complete_reset(&token, password).await);
        assert_eq!(refusal.reason, "PASSWORD_REJECTED");
        assert!(
            refusal.rules().contains(&rule) && refusal.fields().iter().all(|it| *it == "new_password"),
            "{refusal:?}"
        );
    }
    let differing = CompleteResetRequest {
        token: token.clone(),
        new_password: NEW.to_owned(),
        confirm_password: Some(String::new()),
        requester: requester("203.0.113.7", "en"),
        ..Default::default()
    };
    let refusal = refused(world.gateway().identity.complete_reset(differing).await);
    assert_eq!((refusal.reason.as_str(), refusal.fields()), ("CONFIRMATION_MISMATCH", vec!["confirm_password"]));
    world.log_in("budi", PASSWORD).await.expect("nothing has changed");

    world.complete_reset(&token, NEW).await.expect("the link is as good as new");
    world.log_in("budi", NEW).await.expect("the new password is good");
    assert_eq!(refused(world.complete_reset(&token, "perahu biru di laut tenang").await).reason, "RESET_TOKEN_INVALID");
    world.log_in("budi", NEW).await.expect("a used link changes nothing");
}

#[tokio::test]
async fn looking_at_a_link_never_spends_it_and_the_first_look_is_noted() {
    let world = World::start().await;
    let (kopi, _) = admin(&world).await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let request = world.request_reset("budi").await;
    let token = world.token_to("budi@kopi.example").await;
    let unseen = world.reset_in(&request, DeliveryState::Sent).await;
    assert_eq!(unseen.view_time, None, "that the mail was sent is no look");

    let first = check_reset(&world, &token).await.expect("the link is good").into_inner();
    let seen = reset_by_id(&world, &unseen.reset_id).await;
    let looked = seen.view_time.expect("the first look is noted");
    for _ in 0..20 {
        assert_eq!(check_reset(&world, &token).await.expect("the link is good").into_inner(), first);
    }
    let seen = reset_by_id(&world, &unseen.reset_id).await;
    assert_eq!((seen.view_time, seen.link_state(), seen.complete_time), (Some(looked), LinkState::Live, None));
    assert_eq!(seen.expire_time, first.expire_time, "looking does not prolong it");
    world.complete_reset(&token, NEW).await.expect("the link is as good as new");
    assert_eq!(reset_by_id(&world, &unseen.reset_id).await.view_time, Some(looked));
}

#[tokio::test]
async fn an_older_link_still_works_after_a_new_request_and_ends_the_newer_ones() {
    let world = World::build().set("identity.limits.mails_per_minute=1000").start().await;
    let (kopi, siti) = admin(&world).await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let mut tokens = Vec::new();
    for mails in 1..=2 {
        world.request_reset("budi").await;
        tokens.push(newest_token(&world, "budi@kopi.example", mails).await);
    }
    admin_reset(world.gateway(), &siti, &budi).await.expect("an admin may");
    tokens.push(newest_token(&world, "budi@kopi.example", 3).await);
    for token in &tokens {
        check_reset(&world, token).await.expect("a new link leaves the older ones alone");
    }
    settled(&world).await;

    world.complete_reset(&tokens[0], NEW).await.expect("the oldest link is good");
    for token in &tokens {
        assert_eq!(refused(check_reset(&world, token).await).reason, "RESET_TOKEN_INVALID");
        assert_eq!(refused(world.complete_reset(token, PASSWORD).await).reason, "RESET_TOKEN_INVALID");
    }
    let states: Vec<LinkState> = resets_of_user(&world, &budi).await.iter().map(|reset| reset.link_state()).collect();
    assert_eq!(states, [LinkState::Revoked, LinkState::Revoked, LinkState::Completed], "newest first");
    world.log_in("budi", NEW).await.expect("the new password is good");
}
