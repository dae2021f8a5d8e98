//! The web gateway's pages, on the help page's journeys through a demo of their own.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use testbed::{
    browser::{Browser, Look, Scheme, fantoccini::Locator},
    mailbox,
    smtp::read_mail,
    wait,
};

use super::Album;
use crate::{
    shell::Environment,
    up::{ADMIN, ENVIRONMENT, USER},
};

/// What the documents show: page, look, file.
const SHOWN: [(&str, Look, &str); 9] = [
    ("en-log-in", Look { width: 360, scheme: Scheme::Light }, "log-in.png"),
    ("en-sent", Look { width: 360, scheme: Scheme::Light }, "sent.png"),
    ("en-new-password", Look { width: 360, scheme: Scheme::Light }, "new-password.png"),
    ("id-new-password", Look { width: 360, scheme: Scheme::Dark }, "new-password-id-dark.png"),
    ("en-account", Look { width: 360, scheme: Scheme::Light }, "account.png"),
    ("en-users", Look { width: 1000, scheme: Scheme::Light }, "users.png"),
    ("id-users", Look { width: 360, scheme: Scheme::Dark }, "users-id-dark.png"),
    ("en-reset", Look { width: 360, scheme: Scheme::Light }, "reset-user.png"),
    ("en-outcome", Look { width: 360, scheme: Scheme::Light }, "outcome.png"),
];

/// How long a mail may take.
const MAIL: Duration = Duration::from_secs(30);

/// Takes them all; says how many pictures there are.
pub(super) async fn take(album: &Album) -> Result<usize> {
    let demo = Demo::start(&album.folder.join("demo"))?;
    let mut count = 0;
    for (locale, new, reason) in [
        ("id", "awan putih di atas ladang 3", "diminta lewat telepon"),
        ("en", "hujan turun pelan di kebun teh 8", "asked by phone"),
    ] {
        let walk = Walk { album, demo: &demo, locale, reason };
        count += walk.forgotten(new).await?;
        count += walk.settings(new).await?;
        count += walk.admin().await?;
    }
    Ok(count)
}

/// One language's journeys.
struct Walk<'a> {
    album: &'a Album,
    demo: &'a Demo,
    locale: &'a str,
    /// Why the admin resets a password.
    reason: &'a str,
}

