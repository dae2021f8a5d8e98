//! Hashes of older parameters become ones of today when their people log in, and only then.

use e2e::{Person, World, people::PASSWORD, refused};
use futures::future::join_all;

use crate::calls::change_password;

/// Argon2id of [`PASSWORD`] with 8 MiB and one pass, as no settings of today allow.
const OLDER: &str = "$argon2id$v=19$m=8192,t=1,p=1$Z2FyYW0gbGF1dCBqYXdhIQ$PTByCjvtIsHGMoz03EqO5WFSYhwJETeTiKLdoS/pgZg";
const NEW: &str = "awan putih di atas ladang 3";

async fn grow_old(world: &World, username: &str) {
    let statement = sqlx::query("UPDATE users SET password_hash = $2 WHERE username = $1").bind(username).bind(OLDER);
    statement.execute(&world.database().await).await.expect("the owner may");
}

async fn hash(world: &World, username: &str) -> String {
    let statement = sqlx::query_scalar("SELECT password_hash FROM users WHERE username = $1").bind(username);
    statement.fetch_one(&world.database().await).await.expect("it is there")
}

#[tokio::test]
async fn a_hash_of_older_parameters_is_renewed_by_the_next_good_log_in_and_by_no_other() {
    let world = World::build().mailers(0).set("identity.passwords.iterations=3").start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi")).await;
    assert!(hash(&world, "budi").await.starts_with("$argon2id$v=19$m=19456,t=3,p=1$"));
    grow_old(&world, "budi").await;

    world.log_in("budi", NEW).await.expect_err("it is another password");
    assert_eq!(hash(&world, "budi").await, OLDER);
    world.log_in("budi", PASSWORD).await.expect("it is the password");
    let renewed = hash(&world, "budi").await;
    assert!(renewed.starts_with("$argon2id$v=19$m=19456,t=3,p=1$"), "{renewed}");
    world.log_in("budi", PASSWORD).await.expect("it still is");
    assert_eq!(hash(&world, "budi").await, renewed, "and is renewed once");
}

#[tokio::test]
async fn log_ins_that_renew_a_hash_hinder_no_change_of_the_password_and_lose_none() {
    let world = World::build().mailers(0).identities(2).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    for number in 0..5 {
        let username = format!("orang{number}");
        let user = world.user(&kopi, Person::named(&username)).await;
        grow_old(&world, &username).await;
        let log_ins = join_all((0..6).map(|_| world.log_in(&username, PASSWORD)));
        let (_, changed) = tokio::join!(log_ins, change_password(world.gateway(), &user, PASSWORD, NEW));
        changed.expect("a hash that is renewed meanwhile is of the same password");
        world.log_in(&username, PASSWORD).await.expect_err("it is the password no more");
        world.log_in(&username, NEW).await.expect("the change stands");
    }
}

#[tokio::test]
async fn long_passwords_that_differ_in_their_last_character_are_two_and_longer_ones_are_none() {
    const LONGEST: usize = 1024;
    let world = World::build().mailers(0).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let long = "langit biru di atas telaga 7, ".repeat(40);
    let ending = |last: char| format!("{}{last}", &long[..LONGEST - 1]);
    let user = world.user(&kopi, Person::named("budi").password(&ending('a'))).await;
    world.log_in("budi", &ending('a')).await.expect("it is the password");
    assert_eq!(refused(world.log_in("budi", &ending('b')).await).reason, "PASSWORD_MISMATCH");
    assert_eq!(refused(world.log_in("budi", &long[..LONGEST - 1]).await).reason, "PASSWORD_MISMATCH");
    change_password(world.gateway(), &user, &ending('a'), &ending('b')).await.expect("it is another one");
    assert_eq!(refused(world.log_in("budi", &ending('a')).await).reason, "PASSWORD_MISMATCH");
    world.log_in("budi", &ending('b')).await.expect("it is the password");

    let longer = ending('b') + "c";
    let refusal = refused(change_password(world.gateway(), &user, &ending('b'), &longer).await);
    assert_eq!((refusal.reason.as_str(), refusal.rules()), ("PASSWORD_REJECTED", vec!["TOO_LONG"]));
    world.log_in("budi", &longer).await.expect_err("nothing is cut off");
    world.log_in("budi", &ending('b')).await.expect("it still is");
}
