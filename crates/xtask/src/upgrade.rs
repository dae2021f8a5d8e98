//! `upgrade`: a build of an older revision and this one, side by side over the same database and queues.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::{test, worktree::Worktree};

/// Tells the tests where the older programs stand.
const VARIABLE: &str = "SANDI_TEST_OLD_PROGRAMS";

/// From where.
#[derive(clap::Args)]
pub struct Options {
    /// The revision that is upgraded from, such as the tag of the last release.
    #[arg(long, value_name = "REVISION")]
    from: String,
}

/// Builds the older programs in a folder of their own, and runs the test of upgrades with them.
///
/// # Errors
/// When there is no such revision, or something cannot be built or started.
pub fn upgrade(options: &Options) -> Result<ExitCode> {
    let older = Worktree::of(&options.from, "upgrade")?;
    eprintln!("building {}", options.from);
    let build = ["build", "--workspace", "--bin", "identity", "--bin", "mailer", "--locked"];
    if !older.cargo().args(build).status()?.success() {
        bail!("{} does not build", options.from);
    }
    let tests =
        test::Options { words: vec!["faults::upgrade::".to_owned(), "--nocapture".to_owned()], keep_servers: false };
    test::some(&tests, &[(VARIABLE, older.target.join("debug"))])
}
