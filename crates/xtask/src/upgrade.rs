//! `upgrade`: a build of an older revision and this one, side by side over the same database and queues.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{place, test};

/// Tells the tests where the older programs stand.
const VARIABLE: &str = "SANDI_TEST_OLD_PROGRAMS";

/// From where.
#[derive(clap::Args)]
pub struct Options {
    /// The revision that is upgraded from, such as the tag of the last release.
    #[arg(long, value_name = "REVISION")]
    from: String,
}

/// Builds the older programs in a folder of their own, and runs the test of upgrades with them. What this checkout has
/// built of the dependencies is used again where both have the same.
///
/// # Errors
/// When there is no such revision, or something cannot be built or started.
pub fn upgrade(options: &Options) -> Result<ExitCode> {
    let folder = place::target().join("upgrade");
    let (source, target) = (folder.join("source"), folder.join("target"));
    check_out(&options.from, &source)?;
    take_dependencies(&target.join("debug"))?;
    eprintln!("building {}", options.from);
    let status = Command::new(test::cargo())
        .args(["build", "--workspace", "--bin", "identity", "--bin", "mailer", "--locked"])
        .current_dir(&source)
        .env("CARGO_TARGET_DIR", &target)
        .status()?;
    if !status.success() {
        bail!("{} does not build", options.from);
    }
    let tests =
        test::Options { words: vec!["faults::upgrade::".to_owned(), "--nocapture".to_owned()], keep_servers: false };
    test::some(&tests, &[(VARIABLE, target.join("debug"))])
}

/// A working tree of the revision, made once and moved later.
fn check_out(revision: &str, source: &Path) -> Result<()> {
    let place = source.display().to_string();
    if source.join("Cargo.toml").exists() {
        return git(source, &["checkout", "--quiet", "--detach", revision]);
    }
    // One that was deleted by hand is forgotten first.
    git(&place::top(), &["worktree", "prune"])?;
    git(&place::top(), &["worktree", "add", "--quiet", "--detach", &place, revision])
}

/// Copies what was built here of the dependencies, with its times, by which cargo knows it. Never of our own crates:
/// they have the same names there.
fn take_dependencies(debug: &Path) -> Result<()> {
    if debug.exists() {
        return Ok(());
    }
    let crates = fs::read_dir(place::top().join("crates"))?.flatten().map(|entry| entry.file_name());
    let mut ours: Vec<String> = crates.map(|name| name.to_string_lossy().into_owned()).collect();
    ours.extend(["e2e", "launch"].map(str::to_owned));
    for part in ["build", "deps", ".fingerprint"] {
        let (from, to) = (place::programs().join(part), debug.join(part));
        fs::create_dir_all(&to)?;
        let entries: Vec<_> = fs::read_dir(&from)?.flatten().map(|entry| entry.path()).collect();
        let foreign = |path: &&PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = name.rsplit_once('-').map_or(&*name, |(name, _)| name);
            !ours.iter().any(|ours| name.strip_prefix("lib").unwrap_or(name) == ours)
        };
        let entries: Vec<&PathBuf> = entries.iter().filter(foreign).collect();
        for some in entries.chunks(500) {
            let copy = Command::new("cp").args(["--archive", "--target-directory"]).arg(&to).args(some).status();
            if !copy.context("cp cannot be run")?.success() {
                bail!("{} cannot be copied", from.display());
            }
        }
    }
    Ok(())
}

fn git(folder: &Path, arguments: &[&str]) -> Result<()> {
    let status = Command::new("git").args(arguments).current_dir(folder).stdin(Stdio::null()).status();
    if !status.context("git cannot be run")?.success() {
        bail!("git {} failed", arguments.join(" "));
    }
    Ok(())
}
