//! The PostgreSQL and RabbitMQ that the tests share.

use std::{
    env,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testbed::{
    process,
    shared::{Shared, VARIABLE},
};

/// What whoever started the tests prepared.
///
/// # Panics
/// When nobody prepared it.
pub fn shared() -> &'static Shared {
    static SHARED: LazyLock<Shared> = LazyLock::new(|| {
        let Some(file) = env::var_os(VARIABLE) else {
            panic!(
                "these tests need servers: run them with `cargo xtask test`, or some of them with `cargo xtask test WORD`"
            );
        };
        raise_descriptors();
        let shared = Shared::read(Path::new(&file)).unwrap_or_else(|error| panic!("{VARIABLE}: {error:#}"));
        // Whoever started the tests ends what they leave behind when they are killed.
        process::keep_list(shared.directory.join(format!("{}.json", std::process::id())));
        shared
    });
    &SHARED
}

/// The file of a program of ours.
///
/// # Panics
/// When the tests were not started by `cargo xtask test`.
pub fn program(name: &str) -> PathBuf {
    shared().programs.join(name)
}

/// Tests with crowds of connections hold one end of each.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("a program may use what it is allowed");
}
