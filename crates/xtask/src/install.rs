//! Installs what is missing, where it may.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use launch::Line;
use testbed::{postgres, rabbitmq};

/// Makes sure of PostgreSQL and RabbitMQ.
///
/// # Errors
/// When something is missing and cannot be installed; says which command would.
pub fn servers(line: &mut Line) -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    let Some(prefix) = privileged() else {
        bail!("missing: {packages}. Install with:  sudo apt-get install {packages}");
    };
    line.step(&format!("installing {packages}"))?;
    let apt = |arguments: &[&str]| {
        let mut words = prefix.iter().copied().chain(["apt-get", "-q", "-y"]).chain(arguments.iter().copied());
        let program = words.next().expect("apt-get is one");
        Command::new(program)
            .args(words)
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Debian would start a server of the machine's own; ours are private.
            .env("RUNLEVEL", "1")
            .stdin(Stdio::null())
            .output()
    };
    apt(&["update"])?;
    let install: Vec<&str> =
        ["install", "--no-install-recommends"].into_iter().chain(missing.iter().copied()).collect();
    let output = apt(&install)?;
    if !output.status.success() || !self::missing().is_empty() {
        bail!("apt-get could not install {packages}:\n{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}

/// Debian's packages of what is missing.
fn missing() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if postgres::programs().is_none() {
        missing.push("postgresql");
    }
    if rabbitmq::program().is_none() {
        missing.push("rabbitmq-server");
    }
    missing
}

/// How to run a program as root without being asked anything; none when that cannot be.
fn privileged() -> Option<&'static [&'static str]> {
    if !has("apt-get", &["--version"]) {
        return None;
    }
    if testbed::process::is_root() {
        return Some(&[]);
    }
    has("sudo", &["-n", "true"]).then_some(&["sudo", "-n"])
}

/// Whether a program is there and ends with success.
pub fn has(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
