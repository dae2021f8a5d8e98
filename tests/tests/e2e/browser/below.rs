//! The whole way below a path, as a browser goes it.

use super::stage::{NEW, Stage};

#[tokio::test]
async fn a_person_gets_in_again_below_a_path() {
    let stage = Stage::set_below("/akun", "id").await;
    let window = &stage.window;
    let below = "return location.pathname.startsWith('/akun/');";
    stage.go("/login").await;
    let looks = "return document.styleSheets.length === 1 && document.styleSheets[0].cssRules.length > 0;";
    window.until("with its style", looks, &[]).await;
    window.click("#forgot").await;
    window.fill("#username", "budi").await;
    window.click("#forgot-form > button").await;
    window.see("#sent").await;
    window.until("below the path", below, &[]).await;

    let mail = stage.world.mail_to("budi@kopi.example").await;
    stage.follow(&mail, 0).await;
    assert_eq!(stage.account().await, "budi", "the script was there, too");
    window.click("#languages button[value=en]").await;
    window.see("html[lang=en] #password-form").await;
    stage.choose(NEW).await;
    window.click("#to-login").await;
    stage.log_in_here("budi", NEW).await;
    window.see("#welcome").await;
    window.until("below the path", below, &[]).await;
    window.click("#menu-account").await;
    window.see("#menu-account[aria-current]").await;
    stage.log_out().await;
    stage.go("/account").await;
    window.see("#login-form").await;
    window.until("below the path", below, &[]).await;
}
