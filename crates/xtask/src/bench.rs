//! `bench`: builds release programs and the one that measures them, and becomes it.

use std::{
    io::Error,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Result, bail};
use launch::Line;

use crate::{
    install::{self, Package},
    place,
};

/// Its arguments are its own.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Options {
    /// Parts to run, `--quick`, `--list`, `--help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

const SINK: Package = Package { name: "postfix", there: has_sink };

/// Measures.
///
/// # Errors
/// When something cannot be built or started.
pub fn bench(options: &Options) -> Result<ExitCode> {
    let given = |name: &str| options.arguments.iter().any(|argument| argument == name);
    let only_says = ["-h", "--help", "--list", "--document"].into_iter().any(given);
    // A wrong argument is told before anything is built.
    let mut debug = Command::new(place::programs().join("bench"));
    debug.args(&options.arguments);
    if only_says {
        return Err(debug.exec().into());
    }
    if !debug.arg("--check").status()?.success() {
        return Ok(ExitCode::FAILURE);
    }
    let mut line = Line::new("");
    install::servers(&mut line)?;
    if let Err(why) = install::without_a_mail_server(&mut line, &SINK) {
        eprintln!("parts that need smtp-sink will fail: {why:#}");
    }
    build_release(&["identity", "mailer", "bench"])?;
    let program = place::target().join("release/bench");
    let error: Error = Command::new(program).args(&options.arguments).current_dir(place::top()).exec();
    Err(error.into())
}

/// Builds these programs with what is deployed, and nothing that tests add to it. Dependencies are the same whichever
/// are built.
///
/// # Errors
/// When one does not build.
pub fn build_release(programs: &[&str]) -> Result<()> {
    let mut arguments = vec!["--release", "--package", "identity", "--package", "mailer", "--package", "bench"];
    arguments.extend(programs.iter().flat_map(|program| ["--bin", program]));
    if !launch::build("building what is measured", &arguments)?.success() {
        bail!("it does not build");
    }
    Ok(())
}

/// Postfix's smtp-sink.
fn has_sink() -> bool {
    let on_path = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("smtp-sink").exists()));
    on_path || Path::new("/usr/sbin/smtp-sink").exists()
}
