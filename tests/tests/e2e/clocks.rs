//! Worlds in which a program's clock is wrong (libfaketime). What measures how long something takes goes on by itself, as
//! on a machine whose time of day is set anew.

use std::path::Path;

use e2e::{Builder, World, world::Program};

/// A world in which the clock of one program is off by that much, such as `+1h`.
pub fn off(program: Program, by: &str) -> Builder {
    preloaded(program).environment_of(program, "FAKETIME", by)
}

/// A world in which the clock of one program is off by as many seconds as the file says, such as `+10`; read each second.
pub fn as_a_file_says(program: Program, file: &Path) -> Builder {
    preloaded(program).environment_of(program, "FAKETIME_TIMESTAMP_FILE", &file.display().to_string()).environment_of(
        program,
        "FAKETIME_CACHE_DURATION",
        "1",
    )
}

fn preloaded(program: Program) -> Builder {
    let library = std::env::var("SANDI_TEST_FAKETIME").expect("`cargo xtask test` says where libfaketime is");
    World::build().environment_of(program, "LD_PRELOAD", &library).environment_of(
        program,
        "FAKETIME_DONT_FAKE_MONOTONIC",
        "1",
    )
}
