//! Another revision of this checkout in a folder of its own, built beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{place, test};

/// A working tree under the target directory, and where it is built.
pub struct Worktree {
    /// The sources.
    pub source: PathBuf,
    /// Cargo's target directory for them.
    pub target: PathBuf,
}

impl Worktree {
    /// Checks the revision out in the folder of that name; what was changed there by hand is lost. What this checkout has built of the dependencies
    /// is used again where both have the same.
    ///
    /// # Errors
    /// When there is no such revision, or it cannot be written.
    pub fn of(revision: &str, name: &str) -> Result<Self> {
        let folder = place::target().join("worktree").join(name);
        let it = Self { source: folder.join("source"), target: folder.join("target") };
        check_out(revision, &it.source)?;
        take_dependencies(&it.target.join("debug"))?;
        Ok(it)
    }

    /// Cargo there.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(test::cargo());
        command.current_dir(&self.source).env("CARGO_TARGET_DIR", &self.target).stdin(Stdio::null());
        command
    }
}

/// A working tree is made once and moved later. One of another checkout that shared our target directory is replaced.
fn check_out(revision: &str, source: &Path) -> Result<()> {
    if source.exists() && common(source).ok() == Some(common(&place::top())?) {
        return git(source, &["checkout", "--quiet", "--force", "--detach", revision]);
    }
    if source.exists() {
        fs::remove_dir_all(source).with_context(|| format!("{} cannot be removed", source.display()))?;
    }
    // One that was deleted by hand is forgotten first.
    git(&place::top(), &["worktree", "prune"])?;
    git(&place::top(), &["worktree", "add", "--quiet", "--detach", &source.display().to_string(), revision])
}

/// The repository that a working tree belongs to.
fn common(folder: &Path) -> Result<PathBuf> {
    let arguments = ["rev-parse", "--path-format=absolute", "--git-common-dir"];
    let output = Command::new("git").args(arguments).current_dir(folder).output().context("git cannot be run")?;
    if !output.status.success() {
        bail!("{} is of no repository", folder.display());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
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
