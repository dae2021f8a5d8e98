//! How the page is looked at: how wide, in which colours, with which abilities; and pictures of it.

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::Browser;

/// The colours that a person's system asks pages for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Scheme {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Light, Self::Dark];

    /// As CSS calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// A window and its colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// CSS pixels; below 600 it is a telephone.
    pub width: u32,
    /// The colours.
    pub scheme: Scheme,
}

impl Browser {
    /// Looks at this and all later pages so.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn look(&self, look: Look) -> Result<()> {
        let scheme = json!([{ "name": "prefers-color-scheme", "value": look.scheme.name() }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": scheme })).await?;
        let mobile = look.width < 600;
        let size = json!({ "width": look.width, "height": 800, "deviceScaleFactor": 1, "mobile": mobile });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await.map(drop)
    }

    /// Whether later pages may run scripts of their own.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn scripts(&self, on: bool) -> Result<()> {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": !on })).await.map(drop)
    }

    /// The whole page as PNG, as long as it is, with so many dots to a CSS pixel.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn picture(&self, density: f64) -> Result<Vec<u8>> {
        let metrics = self.devtools("Page.getLayoutMetrics", json!({})).await?;
        let size = |name: &str| metrics["cssContentSize"][name].as_f64().unwrap_or_default();
        let clip = json!({ "x": 0, "y": 0, "width": size("width"), "height": size("height"), "scale": density });
        let wish = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let answer = self.devtools("Page.captureScreenshot", wish).await?;
        let data = answer["data"].as_str().context("no picture")?;
        Ok(STANDARD.decode(data)?)
    }

    /// How many CSS pixels the page is wider than its window.
    ///
    /// # Errors
    /// When the browser does not answer.
    pub async fn overflow(&self) -> Result<i64> {
        let script = "const page = document.scrollingElement; return page.scrollWidth - page.clientWidth;";
        self.run(script, &[]).await?.as_i64().context("no number")
    }
}
