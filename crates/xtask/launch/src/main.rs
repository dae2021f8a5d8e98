//! `cargo xtask`: builds the workspace, then becomes the command program.
//!
//! All of it at once, because cargo compiles a library anew for each set of packages whose features it has to join.

use std::{env, io, os::unix::process::CommandExt, process::Command};

fn main() -> io::Result<()> {
    let program = env::current_exe()?.with_file_name("xtask");
    let status = launch::build("building", &["--workspace"])?;
    if !status.success() {
        // What runs can still be looked at and stopped while the sources are being worked on.
        let command = env::args().nth(1).unwrap_or_default();
        if !matches!(command.as_str(), "demo" | "down") || !program.exists() {
            std::process::exit(1);
        }
    }
    Err(Command::new(program).args(env::args_os().skip(1)).exec())
}
