//! `identity topology`.

use std::path::PathBuf;

use clap::Subcommand;
use messaging::Broker;
use messaging::topology::{Declares, apply, definitions};
use runtime::config::url_from;
use runtime::exit::Failure;

use super::say;
use crate::settings::Settings;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Declare what both programs need, as an operator; what is there already stays as it is.
    #[command(after_help = "Example: identity topology apply --url-file /etc/sandi/amqp-operator-url\n\n\
        For brokers on which the programs may not declare (amqp.declare = false). Users and policies\n\
        are not AMQP's: `export` writes them, `rabbitmqctl import_definitions` reads them.")]
    Apply {
        /// File with the operator's AMQP URL, vhost included; unset: amqp.url of the settings.
        #[arg(long, value_name = "FILE")]
        url_file: Option<PathBuf>,
    },
    /// Print definitions for RabbitMQ to import: vhost, users, rights, exchanges, queues, bindings, policies.
    #[command(after_help = "Example: identity topology export > definitions.json\n\n\
        The users have no passwords: `rabbitmqctl change_password` gives them some.")]
    Export {
        /// The virtual host.
        #[arg(long, default_value = "sandi")]
        vhost: String,
        /// With rights for programs that do not declare (amqp.declare = false).
        #[arg(long)]
        passive: bool,
    },
}

pub(super) async fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    match command {
        Command::Export { vhost, passive } => {
            let declares = if passive { Declares::Operator } else { Declares::Programs };
            say(definitions(&vhost, declares).trim_end());
        }
        Command::Apply { url_file } => {
            let (file, given) = match &url_file {
                Some(file) => (Some(file.as_path()), None),
                None => (settings.amqp.url_file.as_deref(), settings.amqp.url.as_ref()),
            };
            let url = url_from(file, given, "amqp.url")?;
            let broker =
                Broker::new(url, "sandi-topology").map_err(|error| Failure::Config(format!("amqp.url: {error}")))?;
            let broker = broker.trusting(settings.amqp.ca_file.as_deref());
            let broker = broker.map_err(|error| Failure::Config(format!("amqp.ca_file: {error}")))?;
            let done = apply(&broker).await.map_err(|error| Failure::Failed(anyhow::anyhow!(error.reason())))?;
            done.iter().for_each(|line| say(line));
        }
    }
    Ok(())
}
