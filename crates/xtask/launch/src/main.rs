//! `cargo xtask`: builds the command program, then becomes it.

use std::{env, io, os::unix::process::CommandExt, process::Command};

fn main() -> io::Result<()> {
    let status = launch::build("building the commands", &["--package", "xtask"])?;
    if !status.success() {
        std::process::exit(1);
    }
    let program = env::current_exe()?.with_file_name("xtask");
    Err(Command::new(program).args(env::args_os().skip(1)).exec())
}
