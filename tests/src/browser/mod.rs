//! A person at a browser: what he opens, types and presses, and what he sees. Everything waits for the page, with a
//! bound; the helpers panic with what they saw.

mod judge;
mod keys;

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::Duration,
};

use serde_json::{Value, json};
use testbed::{
    browser::{
        BOUND, Browser,
        fantoccini::{Locator, elements::Element},
    },
    random,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};

use crate::servers::shared;

pub use judge::WIDTHS;
pub use testbed::browser::{Look, Scheme};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// One window of one browser.
pub struct Window {
    browser: Browser,
    /// The script that judges accessibility.
    axe: String,
    _permit: OwnedSemaphorePermit,
}

/// How many are open at once: a browser is some ten processes.
const AT_ONCE: usize = 2;

async fn permit() -> OwnedSemaphorePermit {
    static WINDOWS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Semaphore::new(AT_ONCE).into());
    Arc::clone(&WINDOWS).acquire_owned().await.expect("it is never closed")
}

impl Window {
    /// A new browser without history, cookies or cache.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn new() -> Self {
        let permit = permit().await;
        let directory = shared().directory.join(format!("b{}", random::hex::<5>()));
        let browser = Browser::start(&directory).await.unwrap_or_else(|error| panic!("no browser: {error:#}"));
        Self { browser, axe: judge::axe(), _permit: permit }
    }

    /// The browser beneath.
    pub fn browser(&self) -> &Browser {
        &self.browser
    }

    /// Opens a page, as a link or the address bar does.
    pub async fn open(&self, url: &str) {
        self.browser.open(url).await.unwrap_or_else(|error| panic!("{error:#}"));
    }

    /// Opens a file.
    pub async fn open_file(&self, file: PathBuf) {
        self.open(&format!("file://{}", file.display())).await;
    }

    /// Waits until there is such an element.
    pub async fn see(&self, css: &str) -> Element {
        match self.browser.see(css).await {
            Ok(element) => element,
            Err(error) => panic!("{error:#}\n{}", self.page().await),
        }
    }

    /// Whether there is such an element now.
    pub async fn has(&self, css: &str) -> bool {
        self.count(css).await > 0
    }

    /// How many such elements there are now.
    pub async fn count(&self, css: &str) -> usize {
        self.browser.client().find_all(Locator::Css(css)).await.expect("the page answers").len()
    }

    /// The visible text of an element, once it is there.
    pub async fn text(&self, css: &str) -> String {
        self.see(css).await.text().await.expect("it is there")
    }

    /// An attribute of an element, once it is there.
    pub async fn attribute(&self, css: &str, name: &str) -> Option<String> {
        self.see(css).await.attr(name).await.expect("it is there")
    }

    /// Presses an element, and waits for the page that this leads to, if any.
    pub async fn click(&self, css: &str) {
        self.done(self.browser.click(css).await).await;
    }

    /// Types into a field, instead of what is in it.
    pub async fn fill(&self, css: &str, text: &str) {
        self.done(self.browser.fill(css, text).await).await;
    }

    async fn done(&self, outcome: anyhow::Result<()>) {
        if let Err(error) = outcome {
            panic!("{error:#}\n{}", self.page().await);
        }
    }

    /// Goes back to the page before, or to what the browser shows instead of one that it may not keep.
    pub async fn back(&self) {
        self.run("document.documentElement.dataset.left = '';", &[]).await;
        // The driver may call such a page an error; whether another page is there is seen below.
        let _ = self.browser.client().back().await;
        let script = "
            return document.readyState === 'complete' && !('left' in document.documentElement.dataset);";
        self.until("back at another page", script, &[]).await;
    }

    /// The address in the address bar.
    pub async fn address(&self) -> String {
        self.browser.client().current_url().await.expect("there is a page").to_string()
    }

    /// Runs a script's statements in the page.
    pub async fn run(&self, script: &str, arguments: &[Value]) -> Value {
        let end = Instant::now() + BOUND;
        loop {
            match self.browser.run(script, arguments).await {
                Ok(value) => return value,
                // The page gave way to the next one meanwhile.
                Err(error) if format!("{error:#}").contains("aborted by navigation") && Instant::now() < end => {
                    sleep(PAUSE).await;
                }
                Err(error) => panic!("{error:#}"),
            }
        }
    }

    /// Waits until the script returns true.
    ///
    /// # Panics
    /// When it has not within 30 s; with the page.
    pub async fn until(&self, what: &str, script: &str, arguments: &[Value]) {
        let end = Instant::now() + BOUND;
        while self.browser.run(script, arguments).await.ok() != Some(json!(true)) {
            if Instant::now() > end {
                panic!("not {what}:\n{}", self.page().await);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The page's address and visible text, for a failed test's last words.
    pub async fn page(&self) -> String {
        let text = self.run("return document.body ? document.body.innerText : '';", &[]).await;
        format!("{}\n{}", self.address().await, text.as_str().unwrap_or_default())
    }

    /// Looks so from now on.
    pub async fn look(&self, width: u32, scheme: Scheme) {
        self.browser.look(Look { width, scheme }).await.unwrap_or_else(|error| panic!("{error:#}"));
    }
}
