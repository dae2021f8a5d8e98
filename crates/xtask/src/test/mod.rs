//! `test`: every check and test there is, or a quick look at some of the end-to-end tests.

mod deploy;
mod examples;
pub mod needs;
pub mod servers;
mod steps;
pub mod tools;

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use testbed::shared::VARIABLE;

use crate::{place, up};
use needs::Tools;
use servers::Servers;
use steps::{Outcome, Steps};

/// The end-to-end tests wait more than they compute.
const THREADS: &str = "3";

/// What to run.
#[derive(clap::Args)]
pub struct Options {
    /// Run only the end-to-end tests whose names contain one of these words; `.` is all of them.
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,
    /// Leave PostgreSQL and RabbitMQ running for the next time; `cargo xtask down` ends them.
    #[arg(long)]
    pub keep_servers: bool,
}

/// Runs it; failure when anything failed.
pub fn test(options: &Options) -> Result<ExitCode> {
    if options.words.is_empty() { everything(options) } else { some(options, &[]) }
}

/// The quick way, for whoever works on one thing; with these variables besides.
///
/// # Errors
/// When something cannot be built or started.
pub fn some(options: &Options, environment: &[(&str, PathBuf)]) -> Result<ExitCode> {
    let servers = Servers::start(servers::lock()?, options.keep_servers)?;
    up::build()?;
    let servers = servers.ready()?;
    let words = options.words.iter().filter(|word| *word != ".");
    let mut command = Command::new(cargo());
    command
        .args(["test", "--workspace", "--test", "e2e", "--"])
        .args(words)
        .env(VARIABLE, servers.file())
        .env("RUST_TEST_THREADS", THREADS)
        .envs(environment.iter().map(|(name, value)| (name, value)));
    Tools::bring_quietly().tell(&mut command);
    let status = command.status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Asks for known weaknesses of our dependencies.
///
/// # Errors
/// When there are some, or the database cannot be fetched.
pub fn advisories() -> Result<ExitCode> {
    match tools::advisories()? {
        Outcome::Passed => Ok(ExitCode::SUCCESS),
        Outcome::Skipped(why) => bail!("{why}"),
    }
}

fn everything(options: &Options) -> Result<ExitCode> {
    let lock = servers::lock()?;
    let mut steps = Steps::default();
    let mut servers = None;
    // They take some seconds to come up, so they start first and are waited for when needed.
    steps.run("servers", || {
        servers = Some(Servers::start(lock, options.keep_servers)?);
        Ok(Outcome::Passed)
    });
    steps.run("format", || cargo_step(&["fmt", "--all", "--check"]));
    steps.run("clippy", || {
        cargo_step(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])
    });
    steps.run("buf lint", tools::buf_lint);
    steps.run("buf breaking", tools::buf_breaking);
    deploy::run(&mut steps);
    steps.run("dependencies", tools::dependencies);
    steps.run("advisories", tools::advisories);
    steps.run("build", || up::build().map(|()| Outcome::Passed));
    let tools = Tools::bring(&mut steps);
    let mut ready = None;
    steps.run("migrations", || {
        ready = Some(servers.take().context("the servers did not start")?.ready()?);
        Ok(Outcome::Passed)
    });
    steps.run("cargo test", || {
        let mut command = cargo_command(&["test", "--workspace", "--quiet", "--no-fail-fast", "--"]);
        if let Some(servers) = &ready {
            command.env(VARIABLE, servers.file()).env("RUST_TEST_THREADS", THREADS);
        }
        tools.tell(&mut command);
        step(&mut command)
    });
    examples::run(&mut steps);
    drop(ready);
    Ok(steps.close())
}

/// The cargo that runs us.
pub fn cargo() -> std::ffi::OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn cargo_command(arguments: &[&str]) -> Command {
    let mut command = Command::new(cargo());
    command.args(arguments).current_dir(place::top());
    command
}

fn cargo_step(arguments: &[&str]) -> Result<Outcome> {
    step(&mut cargo_command(arguments))
}

/// Runs a command whose output is the person's to read.
fn step(command: &mut Command) -> Result<Outcome> {
    let status = command.stdin(std::process::Stdio::null()).status()?;
    if !status.success() {
        bail!("ended with {status}");
    }
    Ok(Outcome::Passed)
}
