//! The link in a mail, in hands other than the person's, and in clumsy ones.

use e2e::browser::Window;
use testbed::http::Http;

use super::stage::{NEW, NEWER, OLD, Stage};

#[tokio::test]
async fn a_link_that_scanners_opened_still_works_once_for_the_person() {
    let stage = Stage::set("en").await;
    let window = &stage.window;
    let link = stage.link_of_budi().await;
    // A scanner's client, like any, keeps the fragment to itself.
    let page = link.split('#').next().expect("a link").to_owned();
    tokio::task::spawn_blocking(move || {
        for method in ["GET", "HEAD", "GET", "HEAD"] {
            assert_eq!(Http::new().send(method, &page, None).expect("it answers").status, 200);
        }
    })
    .await
    .expect("no panic");
    window.browser().scripts(false).await.expect("it answers");
    for _ in 0..2 {
        window.open(&link).await;
        window.open("about:blank").await;
    }
    window.browser().scripts(true).await.expect("it answers");
    for _ in 0..2 {
        window.open(&link).await;
        assert_eq!(stage.account().await, "budi");
        window.open("about:blank").await;
    }
    assert!(stage.opens("budi", OLD).await);

    window.open(&link).await;
    stage.choose(NEW).await;
    assert!(stage.opens("budi", NEW).await);

    // Back and forth shows neither the token nor the password, and sets nothing.
    let token = link.split('#').nth(1).expect("a link has one");
    let free = "
        const page = location.href + document.documentElement.outerHTML;
        return [...arguments].every(secret => !page.includes(secret));";
    for _ in 0..3 {
        window.back().await;
        window.until("free of secrets", free, &[token.into(), NEW.into()]).await;
    }
    window.open("about:blank").await;
    window.open(&link).await;
    window.see("#ask-again").await;
    assert!(stage.opens("budi", NEW).await);
}

#[tokio::test]
async fn without_javascript_the_link_is_pasted_and_a_double_click_is_one_act() {
    let stage = Stage::set("id").await;
    let window = &stage.window;
    let link = stage.link_of_budi().await;
    window.browser().scripts(false).await.expect("it answers");
    window.open(&link).await;
    window.see("noscript p").await;
    paste(window, "bukan tautan").await;
    window.see("#ask-again").await;
    window.open("about:blank").await;
    window.open(&link).await;
    paste(window, &link).await;
    assert_eq!(stage.account().await, "budi");
    window.fill("#new_password", NEW).await;
    window.fill("#confirm_password", NEW).await;
    window.double_click("#password-form > button").await;
    window.see("#done").await;
    assert!(stage.opens("budi", NEW).await);

    // Another language on the page of a link keeps the link.
    window.browser().scripts(true).await.expect("it answers");
    stage.go("/reset").await;
    window.is_kind("the page of the link without a token").await;
    stage.world.mails_to("budi@kopi.example", 2).await;
    stage.world.request_reset("budi").await;
    let link = stage.world.mails_to("budi@kopi.example", 3).await.remove(2).links().remove(0);
    window.open(&link).await;
    window.click("#languages button[value=en]").await;
    window.see("html[lang=en] #password-form").await;
    stage.choose(NEWER).await;
    assert!(stage.opens("budi", NEWER).await);
}

async fn paste(window: &Window, text: &str) {
    window.fill("#token", text).await;
    window.click("#open-form > button").await;
}
