//! `timing`: whether answers tell people apart by their time, measured finely against release builds.

use std::{
    fs,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};
use testbed::shared::{Shared, VARIABLE};

use crate::{
    bench, figures, place,
    test::servers::{self, Servers},
};

const HEAD: &str = "| measured | calls a class | the two that differ most | µs | t | t cropped | t of squares | z | AUC | | on |\n\
                    |---|--:|---|--:|--:|--:|--:|--:|--:|---|---|";

/// How finely.
#[derive(clap::Args)]
pub struct Options {
    /// Calls of each class. 10,000 take an hour or so, half of it hashes (`--only VerifyPassword`).
    #[arg(long, default_value_t = 10_000)]
    samples: usize,
    /// As many calls as tell whether all is in place: 500 of each class. Nothing is kept.
    #[arg(long, conflicts_with = "samples")]
    quick: bool,
    /// Only the rows of the table with this in their names; the others keep their figures. May be given several times.
    #[arg(long, value_name = "WORD")]
    only: Vec<String>,
}

/// Measures, and keeps the table in the documents.
///
/// # Errors
/// When something cannot be built or started.
#[expect(clippy::print_stdout, reason = "a person reads it")]
pub fn timing(options: &Options) -> Result<ExitCode> {
    let samples = if options.quick { 500 } else { options.samples };
    let servers = Servers::start(servers::lock()?, false)?;
    crate::up::build()?;
    bench::build_release(&["identity", "mailer"])?;
    let servers = servers.ready()?;
    let release = Shared { programs: place::target().join("release"), ..Shared::read(&servers.file())? };
    let file = place::test().join("timing-servers.json");
    release.write(&file)?;
    let rows = place::test().join("timing.md");
    let _ = fs::remove_file(&rows);
    let status = Command::new(place::programs().join("timing"))
        .arg(samples.to_string())
        .arg(&rows)
        .args(&options.only)
        .env(VARIABLE, &file)
        .current_dir(place::top())
        .status()?;
    let text = fs::read_to_string(&rows).context("nothing was measured")?;
    let rows: Vec<String> = text.lines().map(|row| format!("{row} {} |", figures::stamp())).collect();
    if !options.quick {
        figures::keep("timing", HEAD, &rows, options.only.is_empty())?;
    }
    println!("{HEAD}\n{}", rows.join("\n"));
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
