//! The steps of a run, and what became of each.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;

/// How a step ended, if not in an error.
pub enum Outcome {
    /// All is well.
    Passed,
    /// It could not be run here, and why.
    Skipped(String),
}

/// What ran so far.
#[derive(Default)]
pub struct Steps {
    rows: Vec<Row>,
}

struct Row {
    name: String,
    took: Duration,
    end: End,
}

enum End {
    Passed,
    Skipped(String),
    Failed(String),
}

impl Steps {
    /// Runs a step; its failure does not keep the next ones from running.
    #[expect(clippy::print_stdout, reason = "a person reads it")]
    pub fn run(&mut self, name: &str, step: impl FnOnce() -> Result<Outcome>) {
        println!("== {name}");
        let start = Instant::now();
        let end = match step() {
            Ok(Outcome::Passed) => End::Passed,
            Ok(Outcome::Skipped(why)) => End::Skipped(why),
            Err(error) => {
                println!("{name}: {error:#}");
                End::Failed(format!("{error:#}"))
            }
        };
        self.rows.push(Row { name: name.to_owned(), took: start.elapsed(), end });
    }

    /// Prints the list and the counts; failure if any step failed.
    #[expect(clippy::print_stdout, reason = "a person reads it")]
    pub fn close(self) -> ExitCode {
        println!("\n== all steps");
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        for Row { name, took, end } in &self.rows {
            let text = match end {
                End::Passed => {
                    passed += 1;
                    "passed".to_owned()
                }
                End::Skipped(why) => {
                    skipped += 1;
                    format!("skipped: {why}")
                }
                End::Failed(why) => {
                    failed += 1;
                    format!("FAILED: {}", why.lines().next().unwrap_or_default())
                }
            };
            println!("  {name:<24} {:>6.1} s  {text}", took.as_secs_f32());
        }
        println!("\nsteps: {passed} passed, {failed} failed, {skipped} skipped");
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
