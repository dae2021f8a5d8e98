//! What all runs found so far, as JSON beside the document: parts that run by themselves come together here.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{bench::Findings, figure::Figure, machine::Machine, parts::Part, plot::Plot};

/// The newest findings of every part that has run.
#[derive(Default, Serialize, Deserialize)]
pub struct Results {
    /// By the part's name.
    parts: BTreeMap<String, Outcome>,
}

/// What became of a part.
#[derive(Clone, Serialize, Deserialize)]
pub struct Outcome {
    /// The day it ran on.
    pub date: String,
    /// Where it ran.
    pub machine: Machine,
    /// Whether it had fewer and shorter rounds than it should.
    pub quick: bool,
    /// How long it took.
    pub seconds: u64,
    /// Rows of the table.
    pub figures: Vec<Figure>,
    /// Pictures.
    pub plots: Vec<Plot>,
    /// What could not be measured, and why.
    pub problems: Vec<String>,
}

impl Outcome {
    /// Of a part that has run. Of a problem its first line is kept, without places on this machine: the rest is for
    /// who runs it.
    pub fn new(machine: &Machine, quick: bool, seconds: u64, findings: Findings) -> Self {
        let Findings { figures, plots, problems } = findings;
        let problems = problems.iter().map(|problem| without_paths(problem.lines().next().unwrap_or_default()));
        let problems = problems.collect();
        let date = crate::events::now().date().to_string();
        Self { date, machine: machine.clone(), quick, seconds, figures, plots, problems }
    }
}

/// Words that begin at the root of this machine's files are left out.
fn without_paths(line: &str) -> String {
    let words = line.split(' ').map(|word| if word.starts_with('/') { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

impl Results {
    /// Reads the file; none is as good as an empty one.
    ///
    /// # Errors
    /// When there is one that cannot be understood.
    pub fn read(file: &Path) -> Result<Self> {
        match fs::read_to_string(file) {
            Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} is another file", file.display())),
            Err(_) => Ok(Self::default()),
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Puts a part's outcome in the place of an earlier one.
    pub fn put(&mut self, part: Part, outcome: Outcome) {
        self.parts.insert(part.name(), outcome);
    }

    /// What became of a part, if it has run.
    pub fn of(&self, part: Part) -> Option<&Outcome> {
        self.parts.get(&part.name())
    }
}