impl Walk<'_> {
    /// Forgot password, to a new one.
    async fn forgotten(&self, password: &str) -> Result<usize> {
        let browser = self.browser();
        let before = self.demo.mails()?.len();
        self.open(&format!("/login?lang={}", self.locale)).await?;
        let mut count = self.picture("log-in").await?;
        browser.click("#forgot").await?;
        browser.fill("#username", USER).await?;
        count += self.picture("forgot").await?;
        browser.click("#forgot-form > button").await?;
        browser.see("#to-login").await?;
        count += self.picture("sent").await?;
        browser.open(&self.demo.link(before)?).await?;
        browser.fill("#new_password", password).await?;
        browser.fill("#confirm_password", "hujan").await?;
        count += self.picture("new-password").await?;
        browser.fill("#confirm_password", password).await?;
        browser.click("#password-form > button").await?;
        browser.see("#done").await?;
        Ok(count + self.picture("done").await?)
    }

    /// The account settings, and what they say to nonsense.
    async fn settings(&self, password: &str) -> Result<usize> {
        let browser = self.browser();
        self.log_in(USER, password).await?;
        let mut count = self.picture("home").await?;
        browser.click("#menu-account").await?;
        browser.see("#change-form").await?;
        count += self.picture("account").await?;
        browser.fill("#current_password", password).await?;
        browser.fill("#new_password", USER).await?;
        browser.fill("#confirm_password", ADMIN).await?;
        browser.click("#change-form > button").await?;
        browser.see("#errors").await?;
        count += self.picture("refused").await?;
        browser.click("#logout").await?;
        browser.see("#login-form").await?;
        Ok(count)
    }

    /// The admin's list, a reset, and what became of it.
    async fn admin(&self) -> Result<usize> {
        let browser = self.browser();
        self.log_in(ADMIN, self.demo.environment.get("SANDI_DEMO_PASSWORD")?).await?;
        browser.click("#menu-users").await?;
        // The mail to the demo's user is out by now; the list says so as soon as its outcome is back.
        let sent = format!("tr[data-username={USER}] .last-reset[data-state=SENT]");
        wait_for(browser, &sent, "#menu-users").await?;
        let mut count = self.picture("users").await?;
        browser.click("a.help-link").await?;
        browser.see("#obstacle").await?;
        count += self.picture("help").await?;
        browser.click("#menu-users").await?;
        browser.click(&format!("tr[data-username={USER}] a.reset-button")).await?;
        browser.fill("#reason", self.reason).await?;
        count += self.picture("reset").await?;
        browser.click("#reset-form > button").await?;
        wait_for(browser, "#delivery[data-state=SENT]", "#again").await?;
        count += self.picture("outcome").await?;
        browser.click("#logout").await?;
        browser.see("#login-form").await?;
        Ok(count)
    }

    async fn log_in(&self, username: &str, password: &str) -> Result<()> {
        self.open("/login").await?;
        self.browser().fill("#username", username).await?;
        self.browser().fill("#password", password).await?;
        self.browser().click("#login-form > button").await?;
        self.browser().see("#menu-home").await.map(drop)
    }

    async fn open(&self, path: &str) -> Result<()> {
        let url = self.demo.environment.get("SANDI_GATEWAY_URL")?;
        self.browser().open(&format!("{url}{path}")).await
    }

    async fn picture(&self, page: &str) -> Result<usize> {
        let name = format!("{}-{page}", self.locale);
        for (_, look, file) in SHOWN.iter().filter(|(shown, ..)| *shown == name) {
            self.album.take_for_docs(*look, &format!("gateway/{file}")).await?;
        }
        self.album.take_all(&format!("gateway/{name}")).await
    }

    fn browser(&self) -> &Browser {
        &self.album.browser
    }
}

/// Presses `again` until there is such an element.
async fn wait_for(browser: &Browser, css: &str, again: &str) -> Result<()> {
    let end = Instant::now() + MAIL;
    loop {
        browser.see(again).await?;
        if !browser.client().find_all(Locator::Css(css)).await?.is_empty() {
            return Ok(());
        }
        ensure!(Instant::now() < end, "no {css}");
        browser.click(again).await?;
    }
}

/// A demo beside the person's own. Dropping it stops it.
struct Demo {
    directory: PathBuf,
    environment: Environment,
}

impl Demo {
    fn start(directory: &Path) -> Result<Self> {
        let mut demo = Self { directory: directory.to_owned(), environment: Environment::default() };
        let status = demo.xtask()?.args(["up", "--detach"]).status()?;
        ensure!(status.success(), "the demo does not start: {status}");
        demo.environment = Environment::read(&directory.join(ENVIRONMENT))?;
        Ok(demo)
    }

    fn xtask(&self) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--directory").arg(&self.directory).stdin(Stdio::null()).stdout(Stdio::null());
        Ok(command)
    }

    fn mails(&self) -> Result<Vec<PathBuf>> {
        mailbox::files(Path::new(self.environment.get("SANDI_MAILBOX_DIR")?))
    }

    /// The link in the first mail with one that comes after so many mails.
    fn link(&self, before: usize) -> Result<String> {
        let link = |file: PathBuf| read_mail(&file).ok()?.links().into_iter().next();
        wait::until("a mail with a link", MAIL, || Ok(self.mails()?.into_iter().rev().skip(before).find_map(link)))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // What cannot be stopped here is stopped by the next start.
        let _ = self.xtask().and_then(|mut command| Ok(command.arg("down").status()?));
    }
}
