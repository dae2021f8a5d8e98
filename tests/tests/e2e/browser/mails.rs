//! What the mails look like.

use e2e::browser::Window;

use crate::previews::{COUNT, Previews};

#[tokio::test]
async fn every_mail_is_kind_to_people_in_both_schemes_and_on_a_telephone() {
    let previews = Previews::write();
    let files = previews.files("", "html");
    assert_eq!(files.len(), COUNT);
    let window = Window::new().await;
    for file in files {
        let name = file.file_stem().expect("it has a name").display().to_string();
        window.open_file(file).await;
        window.is_kind(&name).await;
        assert_eq!(window.count("a[href]").await, window.count("a").await, "{name}");
        assert_eq!(window.count("a").await, links(&name), "{name}: one link for each account");
        assert_eq!(window.count("img, script, iframe, link, form").await, 0, "{name}: nothing is fetched or run");
    }
}

#[tokio::test]
async fn a_page_that_is_not_kind_would_be_noticed() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("page.html");
    let page = "<html><meta name=viewport content='width=device-width'><body style='background:#fff'>\
        <p style='color:#999;width:900px'>pale</p><img src=data:><input style='color:#000;background:#fff'>";
    std::fs::write(&file, page).expect("it can be written");
    let window = Window::new().await;
    window.open_file(file).await;
    let faults = window.faults().await.join("\n");
    for sign in ["320 px: ", "contrast 2.85: pale", "html-has-lang", "image-alt", "label", "color-contrast", "dark: "] {
        assert!(faults.contains(sign), "{sign} is not among:\n{faults}");
    }
}

/// How many links a kind has: one for each account to reset, none in a notice.
fn links(name: &str) -> usize {
    match name.rsplit_once('-').expect("it ends in its language").0 {
        "reset" | "admin" | "invitation" => 1,
        "accounts" => 2,
        _ => 0,
    }
}
