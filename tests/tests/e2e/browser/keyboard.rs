//! One whole journey with nothing but keys.

use testbed::browser::fantoccini::key::Key;

use super::stage::{NEW, OLD, Stage};

#[tokio::test]
async fn a_person_without_a_mouse_gets_in_again_and_an_admin_without_one_helps() {
    let stage = Stage::set("id").await;
    let window = &stage.window;
    let enter = Key::Enter.into();
    stage.go("/login").await;
    window.tab_from_the_start().await;
    assert!(window.has_focus(".skip").await, "the way past the menu comes first");
    window.tab_to("#forgot").await;
    window.press(enter).await;
    window.see("#forgot-form").await;
    window.tab_to("#username").await;
    window.type_text("budi").await;
    window.press(enter).await;
    window.see("#to-login").await;

    let mail = stage.world.mail_to("budi@kopi.example").await;
    window.open(&mail.links()[0]).await;
    window.see("#password-form").await;
    window.tab_to("#new_password").await;
    window.type_text("pendek").await;
    window.press(enter).await;

    // What is wrong is announced, has the focus, and leads to its field.
    window.see("#errors[role=alert]").await;
    assert!(window.has_focus("#errors").await);
    window.press(Key::Tab.into()).await;
    assert!(window.has_focus("#errors a").await);
    window.press(enter).await;
    assert!(window.has_focus("[aria-invalid=true]").await);
    described(&stage).await;
    window.tab_to("#new_password").await;
    window.type_text(NEW).await;
    window.tab_to("#confirm_password").await;
    window.type_text(NEW).await;
    window.press(enter).await;
    window.see("#done").await;
    window.tab_to("#to-login").await;
    window.press(enter).await;
    log_in(&stage, "budi", NEW).await;
    window.tab_to("#logout").await;
    window.press(enter).await;
    window.see("#login-form").await;

    log_in(&stage, "sari", OLD).await;
    window.tab_to("#menu-users").await;
    window.press(enter).await;
    window.see("#users").await;
    window.tab_to("tr[data-username=budi] a.reset-button").await;
    window.press(enter).await;
    window.see("#reset-form").await;
    window.tab_to("#reason").await;
    window.type_text("lewat telepon").await;
    window.press(enter).await;
    window.see("#delivery").await;
    stage.world.mails_to("budi@kopi.example", 3).await;
}

async fn log_in(stage: &Stage, username: &str, password: &str) {
    let window = &stage.window;
    window.see("#login-form").await;
    window.tab_to("#username").await;
    window.type_text(username).await;
    window.tab_to("#password").await;
    window.type_text(password).await;
    window.press(Key::Enter.into()).await;
    window.see("#menu-home").await;
}

/// Every field in error says so to a screen reader, with a text that is there.
async fn described(stage: &Stage) {
    let script = "
        const fields = [...document.querySelectorAll('[aria-invalid=true]')];
        return fields.length > 0 && fields.every(field => (field.getAttribute('aria-describedby') || '').split(' ')
            .some(id => id.endsWith('-error') && document.getElementById(id)?.textContent.trim()));";
    assert_eq!(stage.window.run(script, &[]).await, true);
}
