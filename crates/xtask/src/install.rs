//! Installs what is missing, where it may.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use anyhow::{Result, bail};
use launch::Line;
use testbed::{postfix, postgres, rabbitmq};

/// Something that a package of Debian brings.
pub struct Package {
    /// The package.
    pub name: &'static str,
    /// Whether what it brings is there already.
    pub there: fn() -> bool,
}

const SERVERS: [Package; 2] = [
    Package { name: "postgresql", there: || postgres::programs().is_some() },
    Package { name: "rabbitmq-server", there: || rabbitmq::program().is_some() },
];

/// Makes sure of PostgreSQL and RabbitMQ.
///
/// # Errors
/// As [`packages`].
pub fn servers(line: &mut Line) -> Result<()> {
    packages(line, &SERVERS)
}

/// Makes sure of Postfix, without making it the mail server of this machine.
///
/// # Errors
/// When it cannot be run here, and why.
pub fn postfix(line: &mut Line) -> Result<()> {
    without_a_mail_server(line, &Package { name: "postfix", there: || postfix::program().is_some() })?;
    match postfix::obstacle() {
        Some(why) => bail!(why),
        None => Ok(()),
    }
}

/// Makes sure of something that the package `postfix` brings, without making it the mail server of this machine.
///
/// # Errors
/// When it cannot be installed, or would take another one's place.
pub fn without_a_mail_server(line: &mut Line, wanted: &Package) -> Result<()> {
    if (wanted.there)() {
        return Ok(());
    }
    if Path::new("/usr/sbin/sendmail").exists() {
        bail!("this machine has another mail server, whose place Postfix would take");
    }
    without_settings("postfix postfix/main_mailer_type select No configuration")?;
    packages(line, std::slice::from_ref(wanted))
}

/// Answers a package's question before it is installed.
fn without_settings(answer: &str) -> Result<()> {
    let Some(prefix) = privileged() else { return Ok(()) };
    let mut words = prefix.iter().chain(&["debconf-set-selections"]);
    let mut child = Command::new(words.next().expect("it is one"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    child.stdin.take().expect("it is piped").write_all(answer.as_bytes())?;
    match child.wait()?.success() {
        true => Ok(()),
        false => bail!("debconf-set-selections failed"),
    }
}

/// Makes sure of what these packages bring.
///
/// # Errors
/// When something is missing and cannot be installed; says which command would.
pub fn packages(line: &mut Line, wanted: &[Package]) -> Result<()> {
    let missing = missing(wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    let Some(prefix) = privileged() else {
        bail!("missing: {names}. Install with:  sudo apt-get install {names}");
    };
    line.step(&format!("installing {names}"))?;
    apt(prefix, &["update"])?;
    let install: Vec<&str> =
        ["install", "--no-install-recommends"].into_iter().chain(missing.iter().copied()).collect();
    let output = apt(prefix, &install)?;
    if !output.status.success() || !self::missing(wanted).is_empty() {
        bail!("apt-get could not install {names}:\n{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(())
}

fn apt(prefix: &[&str], arguments: &[&str]) -> std::io::Result<Output> {
    let mut words = prefix.iter().chain(&["apt-get", "-q", "-y"]).chain(arguments);
    let program = words.next().expect("apt-get is one");
    Command::new(program)
        .args(words)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Debian would start a server of the machine's own; ours are private.
        .env("RUNLEVEL", "1")
        .stdin(Stdio::null())
        .output()
}

fn missing(wanted: &[Package]) -> Vec<&'static str> {
    wanted.iter().filter(|package| !(package.there)()).map(|package| package.name).collect()
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
