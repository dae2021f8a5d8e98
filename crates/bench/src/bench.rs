//! What every part works with.

use std::{sync::Arc, time::Duration};

use crate::{figure::Figure, ground::Ground, plot::Plot, progress::Progress};

/// How a run measures.
pub struct Bench {
    /// The servers.
    pub ground: Ground,
    /// What a person sees.
    pub progress: Arc<Progress>,
    /// Fewer and shorter rounds.
    pub quick: bool,
}

/// What a part found.
#[derive(Default)]
pub struct Findings {
    /// Rows of the table.
    pub figures: Vec<Figure>,
    /// Pictures.
    pub plots: Vec<Plot>,
    /// What could not be measured, and why.
    pub problems: Vec<String>,
}

impl Bench {
    /// Rounds of an alternating measurement: at least five, unless it is quick.
    pub fn rounds(&self) -> usize {
        self.pick(5, 2)
    }

    /// One of two, the second when it is quick.
    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// A measurement's length.
    pub fn time(&self, full: f64) -> Duration {
        Duration::from_secs_f64(self.pick(full, full / 2.5))
    }

    /// Left out at the begin of each measurement.
    pub fn warm(&self) -> Duration {
        Duration::from_millis(self.pick(500, 250))
    }

    /// Says what is being measured.
    pub fn step(&self, what: impl Into<String>) {
        self.progress.step(what.into());
    }

    /// Runs once for each round.
    pub fn rounds_of(&self, what: &str) -> impl Iterator<Item = usize> {
        let (rounds, what) = (self.rounds(), what.to_owned());
        (0..rounds).inspect(move |round| self.step(format!("{what}, round {} of {rounds}", round + 1)))
    }
}

/// Threads that hash: one a core.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
