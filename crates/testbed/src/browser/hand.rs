//! What a person does on a page. Everything waits for the page, with a bound.

use std::time::Duration;

use anyhow::{Context, Result};
use fantoccini::{Locator, elements::Element};

use super::{BOUND, Browser};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(25);

impl Browser {
    /// Waits until there is such an element.
    ///
    /// # Errors
    /// When there is none within 30 s.
    pub async fn see(&self, css: &str) -> Result<Element> {
        let wait = self.client.wait().at_most(BOUND).every(PAUSE);
        wait.for_element(Locator::Css(css)).await.with_context(|| format!("no {css}"))
    }

    /// Presses an element, and waits for the page that this leads to, if any.
    ///
    /// # Errors
    /// When it is not there or cannot be pressed.
    pub async fn click(&self, css: &str) -> Result<()> {
        self.see(css).await?.click().await.with_context(|| format!("{css} cannot be pressed"))
    }

    /// Types into a field, instead of what is in it.
    ///
    /// # Errors
    /// When it is not there or takes no keys.
    pub async fn fill(&self, css: &str, text: &str) -> Result<()> {
        let field = self.see(css).await?;
        field.clear().await.with_context(|| format!("{css} cannot be emptied"))?;
        field.send_keys(text).await.with_context(|| format!("{css} takes no keys"))
    }
}
