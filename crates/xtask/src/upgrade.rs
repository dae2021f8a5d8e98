//! `upgrade`: a build of an older revision and this one, side by side over the same database and queues.

use std::{
    path::Path,
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

/// Builds the older programs in a folder of their own, and runs the test of upgrades with them. The first build takes
/// as long as one of a fresh checkout.
///
/// # Errors
/// When there is no such revision, or something cannot be built or started.
pub fn upgrade(options: &Options) -> Result<ExitCode> {
    let folder = place::target().join("upgrade");
    let (source, target) = (folder.join("source"), folder.join("target"));
    check_out(&options.from, &source)?;
    let status = Command::new(test::cargo())
        .args(["build", "--workspace", "--bin", "identity", "--bin", "mailer", "--locked"])
        .current_dir(&source)
        .env("CARGO_TARGET_DIR", &target)
        .status()?;
    if !status.success() {
        bail!("{} does not build", options.from);
    }
    let tests = test::Options { words: vec!["faults::upgrade::".to_owned()], keep_servers: false };
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

fn git(folder: &Path, arguments: &[&str]) -> Result<()> {
    let status = Command::new("git").args(arguments).current_dir(folder).stdin(Stdio::null()).status();
    if !status.context("git cannot be run")?.success() {
        bail!("git {} failed", arguments.join(" "));
    }
    Ok(())
}
