//! `generate`: the files that are made from others, so that they cannot go stale.

mod alerts;
mod api;
mod samples;
mod settings;

use std::{fs, process::ExitCode};

use anyhow::{Context, Result};

use crate::{place, test::tools};

/// What to do with them.
#[derive(clap::Args)]
pub struct Options {
    /// Write nothing; fail when a file is not as it should be.
    #[arg(long)]
    check: bool,
    /// Take the contract of now for the one of the last release, to which later changes are held.
    #[arg(long, conflicts_with = "check")]
    released: bool,
}

/// A file and what must stand in it.
struct Made {
    path: &'static str,
    text: String,
}

/// Writes them all, or says which are stale.
///
/// # Errors
/// A source cannot be read, or a file not be written.
pub fn generate(options: &Options) -> Result<ExitCode> {
    if options.released {
        tools::keep_contract()?;
    }
    let stale = stale()?;
    if stale.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for made in &stale {
        if options.check {
            eprintln!("{} is stale: cargo xtask generate", made.path);
        } else {
            let path = place::top().join(made.path);
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            fs::write(path, &made.text).with_context(|| made.path.to_owned())?;
            eprintln!("{} is made anew", made.path);
        }
    }
    Ok(if options.check { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn stale() -> Result<Vec<Made>> {
    let mut made = vec![alerts::for_the_operator()?, api::page()?, settings::page()?];
    made.extend(settings::schemas()?);
    made.retain(|made| fs::read_to_string(place::top().join(made.path)).ok().as_ref() != Some(&made.text));
    Ok(made)
}

/// A file of the checkout.
fn read(path: &str) -> Result<String> {
    fs::read_to_string(place::top().join(path)).with_context(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_file_that_is_made_from_others_is_stale() {
        let stale: Vec<&str> = super::stale().unwrap().iter().map(|made| made.path).collect();
        assert!(stale.is_empty(), "cargo xtask generate, for {stale:?}");
    }
}
