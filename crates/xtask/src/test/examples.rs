//! What a newcomer does first, done by the tests: `up`, each demo command, the examples, `down`.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{
    steps::{Outcome, Steps},
    tools,
};
use crate::{place, shell::Environment, up::ENVIRONMENT};

/// In an order in which each finds what the one before left; each is run twice.
const DEMOS: [&[&str]; 10] = [
    &["request"],
    &["complete"],
    &["login"],
    &["change"],
    &["users"],
    &["reset-user"],
    &["forgot-username", "budi@kopi.example"],
    &["why", "wayan"],
    &["reset-user", "wayan"],
    &["complete", "--locale", "en"],
];

/// Adds the steps.
pub fn run(steps: &mut Steps) {
    let demo = Demo { directory: place::test().join("demo") };
    steps.run("up", || demo.xtask(&["up", "--detach"]));
    steps.run("up again", || demo.xtask(&["up", "--detach"]));
    steps.run("demo commands", || {
        for locale in ["id", "en"] {
            for arguments in DEMOS {
                let mut all = vec!["demo"];
                all.extend(arguments);
                if !arguments.contains(&"--locale") {
                    all.extend(["--locale", locale]);
                }
                demo.quietly(&all)?;
            }
        }
        Ok(Outcome::Passed)
    });
    steps.run("example in Python", || match tools::python() {
        Ok(python) => demo.example(Command::new(python).arg("examples/python/reset.py")),
        Err(why) => Ok(Outcome::Skipped(format!("{why:#}"))),
    });
    steps.run("example with buf curl", || match tools::buf() {
        Some(buf) => demo.example(Command::new("bash").arg("examples/buf-curl.sh").env("BUF", buf)),
        None => Ok(Outcome::Skipped("buf cannot be had".to_owned())),
    });
    steps.run("down", || demo.xtask(&["down"]));
}

/// A demo beside the person's own.
struct Demo {
    directory: PathBuf,
}

impl Demo {
    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(place::programs().join("xtask"));
        command.arg("--directory").arg(&self.directory).args(arguments).stdin(Stdio::null());
        Ok(command)
    }

    fn xtask(&self, arguments: &[&str]) -> Result<Outcome> {
        super::step(&mut self.command(arguments)?)
    }

    /// Shows the output only of a failure.
    fn quietly(&self, arguments: &[&str]) -> Result<()> {
        let output = self.command(arguments)?.output()?;
        if !output.status.success() {
            let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            bail!("cargo xtask {} ended with {}\n{out}{err}", arguments.join(" "), output.status);
        }
        Ok(())
    }

    fn example(&self, command: &mut Command) -> Result<Outcome> {
        let environment = Environment::read(&self.directory.join(ENVIRONMENT)).context("the demo does not run")?;
        super::step(command.envs(environment.all()).current_dir(place::top()))
    }
}
