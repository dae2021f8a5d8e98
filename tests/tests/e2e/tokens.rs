//! The token: what spends it, what ends it, and that one answer says nothing about which.

use std::time::Duration;

use e2e::{
    Person, World,
    people::{PASSWORD, actor, requester},
    refused,
    resets::BOUND,
};
use proto::identity::v1::{
    AdminResetRequest, CompleteResetRequest, DeliveryState, LinkState, RevokeResetRequest, Role, User, UserState,
};
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::calls::{
    Outcome, admin_reset, bytes, change_password, check_reset, reset_by_id, resets_of_user, set_state, settled, update,
};

const NEW: &str = "awan putih di atas ladang 3";

/// An organisation with an admin.
async fn admin(world: &World) -> (proto::identity::v1::Organization, User) {
    let kopi = world.organization("kopi").await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin).password("")).await;
    (kopi, siti)
}

/// The newest token mailed to an address, once there are so many mails.
async fn newest_token(world: &World, address: &str, mails: usize) -> String {
    let mails = world.mails_to(address, mails).await;
    mails.last().and_then(|mail| mail.tokens().pop()).expect("the newest mail has a link")
}

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

async fn database_time(database: &PgPool) -> OffsetDateTime {
    sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(database).await.expect("the database has a clock")
}

#[tokio::test]
async fn a_link_ends_by_the_databases_clock() {
    const LIFE: Duration = Duration::from_secs(3);
    let world = World::build().wide_limits().set("identity.resets.self_service_life=3s").start().await;
    let (kopi, _) = admin(&world).await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let database = world.database().await;

    let asked = database_time(&database).await;
    let request = world.request_reset("budi").await;
    let token = world.token_to("budi@kopi.example").await;
    let link = check_reset(&world, &token).await.expect("the link is good").into_inner();
    let expire_time = link.expire_time.expect("it ends");
    let expire_time = OffsetDateTime::from_unix_timestamp_nanos(
        i128::from(expire_time.seconds) * 1_000_000_000 + i128::from(expire_time.nanos),
    )
    .expect("a time");
    assert!(expire_time >= asked + LIFE && expire_time <= database_time(&database).await + LIFE, "as long as set");

    let end = tokio::time::Instant::now() + BOUND;
    loop {
        let before = database_time(&database).await;
        let checked = check_reset(&world, &token).await;
        let after = database_time(&database).await;
        match checked {
            Ok(_) => assert!(before < expire_time, "it worked after its end"),
            Err(_) if after < expire_time => panic!("it ended {} too early", expire_time - after),
            Err(status) => {
                assert_eq!(e2e::Refusal::from(&status).reason, "RESET_TOKEN_INVALID");
                break;
            }
        }
        assert!(tokio::time::Instant::now() < end, "it never ends");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(refused(world.complete_reset(&token, NEW).await).reason, "RESET_TOKEN_INVALID");
    assert_eq!(world.resets_of(&request).await[0].link_state(), LinkState::Expired);
    world.log_in("budi", PASSWORD).await.expect("the password is as before");
}

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
            let link_life = Some(prost_types::Duration { seconds: 3, nanos: 0 });
            let request = AdminResetRequest { link_life, ..crate::calls::admin_reset_request(&siti, &user) };
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

#[tokio::test]
async fn whatever_changes_who_may_log_in_ends_the_links() {
    let world = World::build().wide_limits().start().await;
    let (kopi, siti) = admin(&world).await;
    for (username, ends) in [
        ("address", true),
        ("rename", true),
        ("password", true),
        ("state", true),
        ("display", false),
        ("role", false),
        ("admin", false),
    ] {
        let address = format!("{username}@kopi.example");
        let user = world.user(&kopi, Person::named(username).email(&address)).await;
        world.request_reset(username).await;
        admin_reset(world.gateway(), &siti, &user).await.expect("an admin may");
        let tokens: Vec<String> = world.mails_to(&address, 2).await.iter().flat_map(|mail| mail.tokens()).collect();
        change(&world, &siti, &user).await;
        for token in &tokens {
            assert_eq!(is_live(check_reset(&world, token).await), !ends, "{username}");
        }
        let expected = if ends { LinkState::Revoked } else { LinkState::Live };
        let resets = resets_of_user(&world, &user).await;
        assert!(
            resets[resets.len() - 2..].iter().all(|reset| reset.link_state() == expected),
            "{username}: {resets:?}"
        );
    }
}

async fn change(world: &World, siti: &User, user: &User) {
    let new = user.clone();
    let (new, path) = match user.username.as_str() {
        "password" => return drop(change_password(world.gateway(), user, PASSWORD, NEW).await.expect("it is changed")),
        "state" => return drop(set_state(world.crm(), user, UserState::Disabled).await.expect("it is disabled")),
        "admin" => return drop(admin_reset(world.gateway(), siti, user).await.expect("an admin may")),
        "address" => (User { email: "elsewhere@kopi.example".to_owned(), ..new }, "email"),
        "rename" => (User { username: "renamed".to_owned(), ..new }, "username"),
        "display" => (User { display_name: "Nama Lain".to_owned(), ..new }, "display_name"),
        _ => (User { role: Role::Admin.into(), ..new }, "role"),
    };
    update(world.crm(), new, &[path]).await.expect("the system of record may");
}

fn is_live<T>(checked: Outcome<T>) -> bool {
    match checked {
        Ok(_) => true,
        Err(status) => {
            assert_eq!(e2e::Refusal::from(&status).reason, "RESET_TOKEN_INVALID");
            false
        }
    }
}
