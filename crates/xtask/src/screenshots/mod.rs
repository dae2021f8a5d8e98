//! `screenshots`: pictures of every mail and of the gateway's pages in `target/screenshots`, and those that the documents show in `docs`.

mod gateway;
mod mails;
mod palette;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use testbed::browser::{Browser, Look, Scheme};

use crate::{place, test::needs, up};

/// A narrow telephone and a desk.
const WIDTHS: [u32; 2] = [320, 1200];

/// Makes them.
#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "a person reads it")]
pub async fn screenshots() -> Result<ExitCode> {
    needs::chromium()?;
    up::build()?;
    let folder = place::target().join("screenshots");
    fs::create_dir_all(&folder)?;
    let browser = Browser::start(&folder.join("browser")).await?;
    let album = Album { browser, folder };
    let count = mails::take(&album).await? + gateway::take(&album).await?;
    println!("{count} pictures in {}, those of the documents in docs", place::short(&album.folder));
    Ok(ExitCode::SUCCESS)
}

/// A browser, and where its pictures go.
struct Album {
    browser: Browser,
    folder: PathBuf,
}

impl Album {
    /// Takes the open page at every width in both schemes, as `NAME-WIDTH-SCHEME.png`; says how many.
    async fn take_all(&self, name: &str) -> Result<usize> {
        for width in WIDTHS {
            for scheme in Scheme::ALL {
                let file = self.folder.join(format!("{name}-{width}-{}.png", scheme.name()));
                let picture = self.take(Look { width, scheme }, 1.0).await?;
                write(&file, &picture)?;
            }
        }
        Ok(WIDTHS.len() * Scheme::ALL.len())
    }

    /// Takes the open page for a document, as a small file.
    async fn take_for_docs(&self, look: Look, name: &str) -> Result<()> {
        let picture = self.take(look, DENSITY).await?;
        write(&place::top().join("docs").join(name), &palette::reduce(&picture)?)
    }

    async fn take(&self, look: Look, density: f64) -> Result<Vec<u8>> {
        self.browser.look(look).await?;
        self.browser.picture(density).await
    }
}

fn write(file: &Path, picture: &[u8]) -> Result<()> {
    fs::create_dir_all(file.parent().context("it is in a folder")?)?;
    fs::write(file, picture).with_context(|| format!("cannot write {}", file.display()))
}

/// Dots of a picture to a CSS pixel, for sharp text on dense screens.
const DENSITY: f64 = 1.5;
