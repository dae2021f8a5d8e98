//! `timing`: whether answers tell people apart by their time, measured finely against release builds.

use std::{
    fs,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use testbed::shared::{Shared, VARIABLE};

use crate::{
    place,
    test::servers::{self, Servers},
};

/// Where the tables are kept.
const DOCUMENT: &str = "docs/security-tests.md";
const BEGIN: &str = "<!-- timing: written by `cargo xtask timing` -->";
const END: &str = "<!-- timing ends -->";

/// How finely.
#[derive(clap::Args)]
pub struct Options {
    /// Calls of each class. 10,000 take about two hours, most of them hashes.
    #[arg(long, default_value_t = 10_000)]
    samples: usize,
    /// As many calls as tell whether all is in place: 500 of each class. Nothing is kept.
    #[arg(long, conflicts_with = "samples")]
    quick: bool,
}

/// Measures, and keeps the table in the documents.
///
/// # Errors
/// When something cannot be built or started.
pub fn timing(options: &Options) -> Result<ExitCode> {
    let samples = if options.quick { 500 } else { options.samples };
    let servers = Servers::start(servers::lock()?, false)?;
    crate::up::build()?;
    build_release()?;
    let servers = servers.ready()?;
    let release = Shared { programs: place::target().join("release"), ..Shared::read(&servers.file())? };
    let file = place::test().join("timing-servers.json");
    release.write(&file)?;
    let table = place::test().join("timing.md");
    let status = Command::new(release.programs.join("timing"))
        .arg(samples.to_string())
        .arg(&table)
        .env(VARIABLE, &file)
        .current_dir(place::top())
        .status()?;
    if !options.quick {
        keep(&fs::read_to_string(&table).context("nothing was measured")?)?;
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All of it at once, as the rest of the workspace is built.
fn build_release() -> Result<()> {
    let arguments = ["--release", "--workspace", "--bin", "identity", "--bin", "mailer", "--bin", "timing"];
    if !launch::build("building what is measured", &arguments)?.success() {
        bail!("it does not build");
    }
    Ok(())
}

fn keep(table: &str) -> Result<()> {
    let file = place::top().join(DOCUMENT);
    let text = fs::read_to_string(&file).with_context(|| format!("{DOCUMENT} cannot be read"))?;
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("{DOCUMENT} has no place for the table"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{DOCUMENT} has no place for the table"))?;
    fs::write(&file, format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))?;
    Ok(())
}
