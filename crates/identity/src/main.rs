//! The program `identity`.

use std::process::ExitCode;

use clap::Parser as _;
use identity::cli::{Cli, run};

/// Several threads allocate at once, and in small pieces: the allocator of the C library took 5 to 8 % of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    runtime::exit::run(|| run(cli))
}
