//! Who calls: a token that the callers' file knows, read again when the file changes.

use std::{fs, process::Command, time::Duration};

use e2e::{Refusal, World, client::Client, resets::BOUND, world::Program};
use proto::identity::v1::{GetUserRequest, get_user_request::Key};

/// What a caller with this token is told; `USER_NOT_FOUND` when it is known.
async fn ask(world: &World, token: &str) -> String {
    let request = GetUserRequest { key: Some(Key::Username("nobody".to_owned())) };
    let outcome = Client::new(world.channel(0), Some(token)).directory.get_user(request).await;
    Refusal::from(&outcome.expect_err("there is nobody")).reason
}

async fn until(world: &World, token: &str, wants: &str) {
    let end = tokio::time::Instant::now() + BOUND;
    while ask(world, token).await != wants {
        assert!(tokio::time::Instant::now() < end, "not {wants}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn digest(token: &str) -> String {
    use sha2::Digest;

    sha2::Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_callers_token_is_replaced_without_a_restart_and_without_a_gap() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let file = world.path("callers.toml");
    let (old, new) = (world.token("crm").to_owned(), "a-token-of-which-nobody-has-heard-before");
    let before = fs::read_to_string(&file).expect("the callers");
    let both = before.replace(&digest(&old), &format!("{}\", \"{}", digest(&old), digest(new)));
    assert_ne!(both, before);

    assert_eq!(ask(&world, new).await, "CALLER_UNKNOWN");
    fs::write(&file, &both).expect("it can be written");
    until(&world, new, "USER_NOT_FOUND").await;
    assert_eq!(ask(&world, &old).await, "USER_NOT_FOUND", "both are known now");

    // A broken file leaves the callers as they were, and is not passed over in silence.
    fs::write(&file, both.replace("directory.read", "directory.reed")).expect("it can be written");
    let failed = "sandi_reloads_total{outcome=\"failed\",what=\"callers.file\"} 1";
    let end = tokio::time::Instant::now() + BOUND;
    while !world.admin(Program::Identity, 0, "/metrics").body.contains(failed) {
        assert!(tokio::time::Instant::now() < end, "no metric says that the file is broken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(world.log(Program::Identity, 0).contains("directory.reed"), "the log says what is wrong");
    assert!(!world.log(Program::Identity, 0).contains(&digest(new)), "and shows no digest");
    assert_eq!(ask(&world, new).await, "USER_NOT_FOUND");

    // At once, when it is told to look.
    fs::write(&file, before.replace(&digest(&old), &digest(new))).expect("it can be written");
    let pid = world.pid(Program::Identity, 0).to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().expect("it can be sent").success());
    until(&world, &old, "CALLER_UNKNOWN").await;
    assert_eq!(ask(&world, new).await, "USER_NOT_FOUND");
}
