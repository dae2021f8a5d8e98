//! The program `gateway`.

use std::process::ExitCode;

use clap::Parser as _;
use gateway::cli::{Cli, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    runtime::exit::run(|| run(cli))
}
