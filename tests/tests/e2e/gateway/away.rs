//! While the identity service is away, pages say so and keep what was typed, except secrets.

use e2e::{Person, World, people::PASSWORD, world::Program};

#[tokio::test]
async fn pages_say_that_the_service_is_away_and_go_on_when_it_is_back() {
    let mut world = World::build().gateway().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let (mut budi, mut stranger) = (world.visitor("en"), world.visitor("id"));
    budi.log_in("budi", PASSWORD);
    let (login, forgot) = (stranger.get("/login"), stranger.get("/forgot"));
    world.kill(Program::Identity, 0);

    let asked = stranger.submit(&forgot, "forgot-form", &[("username", "budi")]);
    let tried = stranger.submit(&login, "login-form", &[("username", "budi"), ("password", PASSWORD)]);
    for (answer, form) in [(&asked, "forgot-form"), (&tried, "login-form")] {
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.header("retry-after").parse::<u64>().is_ok());
        assert!(answer.body.contains("role=\"alert\"") && answer.body.contains("tidak dapat dihubungi"));
        assert!(answer.form(form).fields.contains(&("username".to_owned(), "budi".to_owned())));
        assert!(!answer.body.contains(PASSWORD));
    }
    let page = budi.get("/account");
    assert_eq!(page.status, 503, "{}", page.body);
    assert!(page.has("support-code") && budi.cookies.contains_key("sandi_session"), "the session is kept");
    assert_eq!(stranger.get("/login").status, 200);
    assert_eq!(world.admin(Program::Gateway, 0, "/readyz").status, 200, "pages are still shown");

    world.start_again(Program::Identity, 0);
    let sent = stranger.submit(&asked, "forgot-form", &[]);
    assert_eq!(sent.status, 303, "{}", sent.body);
    world.mail_to("budi@kopi.example").await;
    assert_eq!(budi.get("/account").status, 200);
    let trace = world.log(Program::Gateway, 0);
    assert!(!trace.contains(PASSWORD) && !trace.contains("budi"), "neither names nor secrets are logged");
}
