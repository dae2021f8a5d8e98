//! The program `identity`.

use std::process::ExitCode;

use clap::Parser as _;
use identity::cli::{Cli, run};

/// Several threads allocate at once, and in small pieces: the one of the C library took a tenth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    runtime::exit::run(|| run(cli))
}
