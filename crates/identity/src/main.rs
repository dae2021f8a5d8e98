//! The program `identity`.

use std::process::ExitCode;

use clap::Parser as _;
use identity::cli::{Cli, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    runtime::exit::run(|| run(cli))
}
