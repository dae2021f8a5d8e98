//! `identity keys`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use messaging::keys::{Role, generate};
use runtime::exit::Failure;
use runtime::random::{Random as _, SystemRandom};

use super::say;
use crate::digest::DigestKey;
use crate::settings::Settings;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a key pair of the seal; for the identity service also digest.key, if there is none.
    #[command(after_help = "Example: identity keys generate --role mailer --directory /etc/sandi/mailer-keys\n\n\
        The .key file stays where it was made. The .pub file is copied to the other program's folder.")]
    Generate {
        /// Whose key pair.
        #[arg(long, value_enum, default_value_t = Owner::Identity)]
        role: Owner,
        /// Where to; unset: keys.directory of the settings.
        #[arg(long, value_name = "DIR")]
        directory: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Owner {
    Identity,
    Mailer,
}

pub(super) fn run(command: &Command, settings: &Settings) -> Result<(), Failure> {
    let Command::Generate { role, directory } = command;
    let directory = directory.as_ref().unwrap_or(&settings.keys.directory);
    if directory.as_os_str().is_empty() {
        return Err(Failure::Config("keys.directory: must be set, or --directory given".into()));
    }
    let (role, is_identity) = match role {
        Owner::Identity => (Role::Identity, true),
        Owner::Mailer => (Role::Mailer, false),
    };
    let fill = |bytes: &mut [u8]| SystemRandom.fill(bytes);
    let id = generate(directory, role, &fill).map_err(|error| Failure::Failed(error.into()))?;
    say(&format!("{}-{id}.key and .pub are in {}", role.prefix(), directory.display()));
    if is_identity && DigestKey::generate(directory, &fill)? {
        say("digest.key is there too; copy it to every replica");
    }
    Ok(())
}
