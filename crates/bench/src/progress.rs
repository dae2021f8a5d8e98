//! A line that says what is being measured and how long it will still take.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How often the line is drawn anew on a terminal, and written where there is none.
const PERIODS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));
/// Characters of the bar.
const BAR: usize = 24;

/// The line, on standard error.
pub struct Progress {
    state: Mutex<State>,
    over: AtomicBool,
    terminal: bool,
}

struct State {
    /// Seconds that the parts before this one were to take, and that all were.
    done: u64,
    all: u64,
    /// The part under way, how many seconds it was to take, and since when it runs.
    part: String,
    expected: u64,
    since: Instant,
    step: String,
}

impl Progress {
    /// A line for parts that take so many seconds together.
    pub fn start(all: u64) -> Arc<Self> {
        let state =
            State { done: 0, all, part: String::new(), expected: 0, since: Instant::now(), step: String::new() };
        let progress = Arc::new(Self {
            state: Mutex::new(state),
            over: AtomicBool::new(false),
            terminal: io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        });
        let shown = Arc::clone(&progress);
        thread::spawn(move || {
            let mut last = Instant::now();
            while !shown.over.load(Ordering::Relaxed) {
                thread::sleep(PERIODS.0);
                if shown.terminal || last.elapsed() >= PERIODS.1 {
                    last = Instant::now();
                    shown.draw();
                }
            }
        });
        progress
    }

    /// A part begins.
    pub fn part(&self, name: &str, expected: u64) {
        let mut state = self.lock();
        state.done += state.expected;
        state.part = name.to_owned();
        state.expected = expected;
        state.since = Instant::now();
        state.step.clear();
    }

    /// What it does now.
    pub fn step(&self, step: String) {
        self.lock().step = step;
    }

    /// Writes lines above the progress.
    pub fn say(&self, text: &str) {
        let (clear, text) = (if self.terminal { "\r\x1b[2K" } else { "" }, text.trim_end());
        if !text.is_empty() {
            // Without a standard error there is nobody to tell.
            let _ = writeln!(io::stderr(), "{clear}{text}");
        }
    }

    /// Takes the line away.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }

    fn draw(&self) {
        let line = self.lock().line();
        let mut error = io::stderr().lock();
        let _ = if self.terminal { write!(error, "\r\x1b[2K{line}") } else { writeln!(error, "{line}") };
        let _ = error.flush();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn line(&self) -> String {
        let here = self.since.elapsed().as_secs().min(self.expected);
        let done = (self.done + here).min(self.all);
        let full = BAR * usize::try_from(done).unwrap_or_default() / usize::try_from(self.all.max(1)).unwrap_or(1);
        let left = self.all - done;
        let (bar, rest) = ("█".repeat(full), "░".repeat(BAR - full));
        let text = format!("{bar}{rest} {}:{:02} left  {}: {}", left / 60, left % 60, self.part, self.step);
        text.chars().take(110).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_takes_longer_than_expected_does_not_run_over_the_end() {
        let long_ago = Instant::now() - Duration::from_secs(500);
        let state =
            State { done: 60, all: 120, part: "hash".into(), expected: 60, since: long_ago, step: "round 1".into() };
        assert!(state.line().ends_with("0:00 left  hash: round 1"), "{}", state.line());
        assert!(!state.line().contains('░'));
    }
}
