//! `identity keys`.

mod list;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use messaging::keys::{self, KeysError, RETIRED_LIFE, Role, generate, inventory};
use runtime::clock::{Clock as _, SystemClock};
use runtime::exit::Failure;
use runtime::random::{Random as _, SystemRandom};

use super::say;
use crate::digest::DigestKey;
use crate::settings::Settings;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a key pair of the seal; for the identity service also digest.key, if there is none.
    #[command(after_help = "Example: identity keys generate --role mailer --directory /etc/sandi/mailer-keys\n\n\
        The .key file stays where it was made. The .pub file is copied to the other program's folder.\n\
        A pair beside older ones opens at once, and seals when those are retired.")]
    Generate {
        /// Whose key pair.
        #[arg(long, value_enum, default_value_t = Owner::Identity)]
        role: Owner,
        #[command(flatten)]
        place: Place,
    },
    /// Show the keys of a folder: whose they are, which seals, which only open, and how old they are.
    #[command(after_help = "Example: identity keys list --directory /etc/sandi/keys --json")]
    List {
        /// As JSON, one array.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Take a key out of use: nothing is sealed with it, or to it, any more; what was sealed before still opens.
    #[command(after_help = "Example: identity keys retire 0f1e2d3c4b5a6978 --directory /etc/sandi/keys\n\n\
        In identity's folder, where keys seal, both for its own pairs and for the mailer's. Running programs\n\
        read their keys again within 5 seconds, or at SIGHUP. The last key of a role is not retired.")]
    Retire {
        /// The key's id, as `list` shows it.
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args)]
pub(super) struct Place {
    /// The folder; unset: keys.directory of the settings.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Owner {
    Identity,
    Mailer,
}

pub(super) fn run(command: &Command, settings: &Settings) -> Result<(), Failure> {
    let (Command::Generate { place, .. } | Command::List { place, .. } | Command::Retire { place, .. }) = command;
    let directory = place.directory.as_ref().unwrap_or(&settings.keys.directory);
    if directory.as_os_str().is_empty() {
        return Err(Failure::Config("keys.directory: must be set, or --directory given".into()));
    }
    match command {
        Command::Generate { role, .. } => make(*role, directory),
        Command::List { json, .. } => {
            let keys = inventory(directory).map_err(failed)?;
            say(&if *json { list::json(&keys) } else { list::table(&keys, SystemClock.now()) });
            Ok(())
        }
        Command::Retire { id, .. } => retire(id, directory),
    }
}

fn make(role: Owner, directory: &Path) -> Result<(), Failure> {
    let (role, is_identity) = match role {
        Owner::Identity => (Role::Identity, true),
        Owner::Mailer => (Role::Mailer, false),
    };
    let fill = |bytes: &mut [u8]| SystemRandom.fill(bytes);
    let id = generate(directory, role, SystemClock.now(), &fill).map_err(failed)?;
    say(&format!("{}-{id}.key and .pub are in {}", role.prefix(), directory.display()));
    if is_identity && DigestKey::generate(directory, &fill)? {
        say("digest.key is there too; copy it to every replica");
    }
    Ok(())
}

fn retire(id: &str, directory: &Path) -> Result<(), Failure> {
    let retired = keys::retire(directory, id, SystemClock.now()).map_err(failed)?;
    let (since, until) = (list::moment(retired.since), list::moment(retired.since + RETIRED_LIFE));
    say(&format!("{}-{id} is retired since {since}: it seals no more", retired.role));
    say(&format!("its files must stay on both sides until {until}, for what was sealed before"));
    Ok(())
}

fn failed(error: KeysError) -> Failure {
    Failure::Failed(error.into())
}
