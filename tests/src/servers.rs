//! The PostgreSQL and RabbitMQ that the tests share.

use std::{
    env,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use testbed::{
    process,
    shared::{Shared, VARIABLE},
};

/// What whoever started the tests prepared.
pub(crate) fn shared() -> &'static Shared {
    static SHARED: LazyLock<Shared> = LazyLock::new(|| {
        let Some(file) = env::var_os(VARIABLE) else {
            panic!(
                "these tests need servers: run them with `cargo xtask test`, or some of them with `cargo xtask test WORD`"
            );
        };
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
