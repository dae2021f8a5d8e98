//! Files with secrets in them.

use std::{fs::File, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use anyhow::{Context, Result};

/// Writes a file that only its owner can read.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(file: &Path, text: &str) -> Result<()> {
    let mut options = File::options();
    options.create(true).write(true).truncate(true).mode(0o600);
    let mut open = options.open(file).with_context(|| format!("cannot write {}", file.display()))?;
    open.write_all(text.as_bytes())?;
    Ok(())
}
