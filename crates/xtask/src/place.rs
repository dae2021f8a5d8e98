//! Where things stand in the checkout.

use std::path::{Path, PathBuf};

/// The checkout's top directory.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").components().fold(PathBuf::new(), |path, part| match part {
        std::path::Component::ParentDir => path.parent().map(Path::to_owned).unwrap_or_default(),
        part => path.join(part),
    })
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    // TARGET/debug/xtask
    program.ancestors().nth(2).map_or_else(|| top().join("target"), Path::to_owned)
}

/// Where the programs are built.
pub fn programs() -> PathBuf {
    target().join("debug")
}

/// Where `up` keeps its data.
pub fn up() -> PathBuf {
    target().join("up")
}

/// Where `test` keeps its servers' data.
pub fn test() -> PathBuf {
    target().join("test")
}

/// Where tools from package registries are installed.
pub fn tools() -> PathBuf {
    target().join("tools")
}

/// The path as a person would type it at the top of the checkout.
pub fn short(path: &Path) -> String {
    path.strip_prefix(top()).unwrap_or(path).display().to_string()
}
