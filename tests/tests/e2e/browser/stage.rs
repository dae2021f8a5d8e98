//! A Sandi with a web gateway, its people, and one of them at a browser.

use std::{fs, path::PathBuf};

use e2e::{
    Mail, Person, World,
    browser::{Scheme, Window},
    people::PASSWORD,
};
use proto::identity::v1::{Organization, Role};

/// A password that the policy takes.
pub const NEW: &str = "awan putih di atas ladang 3";
/// Another one.
pub const NEWER: &str = "hujan turun pelan di kebun teh 8";

/// Where it happens.
pub struct Stage {
    /// The programs behind it.
    pub world: World,
    /// The browser in front of it.
    pub window: Window,
    /// Toko kopi.
    pub kopi: Organization,
    mails: tempfile::TempDir,
}

impl Stage {
    /// Toko kopi, with sari, its admin, and budi; all speak this language. The limits are wide.
    pub async fn set(locale: &str) -> Self {
        Self::set_below("", locale).await
    }

    /// As [`Stage::set`], with all paths of the gateway below one.
    pub async fn set_below(path: &'static str, locale: &str) -> Self {
        // The window first: who waits for one holds no world that others wait for.
        let window = Window::new().await;
        let world = World::build().wide_limits().gateway_below(path).start().await;
        let kopi = world.organization("kopi").await;
        let person = |name: &str| Person::named(name).email(&format!("{name}@kopi.example")).locale(locale);
        world.user(&kopi, person("sari").display_name("Sari Wulandari").role(Role::Admin)).await;
        world.user(&kopi, person("budi").display_name("Budi Santoso")).await;
        window.look(1200, Scheme::Light).await;
        let stage = Self { world, window, kopi, mails: tempfile::tempdir().expect("a folder can be made") };
        stage.go("/login").await;
        stage.window.click(&format!("#languages a[hreflang={locale}]")).await;
        stage
    }

    /// Types an address of the gateway into the address bar.
    pub async fn go(&self, path: &str) {
        self.window.open(&format!("{}{path}", self.world.gateway_url())).await;
    }

    /// Logs in on the page that is open.
    pub async fn log_in_here(&self, username: &str, password: &str) {
        self.window.fill("#username", username).await;
        self.window.fill("#password", password).await;
        self.window.click("#login-form button").await;
    }

    /// Logs in, and comes home.
    pub async fn log_in(&self, username: &str, password: &str) {
        self.go("/login").await;
        self.log_in_here(username, password).await;
        self.window.see("#menu-home").await;
    }

    /// Logs out.
    pub async fn log_out(&self) {
        self.window.click("#logout").await;
        self.window.see("#login-form").await;
    }

    /// Opens a mail as a mail program would show it, and presses its button number `which`.
    pub async fn follow(&self, mail: &Mail, which: usize) {
        self.window.open_file(self.file_of(mail)).await;
        self.window.click(&format!("a[href=\"{}\"]", mail.links()[which])).await;
    }

    fn file_of(&self, mail: &Mail) -> PathBuf {
        let file = self.mails.path().join("mail.html");
        fs::write(&file, mail.html()).expect("it can be written");
        file
    }

    /// Whose password the page of a link sets, once it is there.
    pub async fn account(&self) -> String {
        self.window.attribute("#password-form #username", "value").await.expect("a field has a value")
    }

    /// Sets a password on the page of a link, to its happy end.
    pub async fn choose(&self, password: &str) {
        self.window.fill("#new_password", password).await;
        self.window.fill("#confirm_password", password).await;
        self.window.click("#password-form > button").await;
        self.window.see("#done").await;
    }

    /// Whether somebody can log in with a password, by the service's own word.
    pub async fn opens(&self, username: &str, password: &str) -> bool {
        self.world.log_in(username, password).await.is_ok()
    }

    /// The link of a reset that budi asked for.
    pub async fn link_of_budi(&self) -> String {
        self.world.request_reset("budi").await;
        self.world.mail_to("budi@kopi.example").await.links().remove(0)
    }
}

/// The password that everybody starts with.
pub const OLD: &str = PASSWORD;
