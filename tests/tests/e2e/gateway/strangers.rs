//! What a stranger writes into `X-Forwarded-For`, `Host` and their kind is not believed.

use e2e::{Person, World, web::Answer};

/// One request of a person whose proxy says that she is at `ip`.
fn ask(world: &World, ip: &str) -> Answer {
    let mut visitor = world.visitor("en").header("x-forwarded-for", ip);
    let page = visitor.get("/forgot");
    visitor.submit(&page, "forgot-form", &[("username", "budi")])
}

#[tokio::test]
async fn a_made_up_address_does_not_get_round_the_limit_of_an_address() {
    let world = World::build().gateway().set("identity.limits.address_per_minute=3").start().await;
    for number in 0..3 {
        assert_eq!(ask(&world, &format!("203.0.113.{number}")).status, 303);
    }
    let refused = ask(&world, "203.0.113.99");
    assert_eq!(refused.status, 429, "{}", refused.body);
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused.attribute("username", "value"), "budi", "what was typed is kept");
    assert!(refused.body.contains("role=\"alert\"") && refused.body.contains("try again in"), "{}", refused.body);
}

#[tokio::test]
async fn our_own_proxy_is_believed_but_not_what_stood_there_before() {
    let world = World::build()
        .gateway()
        .set("identity.limits.address_per_minute=3")
        .set("gateway.trusted_proxies=[\"127.0.0.1\"]")
        .start()
        .await;
    for number in 0..5 {
        assert_eq!(ask(&world, &format!("203.0.113.{number}")).status, 303, "each has a bucket of his own");
    }
    for number in 0..2 {
        assert_eq!(ask(&world, &format!("198.51.100.{number}, 203.0.113.0")).status, 303);
    }
    assert_eq!(ask(&world, "198.51.100.9, 203.0.113.0").status, 429, "the right-most stranger counts");

    let mut visitor = world.visitor("en").header("x-forwarded-proto", "https");
    assert!(visitor.get("/login").header("strict-transport-security").contains("max-age="));
    let mut visitor = world.visitor("en");
    assert_eq!(visitor.get("/login").header("strict-transport-security"), "");
}

#[tokio::test]
async fn no_link_is_built_from_what_a_request_says_of_our_name() {
    let world = World::build().gateway().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let mut visitor = world
        .visitor("en")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "host=evil.example;proto=https")
        .header("x-forwarded-proto", "https")
        .header("origin", "https://evil.example")
        .header("referer", "https://evil.example/");
    let page = visitor.get("/forgot");
    let sent = visitor.submit(&page, "forgot-form", &[("username", "budi")]);
    let shown = visitor.get(sent.location());
    assert_eq!(sent.location(), "/forgot/sent");
    for answer in [&page, &sent, &shown, &visitor.get("/nowhere"), &visitor.get("//evil.example/")] {
        let head = format!("{:?}", answer.headers);
        assert!(!head.contains("evil.example") && !answer.body.contains("evil.example"), "{head} {}", answer.body);
        assert_eq!(answer.header("strict-transport-security"), "", "he does not speak TLS");
    }
    let mail = world.mail_to("budi@kopi.example").await;
    assert!(mail.links()[0].starts_with(&format!("{}/reset#", world.gateway_url())), "{:?}", mail.links());
    assert!(!mail.text().contains("evil.example"));
}
