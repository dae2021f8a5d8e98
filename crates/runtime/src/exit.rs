//! Exit codes, and the one line a failed program leaves behind.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done, or drained after SIGTERM |
//! | 1 | failed |
//! | 2 | wrong usage (clap's own) |
//! | 65 | wrong input (`EX_DATAERR` of sysexits.h) |
//! | 75 | try again later (`EX_TEMPFAIL`) |
//! | 78 | wrong configuration (`EX_CONFIG`) |

use std::path::Path;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::telemetry::TelemetryError;

/// The program failed.
pub const FAILED: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// What the program was given to read is wrong.
pub const DATA: u8 = 65;
/// It may go well later.
pub const TEMPORARY: u8 = 75;
/// The configuration is wrong.
pub const CONFIG: u8 = 78;

/// Why a program ends with another code than 0.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A setting is wrong or missing: exit code 78.
    #[error("{0}")]
    Config(String),
    /// What was given to read is wrong: exit code 65.
    #[error("{0}")]
    Data(String),
    /// Something is away that will come back: exit code 75.
    #[error("{0:#}")]
    Temporary(anyhow::Error),
    /// Anything else: exit code 1.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Config(_) => CONFIG,
            Self::Data(_) => DATA,
            Self::Temporary(_) => TEMPORARY,
            Self::Failed(_) => FAILED,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Config(error.to_string())
    }
}

/// A [`ConfigError`] anywhere in the chain makes it a failure of the configuration.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast_ref::<ConfigError>() {
            Some(_) => Self::Config(format!("{error:#}")),
            None => Self::Failed(error),
        }
    }
}

impl From<TelemetryError> for Failure {
    fn from(error: TelemetryError) -> Self {
        match error {
            TelemetryError::Config(error) => error.into(),
            other => Self::Failed(other.into()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs a program to its end: `identity: cannot reach …` on one line of standard error when it
/// fails, and the exit code of the table above.
pub fn run(main: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    // Before anything secret is read.
    let outcome = crate::process::forbid_dumps().map_err(Failure::from).and_then(|()| main());
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}: {}", program(), one_line(&failure.to_string()));
            ExitCode::from(failure.code())
        }
    }
}

fn program() -> String {
    std::env::args_os()
        .next()
        .and_then(|path| Some(Path::new(&path).file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "sandi".into())
}

fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_wrong_setting_ends_with_78_wherever_it_stands_in_the_chain() {
        let wrong = ConfigError::invalid("grpc.listen", "not an address");
        let failure = Failure::from(anyhow::Error::new(wrong).context("cannot start"));
        assert_eq!(failure.code(), 78);
        assert_eq!(failure.to_string(), "cannot start: grpc.listen: not an address");
    }

    #[test]
    fn another_failure_ends_with_1_and_tells_its_causes() {
        let error = Err::<(), _>(std::io::Error::other("refused")).context("cannot connect");
        let failure = Failure::from(error.unwrap_err());
        assert_eq!(failure.code(), 1);
        assert_eq!(failure.to_string(), "cannot connect: refused");
    }

    #[test]
    fn a_failure_is_told_in_one_line() {
        assert_eq!(one_line("first\n  second\r\n\n"), "first second");
    }
}
