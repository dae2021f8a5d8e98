//! The program `mailer`.

use std::process::ExitCode;

use clap::Parser as _;
use mailer::cli::{Cli, run, usage_code};

/// Several threads allocate at once, and in small pieces: the allocator of the C library took 5 to 8 % of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => runtime::exit::run(|| run(cli)),
        Err(error) => {
            // A reader that has gone away is no failure.
            let _ = error.print();
            ExitCode::from(usage_code(&error, std::env::args_os()))
        }
    }
}
