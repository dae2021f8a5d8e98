//! `cargo build` with one line of progress in place of cargo's hundreds.
//!
//! It has no dependencies, so that the very first `cargo xtask` on a machine says what it does within a second instead
//! of compiling in silence.

use std::{
    env,
    io::{self, IsTerminal, Read, Write},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// Where output is no terminal, a line is written this often, so that nobody takes a long build for a dead one.
const QUIET_PERIOD: Duration = Duration::from_secs(30);
/// A build that takes less is not worth a line.
const SHORT: Duration = Duration::from_millis(700);

/// Runs `cargo build` with these arguments, showing `title` and how far it is. What the compiler said is written out
/// only when the build failed.
///
/// # Errors
/// When cargo cannot be started.
pub fn build(title: &str, arguments: &[&str]) -> io::Result<ExitStatus> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut child = Command::new(cargo)
        .arg("build")
        .args(arguments)
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "100")
        .env("CARGO_TERM_COLOR", "never")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut output = child.stderr.take().expect("it is piped");
    let mut line = Line::new(title);
    let mut said = String::new();
    let mut pending = Vec::new();
    let mut chunk = [0u8; 4096];
    loop {
        let read = output.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        pending.extend_from_slice(&chunk[..read]);
        while let Some(end) = pending.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            let text: Vec<u8> = pending.drain(..=end).collect();
            let text = String::from_utf8_lossy(&text[..end]).into_owned();
            match understand(&text) {
                Said::Progress(state) => line.show(&state)?,
                Said::Nothing => {}
                Said::Text => {
                    said += &text;
                    said.push('\n');
                }
            }
        }
    }
    line.clear()?;
    let status = child.wait()?;
    if !status.success() {
        eprintln!("{}", said.trim_end());
    }
    Ok(status)
}

/// What a line of cargo's says.
#[derive(PartialEq, Eq, Debug)]
enum Said {
    /// How far it is.
    Progress(String),
    /// Nothing that a person needs.
    Nothing,
    /// A warning or an error.
    Text,
}

/// `12/345 name` from cargo's `Building [==>   ] 12/345: name, name`, and what comes before it builds.
fn understand(text: &str) -> Said {
    let text = text.trim_start_matches(['\u{1b}', '[', 'K', ' ']).trim_end();
    if let Some((_, rest)) = text.strip_prefix("Building [").and_then(|rest| rest.split_once("] ")) {
        let (count, names) = rest.split_once(':').unwrap_or((rest, ""));
        let name = names.trim().split([',', '(']).next().unwrap_or_default();
        return Said::Progress(format!("{count}  {name}"));
    }
    match text.split(' ').next().unwrap_or_default() {
        "" | "Adding" | "Compiling" | "Finished" | "Fresh" | "Downloaded" => Said::Nothing,
        "Updating" | "Downloading" | "Locking" | "Blocking" => Said::Progress(text.to_owned()),
        _ => Said::Text,
    }
}

/// A line of progress on standard error: written over where that is a terminal, else written anew now and then.
pub struct Line {
    title: String,
    start: Instant,
    last: Option<Instant>,
    terminal: bool,
}

impl Line {
    /// A line that starts with `title`; nothing is shown yet.
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            start: Instant::now(),
            last: None,
            terminal: io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none(),
        }
    }

    /// Shows how far it is. The first moments and changes in quick succession are left out.
    ///
    /// # Errors
    /// When standard error is gone.
    pub fn show(&mut self, state: &str) -> io::Result<()> {
        let period = if self.terminal { Duration::from_millis(100) } else { QUIET_PERIOD };
        let due = self.last.is_none_or(|last| last.elapsed() >= period);
        if self.start.elapsed() < SHORT || !due || state.is_empty() {
            return Ok(());
        }
        self.last = Some(Instant::now());
        let text = format!("{}  {state}  {} s", self.title, self.start.elapsed().as_secs());
        let text: String = text.chars().take(100).collect();
        let mut err = io::stderr().lock();
        if self.terminal {
            write!(err, "\r\x1b[2K{text}")?;
        } else {
            writeln!(err, "{text}")?;
        }
        err.flush()
    }

    /// Takes the line away.
    ///
    /// # Errors
    /// When standard error is gone.
    pub fn clear(&mut self) -> io::Result<()> {
        if self.terminal && self.last.take().is_some() {
            write!(io::stderr(), "\r\x1b[2K")?;
        }
        io::stderr().flush()
    }

    /// Shows a step at once, in place of what the line showed.
    ///
    /// # Errors
    /// When standard error is gone.
    pub fn step(&mut self, step: &str) -> io::Result<()> {
        let mut err = io::stderr().lock();
        if self.terminal {
            self.last = Some(Instant::now());
            write!(err, "\r\x1b[2K{step}")?;
        } else {
            writeln!(err, "{step}")?;
        }
        err.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_count_and_name() {
        let text = "    Building [====>     ] 12/345: tonic, prost(build)";
        assert_eq!(understand(text), Said::Progress("12/345  tonic".to_owned()));
        assert_eq!(understand("   Compiling tonic v0.14.9"), Said::Nothing);
    }

    #[test]
    fn an_error_is_kept() {
        assert_eq!(understand("error[E0425]: cannot find value"), Said::Text);
        assert_eq!(understand(" --> src/lib.rs:3:5"), Said::Text);
    }
}
