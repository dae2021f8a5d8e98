//! The program `mailer`.

use std::process::ExitCode;

use clap::Parser as _;
use mailer::cli::{Cli, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    runtime::exit::run(|| run(cli))
}
