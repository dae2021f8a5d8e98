//! A link that is no good is answered alike, whatever is the matter with it.

use std::time::Duration;

use e2e::{
    Person, World,
    people::{actor, requester},
    refused,
    resets::BOUND,
};
use proto::identity::v1::{AdminResetRequest, CompleteResetRequest, LinkState, RevokeResetRequest, UserState};

use super::{NEW, admin, newest_token};
use crate::calls::{admin_reset, admin_reset_request, bytes, check_reset, reset_by_id, set_state};

#[tokio::test]
async fn wrong_used_expired_and_revoked_links_get_one_answer() {
    let world = World::build().wide_limits().start().await;
    let (kopi, siti) = admin(&world).await;
    let mut tokens = Vec::new();
    for username in ["used", "expired", "revoked", "superseded", "disabled"] {
        // Their own language must not show either.
        let address = format!("{username}@kopi.example");
        let user = world.user(&kopi, Person::named(username).email(&address).locale("en").password("")).await;
        let sent = if username == "expired" {
            // Long enough for the mail, and over by the time the others are.
            let link_life = Some(prost_types::Duration { seconds: 5, nanos: 0 });
            let request = AdminResetRequest { link_life, ..admin_reset_request(&siti, &user) };
            world.gateway().identity.admin_reset(request).await
        } else {
            admin_reset(world.gateway(), &siti, &user).await
        };
        let sent = sent.expect("an admin may").into_inner();
        let token = world.token_to(&address).await;
        check_reset(&world, &token).await.expect("the link is good");
        match username {
            "used" => drop(world.complete_reset(&token, NEW).await.expect("the link is good")),
            "revoked" => {
                let revoke = RevokeResetRequest { reset_id: sent.reset_id, actor: actor(&siti), ..Default::default() };
                world.gateway().support.revoke_reset(revoke).await.expect("an admin may");
            }
            "superseded" => {
                admin_reset(world.gateway(), &siti, &user).await.expect("an admin may");
                let newer = newest_token(&world, &address, 2).await;
                world.complete_reset(&newer, NEW).await.expect("the link is good");
            }
            "disabled" => drop(set_state(world.crm(), &user, UserState::Disabled).await.expect("it is disabled")),
            _ => {
                let end = tokio::time::Instant::now() + BOUND;
                while reset_by_id(&world, &sent.reset_id).await.link_state() != LinkState::Expired {
                    assert!(tokio::time::Instant::now() < end, "it never ends");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        tokens.push((username, token));
    }
    let good = tokens[0].1.clone();
    let flipped = format!("{}{}", if good.starts_with('A') { 'B' } else { 'A' }, &good[1..]);
    tokens.extend([
        ("one character off", flipped),
        ("never issued", "x".repeat(43)),
        ("too short", good[..42].to_owned()),
        ("padded", format!("{good}=")),
        ("in capitals", good.to_uppercase()),
        ("with a space", format!(" {good}")),
        ("no base64", "!".repeat(43)),
    ]);

    let complete = async |token: &str, password: &str, locale: &str| {
        let request = CompleteResetRequest {
            token: token.to_owned(),
            new_password: password.to_owned(),
            requester: (!locale.is_empty()).then(|| requester("203.0.113.7", locale)).flatten(),
            ..Default::default()
        };
        world.gateway().identity.complete_reset(request).await
    };
    let others = "perahu biru di laut tenang";
    let checked = bytes(check_reset(&world, &"x".repeat(43)).await);
    let refusal = refused(check_reset(&world, &"x".repeat(43)).await);
    assert_eq!((refusal.code, refusal.reason.as_str()), (tonic::Code::FailedPrecondition, "RESET_TOKEN_INVALID"));
    for locale in ["", "id", "en"] {
        let expected = bytes(complete(&"x".repeat(43), others, locale).await);
        for (what, token) in &tokens {
            assert_eq!(bytes(check_reset(&world, token).await), checked, "CheckReset of one {what}");
            assert_eq!(bytes(complete(token, others, locale).await), expected, "CompleteReset of one {what}");
            // How a password is judged depends on whose it is: a link that is over must not tell.
            for password in ["pendek", "used-kopi-sandi-revoked"] {
                assert_eq!(bytes(complete(token, password, locale).await), expected, "{password} with one {what}");
            }
        }
    }
}
