//! Token and cookie keys are replaced while the gateway runs, without a gap.

use std::{fs, time::Duration};

use e2e::{
    Person, World,
    people::PASSWORD,
    resets::BOUND,
    web::{Answer, Visitor},
    world::Program,
};
use tokio::time::{Instant, sleep};

use super::{calls::logged, pages::assert_strict};

const TOKEN: &str = "secrets/gateway-token";
const KEY: &str = "secrets/gateway-cookie-key";

/// Writes a file, and waits until the gateway has read it again, with this outcome.
async fn replace(world: &World, what: &str, file: &str, text: &str, outcome: &str) {
    let count = || {
        let page = world.admin(Program::Gateway, 0, "/metrics").body;
        let lines = page.lines().filter(|line| {
            line.starts_with("sandi_reloads_total")
                && line.contains(&format!("\"{what}\""))
                && line.contains(&format!("outcome=\"{outcome}\""))
        });
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    };
    let before = count();
    fs::write(world.path(file), text).expect("it can be written");
    let end = Instant::now() + BOUND;
    while count() <= before {
        assert!(Instant::now() < end, "{what} is not read again");
        sleep(Duration::from_millis(50)).await;
    }
}

fn ask(visitor: &mut Visitor) -> Answer {
    let page = visitor.get("/forgot");
    visitor.submit(&page, "forgot-form", &[("username", "budi")])
}

#[tokio::test]
async fn a_token_that_is_not_known_is_our_fault_and_another_one_is_taken_up() {
    let world = World::build().gateway().wide_limits().start().await;
    let right = fs::read_to_string(world.path(TOKEN)).expect("it is there");
    let mut visitor = world.visitor("en");
    assert_eq!(ask(&mut visitor).status, 303);
    replace(&world, "identity", TOKEN, "not-a-token-of-ours\n", "ok").await;
    let refused = ask(&mut visitor);
    assert_eq!(refused.status, 500, "{}", refused.body);
    assert_strict(&refused);
    let code = refused.text("support-code");
    assert_eq!(code.len(), 32, "{code}");
    logged(&world, Program::Gateway, &code).await;
    assert_eq!(refused.attribute("username", "value"), "budi", "what was typed is kept");
    assert!(!refused.body.contains("CALLER_UNKNOWN") && refused.body.contains("on our side"), "{}", refused.body);
    replace(&world, "identity", TOKEN, "", "failed").await;
    assert_eq!(ask(&mut visitor).status, 500, "the last one stays");
    replace(&world, "identity", TOKEN, &right, "ok").await;
    assert_eq!(ask(&mut visitor).status, 303);
}

#[tokio::test]
async fn a_cookie_key_is_replaced_without_logging_anybody_out() {
    let world = World::build().gateway().start().await;
    let kopi = world.organization("kopi").await;
    for name in ["budi", "sari"] {
        world.user(&kopi, Person::named(name)).await;
    }
    let old = fs::read_to_string(world.path(KEY)).expect("it is there");
    let new = format!("{}A==\n", "B".repeat(85));
    let (mut before, mut after) = (world.visitor("en"), world.visitor("en"));
    before.log_in("budi", PASSWORD);
    replace(&world, "cookie.key_file", KEY, &format!("{new}{old}"), "ok").await;
    assert_eq!(before.get("/account").status, 200, "a session of before goes on");
    after.log_in("sari", PASSWORD);
    replace(&world, "cookie.key_file", KEY, &new, "ok").await;
    assert_eq!(before.get("/account").location(), "/login", "signed by a key that is gone");
    assert_eq!(after.get("/account").status, 200, "signed by the new key");
    replace(&world, "cookie.key_file", KEY, "no key\n", "failed").await;
    assert_eq!(after.get("/account").status, 200, "the last good one stays");
}
