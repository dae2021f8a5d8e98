//! What people see when something is not right.

use e2e::{Person, people::requester, world::Program};
use proto::identity::v1::ChangePasswordRequest;

use super::stage::{NEW, OLD, Stage};

#[tokio::test]
async fn a_session_is_over_after_the_password_changed_elsewhere() {
    let stage = Stage::set("en").await;
    stage.log_in("budi", OLD).await;
    let change = ChangePasswordRequest {
        user_id: stage.world.find_user("budi").await.user_id,
        current_password: OLD.to_owned(),
        new_password: NEW.to_owned(),
        confirm_password: Some(NEW.to_owned()),
        requester: requester("203.0.113.7", "en"),
        ..Default::default()
    };
    stage.world.gateway().identity.change_password(change).await.expect("it is accepted");
    stage.window.click("#menu-account").await;
    stage.window.see("#login-form").await;
    stage.window.see("#notice[role=status]").await;
    stage.window.is_kind("the session has ended").await;
    stage.go("/account").await;
    stage.window.see("#login-form").await;
    stage.log_in("budi", NEW).await;
}

#[tokio::test]
async fn every_page_of_trouble_is_kind_says_what_to_do_and_shows_no_secret_in_indonesian() {
    trouble("id").await;
}

#[tokio::test]
async fn every_page_of_trouble_is_kind_says_what_to_do_and_shows_no_secret_in_english() {
    trouble("en").await;
}

async fn trouble(locale: &str) {
    let mut stage = Stage::set(locale).await;
    let window = &stage.window;
    stage.go("/login").await;
    stage.log_in_here("budi", NEW).await;
    window.see("#errors[role=alert]").await;
    assert!(window.has_focus("#errors").await);
    assert_eq!(window.attribute("#username", "value").await.as_deref(), Some("budi"), "what was typed is kept");
    assert_eq!(window.attribute("#password", "value").await.as_deref(), Some(""), "but no secret");
    window.is_kind("wrong password").await;

    stage.log_in("budi", OLD).await;
    stage.go("/users").await;
    window.see("#problem").await;
    window.is_kind("for admins only").await;
    stage.go("/account").await;
    window.fill("#current_password", NEW).await;
    window.fill("#new_password", "budi").await;
    window.fill("#confirm_password", "lain").await;
    window.click("#change-form > button").await;
    window.see("#errors").await;
    window.is_kind("a refused change").await;
    stage.go("/nowhere").await;
    window.see("#problem").await;
    window.is_kind("no such page").await;
    stage.go("/users/%ff/reset").await;
    window.see("#problem").await;
    window.is_kind("a broken address").await;
    stage.go("/").await;
    stage.log_out().await;
    window.is_kind("logged out").await;
    stage.go("/login?note=ended").await;
    window.is_kind("the session has ended").await;
    window.browser().client().delete_all_cookies().await.expect("the browser answers");
    window.click("#login-form > button").await;
    window.see("#problem").await;
    window.is_kind("a form that is over").await;
    stage.go(&format!("/login?lang={locale}")).await;

    stage.log_in("sari", OLD).await;
    for number in 0..25 {
        let person = Person::named(&format!("anggota{number:02}")).password("");
        stage.world.user(&stage.kopi, person).await;
    }
    window.click("#menu-users").await;
    window.is_kind("a long list").await;
    stage.go("/users?query=tidakada").await;
    window.see("#nobody").await;
    window.is_kind("nobody is found").await;

    stage.go("/reset").await;
    window.is_kind("the page of the link without a token").await;
    let link = stage.link_of_budi().await;
    window.open(&link).await;
    assert_eq!(stage.account().await, "budi");

    stage.world.kill(Program::Identity, 0);
    let window = &stage.window;
    window.fill("#new_password", NEW).await;
    window.fill("#confirm_password", NEW).await;
    window.click("#password-form > button").await;
    window.see("#errors[role=alert]").await;
    assert_eq!(stage.account().await, "budi", "the link is kept");
    assert_eq!(window.attribute("#new_password", "value").await.as_deref(), Some(""), "but no secret");
    window.is_kind("the password cannot be saved now").await;
    window.open("about:blank").await;
    window.open(&link).await;
    window.see("#errors[role=alert]").await;
    window.is_kind("nobody can look at the link now").await;
    stage.go("/users").await;
    window.see("#problem").await;
    window.is_kind("the service is away").await;

    stage.world.start_again(Program::Identity, 0);
    let window = &stage.window;
    window.open("about:blank").await;
    window.open(&link).await;
    stage.choose(NEW).await;
    assert!(stage.opens("budi", NEW).await, "the link was not lost");
}
