//! A gateway whose public URL has a path: everything stands below it, for people, their browsers and their mails.

use e2e::{
    Person, World,
    people::PASSWORD,
    web::{Answer, Visitor},
};
use proto::identity::v1::Role;

use super::{NEW, pages::assert_strict};

const PATH: &str = "/akun";

/// Every address on the page, and the one that it leads to, begins with the path.
#[track_caller]
fn assert_below(answer: &Answer) {
    if !answer.location().is_empty() {
        assert!(answer.location().starts_with("/akun/"), "{}", answer.location());
        return;
    }
    assert_strict(answer);
    for attribute in [" href=\"", " src=\"", " action=\""] {
        for rest in answer.body.split(attribute).skip(1) {
            let address = rest.split('"').next().expect("an attribute ends");
            assert!(address.starts_with("/akun/") || address.starts_with('#'), "{address} in {}", answer.body);
        }
    }
    for cookie in answer.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().expect("ASCII");
        assert!(cookie.contains("; Path=/;") || cookie.ends_with("; Path=/"), "{cookie}");
    }
}

/// Sends a form, and follows where that leads.
#[track_caller]
fn go(visitor: &mut Visitor, page: &Answer, form: &str, filled: &[(&str, &str)]) -> Answer {
    assert_below(page);
    let answer = visitor.submit(page, form, filled);
    assert_below(&answer);
    match answer.location() {
        "" => answer,
        next => visitor.get(next),
    }
}

#[tokio::test]
async fn every_journey_stays_below_the_path_of_the_public_url() {
    let world = World::build().gateway_below(PATH).wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.user(&kopi, Person::named("sari").email("sari@kopi.example").role(Role::Admin)).await;
    let mut visitor = world.visitor("id");

    // Forgot password, by both ways.
    let page = visitor.get("/login");
    let page = visitor.get(&page.attribute("forgot", "href"));
    let by_address = visitor.get(&page.attribute("forgot-username", "href"));
    assert!(go(&mut visitor, &page, "forgot-form", &[("username", "budi")]).has("sent"));
    let sent = go(&mut visitor, &by_address, "forgot-username-form", &[("email", "budi@kopi.example")]);
    assert_below(&sent);
    let mails = world.mails_to("budi@kopi.example", 2).await;
    let link = mails[0].links().remove(0);
    assert!(link.starts_with(&format!("http://{}/akun/reset#", world.gateway_address())), "{link}");
    let page = visitor.get("/reset");
    let page = go(&mut visitor, &page, "open-form", &[("token", &link)]);
    let done = go(&mut visitor, &page, "password-form", &[("new_password", NEW), ("confirm_password", NEW)]);
    assert!(done.has("done"), "{}", done.body);
    assert_below(&done);
    let over = go(&mut visitor, &page, "password-form", &[("new_password", "x"), ("act", "")]);
    assert_eq!(over.status, 410, "{}", over.body);
    assert_below(&over);

    // Account settings.
    let home = visitor.log_in("budi", NEW);
    let page = visitor.get(&home.attribute("menu-account", "href"));
    let fields = [("current_password", NEW), ("new_password", PASSWORD), ("confirm_password", PASSWORD)];
    assert!(go(&mut visitor, &page, "change-form", &fields).has("done"));
    assert!(go(&mut visitor, &home, "logout-form", &[]).status == 403, "a form of before the change");
    let page = visitor.get("/account");
    assert!(go(&mut visitor, &page, "logout-form", &[]).has("notice"));

    // User settings.
    let home = visitor.log_in("sari", PASSWORD);
    let list = visitor.get(&home.attribute("menu-users", "href"));
    let page = visitor.get(&format!("/users/{}/reset", budi.user_id));
    assert!(list.body.contains(&page.form("reset-form").action), "the list leads there");
    let outcome = go(&mut visitor, &page, "reset-form", &[("reason", "lewat telepon")]);
    assert!(outcome.has("delivery"), "{}", outcome.body);
    for answer in [&list, &page, &outcome, &visitor.get("/users?query=budi"), &visitor.get("/nowhere")] {
        assert_below(answer);
    }
}

#[tokio::test]
async fn the_path_itself_leads_in_and_nothing_is_beside_it() {
    let world = World::build().gateway_below(PATH).start().await;
    let mut below = world.visitor("en");
    for path in ["", "/"] {
        let answer = below.get(path);
        assert_eq!((answer.status, answer.location()), (303, "/akun/login"), "{path}");
    }
    for (path, kind) in [("gateway.css", "text/css"), ("gateway.js", "text/javascript"), ("icon.svg", "image/svg")] {
        let file = below.get(&format!("/static/{path}"));
        assert!(file.status == 200 && file.header("content-type").starts_with(kind), "{path}");
    }
    let mut beside = Visitor::new(&format!("http://{}", world.gateway_address())).header("accept-language", "en");
    for path in ["/", "/login", "/static/gateway.css", "/akunx", "/akunx/login", "/reset"] {
        let answer = beside.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert_below(&answer);
    }
}
