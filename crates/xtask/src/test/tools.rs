//! Tools from package registries, installed under `target/tools` with their ordinary clients.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Result, bail};

use super::steps::Outcome;
use crate::{install, place};

/// The version whose lint rules the contract is held to.
const BUF: &str = "@bufbuild/buf@1.75.0";
/// The contract of the last release, as an image of buf's; before the first release the one it will have.
const RELEASED: &str = "proto/released.binpb";
const AXE: &str = "axe-core@4.14.1";
const DOIUSE: &str = "@jsx-email/doiuse-email@1.0.4";
/// What the Python example needs.
const REQUIREMENTS: &str = "examples/python/requirements.txt";
/// What the files of `deploy/` are checked with.
const LINTERS: &str = "crates/xtask/lint/requirements.txt";

/// Runs `buf lint`, where npm can bring it.
pub fn buf_lint() -> Result<Outcome> {
    let Some(buf) = buf() else {
        return Ok(Outcome::Skipped("buf cannot be had: no npm, or no way to its registry".to_owned()));
    };
    super::step(Command::new(buf).arg("lint").current_dir(place::top()))
}

/// Holds the contract to that of the last release: callers and events of it must go on working.
pub fn buf_breaking() -> Result<Outcome> {
    let Some(buf) = buf() else {
        return Ok(Outcome::Skipped("buf cannot be had: no npm, or no way to its registry".to_owned()));
    };
    super::step(Command::new(buf).args(["breaking", "--against", RELEASED]).current_dir(place::top()))
}

/// Keeps the contract of now as that of the last release.
///
/// # Errors
/// When buf cannot be had, or does not understand the proto files.
pub fn keep_contract() -> Result<()> {
    let Some(buf) = buf() else { bail!("buf cannot be had: no npm, or no way to its registry") };
    let arguments = ["build", "--exclude-source-info", "--output", RELEASED];
    super::step(Command::new(buf).args(arguments).current_dir(place::top())).map(drop)
}

/// `buf`, from the path or by npm.
pub fn buf() -> Option<PathBuf> {
    if install::has("buf", &["--version"]) {
        return Some("buf".into());
    }
    npm("npm", BUF, "node_modules/.bin/buf").ok()
}

/// A file of a package of npm's, each in a folder of its own: npm takes away what it was not asked for.
fn npm(folder: &str, package: &str, file: &str) -> Result<PathBuf> {
    let folder = place::tools().join(folder);
    let file = folder.join(file);
    if !file.exists() {
        let prefix = folder.display().to_string();
        install::has("npm", &["install", "--prefix", &prefix, "--no-audit", "--no-fund", "--no-save", package]);
    }
    if !file.exists() {
        bail!("{package} cannot be had: no npm, or no way to its registry");
    }
    Ok(file)
}

/// The script that judges how a page treats people with disabilities.
pub fn axe() -> Result<PathBuf> {
    npm("axe", AXE, "node_modules/axe-core/axe.min.js")
}

/// The module that knows what mail programs can show.
pub fn doiuse() -> Result<PathBuf> {
    npm("doiuse", DOIUSE, "node_modules/@jsx-email/doiuse-email/dist/index.mjs")
}

/// Licences, sources and bans of dependencies by deny.toml.
pub fn dependencies() -> Result<Outcome> {
    let deny = match linter("cargo-deny") {
        Ok(deny) => deny,
        Err(why) => return Ok(Outcome::Skipped(format!("{why:#}"))),
    };
    let check = ["--offline", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    super::step(Command::new(deny).args(check).current_dir(place::top()))
}

/// Known weaknesses of dependencies, where the database of advisories can be fetched.
///
/// # Errors
/// When there are some.
pub fn advisories() -> Result<Outcome> {
    let deny = match linter("cargo-deny") {
        Ok(deny) => deny,
        Err(why) => return Ok(Outcome::Skipped(format!("{why:#}"))),
    };
    let fetched = Command::new(&deny).args(["fetch", "db"]).current_dir(place::top()).output()?;
    if !fetched.status.success() {
        return Ok(Outcome::Skipped("the database of advisories (RustSec) cannot be fetched".to_owned()));
    }
    let check = ["check", "--hide-inclusion-graph", "advisories"];
    super::step(Command::new(deny).args(check).current_dir(place::top()))
}

/// A Python that has what the example needs.
///
/// # Errors
/// Says what is missing.
pub fn python() -> Result<PathBuf> {
    let python = environment("python", REQUIREMENTS)?.join("python");
    if !install::has(&python.display().to_string(), &["-c", "import grpc_tools, grpc_status"]) {
        bail!("pip could not install {REQUIREMENTS}");
    }
    Ok(python)
}

/// A program that checks files, from Python's registry.
///
/// # Errors
/// Says what is missing.
pub fn linter(program: &str) -> Result<PathBuf> {
    let path = environment("lint", LINTERS)?.join(program);
    if !path.exists() {
        bail!("pip could not install {LINTERS}");
    }
    Ok(path)
}

/// The programs of an environment of Python's own with these packages, installed once for each list of them.
fn environment(name: &str, requirements: &str) -> Result<PathBuf> {
    let folder = place::tools().join(name);
    let list = place::top().join(requirements);
    let wanted = fs::read_to_string(&list)?;
    let installed = folder.join("installed.txt");
    let programs = folder.join("bin");
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(programs);
    }
    if !install::has("python3", &["-m", "venv", &folder.display().to_string()]) {
        bail!("no python3 with venv");
    }
    let python = programs.join("python").display().to_string();
    let list = list.display().to_string();
    if install::has(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", &list]) {
        fs::write(installed, wanted)?;
    }
    Ok(programs)
}
