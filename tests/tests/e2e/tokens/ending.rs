//! What ends a link that nobody used.

use std::time::Duration;

use e2e::{Person, World, people::PASSWORD, refused, resets::BOUND};
use proto::identity::v1::{LinkState, Role, User, UserState};
use sqlx::PgPool;
use time::OffsetDateTime;

use super::{NEW, admin};
use crate::calls::{Outcome, admin_reset, change_password, check_reset, resets_of_user, set_state, update};

async fn database_time(database: &PgPool) -> OffsetDateTime {
    sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(database).await.expect("the database has a clock")
}

#[tokio::test]
async fn a_link_ends_by_the_databases_clock() {
    let world = World::build().wide_limits().set("identity.resets.self_service_life=5s").start().await;
    ends_by_the_databases_clock(&world).await;
}

/// A link of 5 s, tried until it ends.
///
/// # Panics
/// When that is not as the database's clock says.
pub(crate) async fn ends_by_the_databases_clock(world: &World) {
    const LIFE: Duration = Duration::from_secs(5);
    let (kopi, _) = admin(world).await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let database = world.database().await;

    let asked = database_time(&database).await;
    let request = world.request_reset("budi").await;
    let token = world.token_to("budi@kopi.example").await;
    let link = check_reset(world, &token).await.expect("the link is good").into_inner();
    let expire_time = link.expire_time.expect("it ends");
    let expire_time = OffsetDateTime::from_unix_timestamp_nanos(
        i128::from(expire_time.seconds) * 1_000_000_000 + i128::from(expire_time.nanos),
    )
    .expect("a time");
    assert!(expire_time >= asked + LIFE && expire_time <= database_time(&database).await + LIFE, "as long as set");

    let end = tokio::time::Instant::now() + BOUND;
    loop {
        let before = database_time(&database).await;
        let checked = check_reset(world, &token).await;
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
async fn whatever_changes_who_may_log_in_ends_the_links() {
    let world = World::build().wide_limits().start().await;
    let (kopi, siti) = admin(&world).await;
    for (username, ends) in [
        ("address", true),
        ("rename", true),
        ("password", true),
        ("state", true),
        ("display", false),
        ("raised", true),
        ("lowered", false),
        ("admin", false),
    ] {
        let address = format!("{username}@kopi.example");
        let role = if username == "lowered" { Role::Admin } else { Role::Member };
        let user = world.user(&kopi, Person::named(username).email(&address).role(role)).await;
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
        "raised" => (User { role: Role::Admin.into(), ..new }, "role"),
        _ => (User { role: Role::Member.into(), ..new }, "role"),
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
