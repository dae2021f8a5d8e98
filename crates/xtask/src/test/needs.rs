//! Tests that need a tool which not every machine can have: brought where it may be, else left out and counted.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result};
use launch::Line;
use testbed::{browser, postgres};

use super::{
    steps::{Outcome, Steps},
    tools,
};
use crate::install::{self, Package};

/// A group of tests and its tools.
struct Need {
    /// Part of the names of the tests, and of no others.
    tests: &'static str,
    /// Brings the tools, and tells the tests where one is.
    bring: fn() -> Result<Option<(&'static str, PathBuf)>>,
}

const NEEDS: [Need; 7] = [
    Need { tests: "browser::", bring: || chromium().and_then(|()| Ok(Some(("SANDI_TEST_AXE", tools::axe()?)))) },
    Need { tests: "mail_programs::", bring: || Ok(Some(("SANDI_TEST_DOIUSE", tools::doiuse()?))) },
    Need { tests: "spelling::", bring: || hunspell().map(|()| None) },
    Need { tests: "alerts::", bring: || prometheus().and_then(|()| Ok(Some(("SANDI_TEST_FAKETIME", faketime()?)))) },
    Need { tests: "postfix::", bring: || install::postfix(&mut Line::new("")).map(|()| None) },
    Need { tests: "faults::disk::", bring: || small_disk().map(|()| None) },
    Need { tests: "faults::clock::", bring: || Ok(Some(("SANDI_TEST_FAKETIME", faketime()?))) },
];

const CHROMIUM: [Package; 2] = [
    Package { name: "chromium", there: browser::has_chromium },
    Package { name: "chromium-driver", there: browser::has_driver },
];

const HUNSPELL: [Package; 2] = [
    Package { name: "hunspell", there: || install::has("hunspell", &["--version"]) },
    Package { name: "hunspell-id", there: || install::has("hunspell", &["-d", "id_ID", "-l", "/dev/null"]) },
];

/// Makes sure of a browser.
///
/// # Errors
/// When it is missing and cannot be installed.
pub fn chromium() -> Result<()> {
    install::packages(&mut Line::new(""), &CHROMIUM)
}

fn hunspell() -> Result<()> {
    install::packages(&mut Line::new(""), &HUNSPELL)
}

/// Makes sure of Prometheus and its promtool.
///
/// # Errors
/// When they are missing and cannot be installed.
pub fn prometheus() -> Result<()> {
    let there = || install::has("promtool", &["--version"]) && install::has("prometheus", &["--version"]);
    install::packages(&mut Line::new(""), &[Package { name: "prometheus", there }])
}

/// A library that shows a program another time of day.
fn faketime() -> Result<PathBuf> {
    fn library() -> Option<PathBuf> {
        let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
        folders.map(|folder| folder.path().join("faketime/libfaketime.so.1")).find(|file| file.exists())
    }
    let there = || library().is_some();
    install::packages(&mut Line::new(""), &[Package { name: "libfaketime", there }])?;
    library().context("libfaketime is installed and not found below /usr/lib")
}

fn small_disk() -> Result<()> {
    anyhow::ensure!(postgres::small_disk_is_possible(), "only root may mount a small disk, and not in this container");
    Ok(())
}

/// What could be had, and what could not.
#[derive(Default)]
pub struct Tools {
    environment: Vec<(&'static str, PathBuf)>,
    left_out: Vec<&'static str>,
}

impl Tools {
    /// Brings all, a step for each group.
    pub fn bring(steps: &mut Steps) -> Self {
        let mut tools = Self::default();
        for need in &NEEDS {
            let name = format!("tools of {}", need.tests.trim_end_matches(':'));
            steps.run(&name, || Ok(tools.add(need).err().map_or(Outcome::Passed, Outcome::Skipped)));
        }
        tools
    }

    /// Brings all without steps, and says only what could not be had.
    pub fn bring_quietly() -> Self {
        let mut tools = Self::default();
        for need in &NEEDS {
            if let Err(why) = tools.add(need) {
                eprintln!("without the tests {}: {why}", need.tests);
            }
        }
        tools
    }

    fn add(&mut self, need: &Need) -> Result<(), String> {
        match (need.bring)() {
            Ok(variable) => self.environment.extend(variable),
            Err(why) => {
                self.left_out.push(need.tests);
                return Err(format!("{why:#}"));
            }
        }
        Ok(())
    }

    /// Tells a `cargo test` command of them; its arguments after `--` have begun.
    pub fn tell(&self, command: &mut Command) {
        command.envs(self.environment.iter().map(|(name, path)| (name, path)));
        for tests in &self.left_out {
            command.args(["--skip", tests]);
        }
    }
}
