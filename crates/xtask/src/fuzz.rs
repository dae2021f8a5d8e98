//! `fuzz`: tries every decoder and parser of foreign bytes without an end, or for some minutes.

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};

use crate::{place, test::tools};

/// Longer inputs find nothing that shorter ones do not.
const INPUT_MAX: usize = 4096;

/// How long.
#[derive(clap::Args)]
pub struct Options {
    /// Minutes for each target.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Only these targets; without a name, all.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// Runs the targets in turn; failure when one found something, which then lies in `fuzz/artifacts`.
///
/// # Errors
/// When cargo-fuzz cannot be had.
pub fn fuzz(options: &Options) -> Result<ExitCode> {
    let program = tools::linter("cargo-fuzz")?;
    let folder = place::top().join("fuzz");
    // The versions that are tested and deployed.
    fs::copy(place::top().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let mut found = Vec::new();
    for target in targets(&folder)? {
        if !options.targets.is_empty() && !options.targets.contains(&target) {
            continue;
        }
        if !run(&program, &folder, &target, options.minutes)? {
            found.push(target);
        }
    }
    if found.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("xtask: found something: {}; make a seed of it in fuzz/seeds", found.join(", "));
    Ok(ExitCode::FAILURE)
}

/// The targets are the folders of seeds.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder.join("seeds"))?;
    let mut names: Vec<String> =
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

fn run(program: &Path, folder: &Path, target: &str, minutes: f64) -> Result<bool> {
    let corpus = folder.join("corpus").join(target);
    fs::create_dir_all(&corpus)?;
    let seconds = (minutes * 60.0).round() as u64;
    // The sanitizers need a nightly compiler; without `unsafe` there is little for them to find.
    let status = Command::new(program)
        .args(["run", "--sanitizer", "none", target])
        .args([&corpus, &folder.join("seeds").join(target)])
        .args(["--", &format!("-max_total_time={seconds}"), &format!("-max_len={INPUT_MAX}"), "-timeout=20"])
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(place::top())
        .status()
        .with_context(|| format!("{} cannot be started", program.display()))?;
    Ok(status.success())
}
