//! What the help page describes, step by step, in both languages.

use e2e::{Person, World, people::PASSWORD, web::Visitor};
use proto::identity::v1::Role;

use super::NEW;

async fn world() -> World {
    World::build().gateway().wide_limits().start().await
}

/// Copies the link out of the mail, as people do whose browser runs no script.
fn open(visitor: &mut Visitor, link: &str) -> e2e::web::Answer {
    let path = link.rsplit_once("/reset#").expect("a link").0;
    assert!(path.starts_with("http://127.0.0.1:"), "{path}");
    let page = visitor.get("/reset");
    visitor.submit(&page, "open-form", &[("token", link)])
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_the_link_in_the_mail() {
    let world = world().await;
    let kopi = world.organization("kopi").await;
    for (language, username, title) in [("id", "budi", "Periksa email Anda"), ("en", "wati", "Check your email")] {
        let address = format!("{username}@kopi.example");
        world.user(&kopi, Person::named(username).email(&address)).await;
        let mut visitor = world.visitor(language);

        let page = visitor.get("/login");
        let forgot = page.attribute("forgot", "href");
        let page = visitor.get(&forgot);
        let sent = visitor.submit(&page, "forgot-form", &[("username", username)]);
        assert_eq!((sent.status, sent.location()), (303, "/forgot/sent"));
        let page = visitor.get(sent.location());
        assert!(
            page.body.contains(title) && page.body.contains(&format!("<html lang=\"{language}\">")),
            "{}",
            page.body
        );

        let mail = world.mail_to(&address).await;
        let page = open(&mut visitor, &mail.links()[0]);
        assert_eq!(page.status, 200, "{}", page.body);
        assert_eq!(page.attribute("username", "value"), username);
        let short = [("new_password", "pendek"), ("confirm_password", "pendek")];
        let refused = visitor.submit(&page, "password-form", &short);
        assert_eq!(refused.status, 422);
        assert!(refused.has("new_password-error") && !refused.body.contains("pendek"), "{}", refused.body);

        let done = visitor.submit(&refused, "password-form", &[("new_password", NEW), ("confirm_password", NEW)]);
        assert_eq!(done.status, 200, "{}", done.body);
        assert!(done.has("done"));
        let over = open(&mut visitor, &mail.links()[0]);
        assert_eq!((over.status, over.attribute("ask-again", "href").as_str()), (410, "/forgot"));
        assert!(visitor.log_in(username, NEW).has("welcome"));
    }
}

#[tokio::test]
async fn a_forgotten_username_is_answered_by_one_mail_that_names_every_account() {
    let world = world().await;
    let kopi = world.organization("kopi").await;
    for username in ["ayu", "ayu.gudang"] {
        world.user(&kopi, Person::named(username).email("ayu@kopi.example")).await;
    }
    let mut visitor = world.visitor("id");
    let page = visitor.get("/forgot");
    let page = visitor.get(&page.attribute("forgot-username", "href"));
    let sent = visitor.submit(&page, "forgot-username-form", &[("email", "ayu@kopi.example")]);
    assert_eq!((sent.status, sent.location()), (303, "/forgot/sent"));

    let mail = world.mail_to("ayu@kopi.example").await;
    let links = mail.links();
    assert_eq!(links.len(), 2, "{links:?}");
    let mut named: Vec<_> = links.iter().map(|link| open(&mut visitor, link).attribute("username", "value")).collect();
    named.sort();
    assert_eq!(named, ["ayu", "ayu.gudang"]);
}

#[tokio::test]
async fn a_password_is_changed_in_the_account_settings_and_the_session_goes_on() {
    let world = world().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let mut visitor = world.visitor("en");
    visitor.log_in("budi", PASSWORD);
    let mut elsewhere = world.visitor("en");
    elsewhere.log_in("budi", PASSWORD);

    let page = visitor.get("/account");
    let fields = [("current_password", "not this one"), ("new_password", NEW), ("confirm_password", NEW)];
    let refused = visitor.submit(&page, "change-form", &fields);
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("role=\"alert\""));
    let fields = [("current_password", PASSWORD), ("new_password", NEW), ("confirm_password", "other")];
    let refused = visitor.submit(&refused, "change-form", &fields);
    assert!(refused.has("confirm_password-error"), "{}", refused.body);
    let fields = [("current_password", PASSWORD), ("new_password", NEW), ("confirm_password", NEW)];
    let done = visitor.submit(&refused, "change-form", &fields);
    assert_eq!(done.status, 200, "{}", done.body);

    assert_eq!(visitor.get("/account").status, 200, "here the session goes on");
    let over = elsewhere.get("/account");
    assert_eq!((over.status, over.location()), (303, "/login?note=ended"), "elsewhere it is over");
    assert!(elsewhere.get("/login?note=ended").text("notice").contains("has ended"));
    assert!(elsewhere.log_in("budi", NEW).has("welcome"));
}

#[tokio::test]
async fn an_admin_resets_a_password_with_a_reason_and_sees_what_became_of_it() {
    let world = world().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("sari").email("sari@kopi.example").role(Role::Admin)).await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let mut sari = world.visitor("en");
    let home = sari.log_in("sari", PASSWORD);

    let list = sari.get(&home.attribute("menu-users", "href"));
    assert!(list.body.contains("data-username=\"budi\"") && list.body.contains("data-username=\"sari\""));
    let path = format!("/users/{}/reset", budi.user_id);
    assert!(list.body.contains(&format!("href=\"{path}\"")), "{}", list.body);
    let page = sari.get(&path);
    let refused = sari.submit(&page, "reset-form", &[("reason", "")]);
    assert_eq!(refused.status, 422);
    assert!(refused.has("reason-error"), "{}", refused.body);
    let sent = sari.submit(&refused, "reset-form", &[("reason", "asked by phone")]);
    assert_eq!(sent.status, 303, "{}", sent.body);
    let again = sari.submit(&refused, "reset-form", &[("reason", "asked by phone")]);
    assert_eq!(again.location(), sent.location(), "a form sent twice is one act");

    let mail = world.mail_to("budi@kopi.example").await;
    world
        .reset_by_id_in(sent.location().rsplit('/').next().expect("an id"), proto::identity::v1::DeliveryState::Sent)
        .await;
    let outcome = sari.get(sent.location());
    assert_eq!(outcome.attribute("delivery", "data-state"), "SENT", "{}", outcome.body);
    assert_eq!(outcome.text("outcome-reason"), "asked by phone");
    let list = sari.get("/users?query=bud");
    assert!(list.body.contains("class=\"last-reset\" data-state=\"SENT\""), "{}", list.body);
    assert!(!list.body.contains("data-username=\"sari\""));

    let mut budi = world.visitor("id");
    let page = open(&mut budi, &mail.links()[0]);
    let done = budi.submit(&page, "password-form", &[("new_password", NEW), ("confirm_password", NEW)]);
    assert_eq!(done.status, 200, "{}", done.body);
    assert!(budi.log_in("budi", NEW).has("welcome"));
    assert_eq!(world.mails_to("budi@kopi.example", 2).await.len(), 2, "one link and one notice");
}
