//! Completions for shells and manual pages, made from the command line itself: commands of every program.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Command, Subcommand};
use clap_complete::Shell;

/// The commands.
#[derive(Subcommand)]
pub enum Manual {
    /// Print completions for a shell.
    #[command(after_help = "Example, with identity, mailer or gateway for PROGRAM: \
        PROGRAM completions bash > /etc/bash_completion.d/PROGRAM")]
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Write manual pages, one for each command.
    #[command(
        after_help = "Example, with identity, mailer or gateway for PROGRAM: PROGRAM man --directory /usr/local/share/man/man1"
    )]
    Man {
        /// A folder that exists.
        #[arg(long, value_name = "DIR")]
        directory: PathBuf,
    },
}

impl Manual {
    /// Writes what was asked for about `command`.
    ///
    /// # Errors
    /// A page cannot be written.
    pub fn write(&self, mut command: Command) -> io::Result<()> {
        match self {
            Self::Completions { shell } => {
                let name = command.get_name().to_owned();
                let mut text = Vec::new();
                clap_complete::generate(*shell, &mut command, name, &mut text);
                match io::stdout().write_all(&text) {
                    // A reader that has gone away is no failure.
                    Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
                    _ => Ok(()),
                }
            }
            Self::Man { directory } => clap_mangen::generate_to(command, directory),
        }
    }
}

/// What can be asked about the settings.
#[derive(Subcommand)]
pub enum Config {
    /// Print the settings in force, and where each came from. Secrets are masked.
    #[command(
        after_help = "Example, with identity, mailer or gateway for PROGRAM: PROGRAM config dump --config /etc/sandi/PROGRAM.toml"
    )]
    Dump,
}
