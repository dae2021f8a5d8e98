//! A real browser, headless: Debian's Chromium, driven by its ChromeDriver over WebDriver. It reaches 127.0.0.1 and
//! files, and nothing else.

mod devtools;
mod hand;
mod look;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
pub use fantoccini;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::{
    ports,
    process::{Process, Start},
};

pub use look::{Look, Scheme};

/// How long anything in the browser may take. A cold start on a busy machine of two cores takes the most.
pub const BOUND: Duration = Duration::from_secs(30);

const CHROMIUM: &str = "chromium";
const DRIVER: &str = "chromedriver";

/// Without the middle ones it calls its maker's servers at every start.
const FLAGS: [&str; 13] = [
    "--headless",
    // The sandbox is not to be had as root, nor in most containers; the pages are our own.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// One browser with one window and a profile of its own. Dropping it ends it and removes its files.
pub struct Browser {
    client: Client,
    directory: PathBuf,
    // Dropped in this order: the driver first, so that it does not see its browser die.
    driver: Process,
    chromium: Process,
}

/// Whether Chromium is on this machine.
pub fn has_chromium() -> bool {
    on_path(CHROMIUM)
}

/// Whether its ChromeDriver is.
pub fn has_driver() -> bool {
    on_path(DRIVER)
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

impl Browser {
    /// Starts one whose files stand in `directory`.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(directory: &Path) -> Result<Self> {
        let place = directory.to_owned();
        let started = tokio::task::spawn_blocking(move || launch(&place)).await.context("the start broke off")?;
        let (chromium, driver, debugger, url) = started?;
        let client = connect(&url, debugger).await?;
        Ok(Self { client, directory: directory.to_owned(), driver, chromium })
    }

    /// The WebDriver client, for all that has no method here.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Opens a page and waits until it has loaded.
    ///
    /// # Errors
    /// When there is none.
    pub async fn open(&self, url: &str) -> Result<()> {
        // The address may hold a live link, so it is not told.
        self.client.goto(url).await.context("the page does not open")
    }

    /// Runs a script's statements in the page; it reads `arguments` and its `return` comes back.
    ///
    /// # Errors
    /// When it throws.
    pub async fn run(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        Ok(self.client.execute(script, arguments.to_vec()).await?)
    }

    /// Runs a script that calls its last argument with its result.
    ///
    /// # Errors
    /// When it throws, or has not called it within 30 s.
    pub async fn run_async(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        Ok(self.client.execute_async(script, arguments.to_vec()).await?)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.driver.kill();
        self.chromium.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn launch(directory: &Path) -> Result<(Process, Process, u16, String)> {
    fs::create_dir_all(directory)?;
    let (debugger, port) = (ports::free(), ports::free());
    let profile = directory.join("profile");
    let mut chromium = Start::new(CHROMIUM, CHROMIUM, directory.join("chromium.log"))
        .args(FLAGS)
        .args([format!("--remote-debugging-port={debugger}"), format!("--user-data-dir={}", profile.display())])
        .args(["about:blank"])
        .spawn()?;
    let mut driver =
        Start::new(DRIVER, DRIVER, directory.join("chromedriver.log")).args([format!("--port={port}")]).spawn()?;
    chromium.wait_ready(&format!("http://127.0.0.1:{debugger}/json/version"), BOUND)?;
    let url = format!("http://127.0.0.1:{port}");
    driver.wait_ready(&format!("{url}/status"), BOUND)?;
    Ok((chromium, driver, debugger, url))
}

async fn connect(url: &str, debugger: u16) -> Result<Client> {
    let bound = BOUND.as_millis();
    let wishes = json!({
        "goog:chromeOptions": { "debuggerAddress": format!("127.0.0.1:{debugger}") },
        "timeouts": { "implicit": 0, "pageLoad": bound, "script": bound },
    });
    let Value::Object(wishes) = wishes else { unreachable!("it is an object") };
    let mut builder = ClientBuilder::new(HttpConnector::new());
    builder.capabilities(wishes).connect(url).await.context("no session with the browser")
}
