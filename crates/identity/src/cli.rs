//! The command line.

mod directory;
mod doctor;
mod hasher;
mod keys;
mod migrate;
mod parked;
mod topology;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use runtime::config::Sources;
use runtime::exit::Failure;
use runtime::manual::{Config, Manual};

use crate::serve::{Parts, SERVICE, VERSION, serve};
use crate::settings::Settings;

const AFTER_HELP: &str = "\
Settings come from --config, then the environment (SANDI_IDENTITY__SECTION__KEY), then --set.
Secrets are paths to files. deploy/identity.toml shows every setting.

Exit codes: 0 done, or drained after SIGTERM; 1 failed; 2 wrong usage; 78 wrong settings.

Examples:
  identity keys generate --directory /etc/sandi/keys
  identity check-config --config /etc/sandi/identity.toml
  identity migrate --config /etc/sandi/identity.toml
  identity serve --config /etc/sandi/identity.toml --set grpc.listen=0.0.0.0:50051";

/// The identity service of Sandi: it owns passwords, checks them, changes them, and brings people back in.
#[derive(Parser)]
#[command(name = "identity", version, about, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Where settings come from.
#[derive(Args)]
struct SettingsArguments {
    /// Settings file (TOML).
    #[arg(long, global = true, value_name = "FILE", env = "SANDI_IDENTITY_CONFIG")]
    config: Option<PathBuf>,
    /// One setting, over file and environment; may be repeated.
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service: the gRPC port, the issuer, the relay and the feedback.
    #[command(after_help = "Example: identity serve --config /etc/sandi/identity.toml --set log.level=debug")]
    Serve,
    /// Bring the database to this version, as its owner, and lend the service's role what it needs.
    #[command(after_help = "Example: identity migrate --config /etc/sandi/identity.toml")]
    Migrate,
    /// Read the settings and everything they point to, say what is wrong, and start nothing.
    #[command(after_help = "Example: identity check-config --config /etc/sandi/identity.toml")]
    CheckConfig,
    /// Ask the running service whether it is ready; for the health check of a container.
    #[command(after_help = "Example: identity ready --config /etc/sandi/identity.toml")]
    Ready,
    /// Keys of the seal and of the digests.
    #[command(subcommand)]
    Keys(keys::Command),
    /// The hashing of passwords.
    #[command(subcommand)]
    Hasher(hasher::Command),
    /// The mailer's statuses that were put aside: why, and back into the queue with them, or away.
    #[command(subcommand, after_help = "Example: identity parked list --config /etc/sandi/identity.toml")]
    Parked(messaging::parked::desk::Command),
    /// Exchanges, queues, bindings and rights on the broker.
    #[command(subcommand)]
    Topology(topology::Command),
    /// Organisations, without the gRPC port.
    #[command(subcommand)]
    Organization(directory::OrganizationCommand),
    /// Users, without the gRPC port.
    #[command(subcommand)]
    User(directory::UserCommand),
    /// Try everything the service stands on: settings, keys, database, clock, hashing, broker and queues.
    #[command(after_help = "Example: identity doctor --config /etc/sandi/identity.toml")]
    Doctor,
    /// The settings.
    #[command(subcommand)]
    Config(Config),
    #[command(flatten)]
    Manual(Manual),
    /// Print the version.
    #[command(after_help = "Example: identity version --json")]
    Version {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Does what the command line says.
///
/// # Errors
/// What went wrong, with its exit code.
pub fn run(cli: Cli) -> Result<(), Failure> {
    runtime::install_crypto();
    match &cli.command {
        Command::Version { json } => {
            say(&version(*json));
            return Ok(());
        }
        Command::Manual(manual) => return Ok(manual.write(<Cli as clap::CommandFactory>::command())?),
        _ => {}
    }
    let sources =
        Sources { env_prefix: "SANDI_IDENTITY", file: cli.settings.config.clone(), set: cli.settings.set.clone() };
    let (settings, origins) = runtime::config::load_with_origins::<Settings>(&sources)?;
    if let Command::Config(Config::Dump) = cli.command {
        say(origins.dump(&settings)?.trim_end());
        return Ok(());
    }
    if matches!(cli.command, Command::Ready) {
        let answer = runtime::admin::ask_ready(settings.admin.listen);
        return answer.map(|text| say(text.trim_end())).map_err(|why| Failure::Failed(anyhow::anyhow!(why)));
    }
    if let Command::Keys(command) = cli.command {
        return keys::run(&command, &settings);
    }
    if let Command::Hasher(command) = &cli.command {
        hasher::run(command, &settings);
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve => {
                check(&settings)?;
                let source =
                    sources.file.as_ref().map_or("defaults and environment".into(), |path| path.display().to_string());
                serve(settings, &source).await.map_err(configuration)
            }
            Command::CheckConfig => {
                check(&settings)?;
                drop(runtime::telemetry::init(SERVICE, VERSION, &settings.log, &settings.telemetry)?);
                Parts::assemble(settings).map_err(|error| Failure::Config(format!("{error:#}")))?;
                say("the settings are good");
                Ok(())
            }
            Command::Migrate => migrate::run(&settings).await,
            Command::Doctor => {
                check(&settings)?;
                doctor::run(settings).await
            }
            Command::Keys(_)
            | Command::Hasher(_)
            | Command::Ready
            | Command::Config(_)
            | Command::Manual(_)
            | Command::Version { .. } => Ok(()),
            Command::Parked(command) => {
                let (text, end) = parked::run(&command, &settings).await?;
                say(text.trim_end());
                end
            }
            Command::Topology(command) => topology::run(command, &settings).await,
            Command::Organization(command) => directory::organization(command, settings).await,
            Command::User(command) => directory::user(command, settings).await,
        }
    })
}

fn version(json: bool) -> String {
    if json {
        format!("{{\"service\":\"{SERVICE}\",\"version\":\"{VERSION}\",\"revision\":\"{}\"}}", runtime::REVISION)
    } else {
        format!("{SERVICE} {VERSION}")
    }
}

/// Refuses settings that cannot be meant.
fn check(settings: &Settings) -> Result<(), Failure> {
    let mistakes = settings.mistakes();
    if mistakes.is_empty() { Ok(()) } else { Err(Failure::Config(mistakes.join("; "))) }
}

/// What names a setting is a matter of the configuration.
fn configuration(error: anyhow::Error) -> Failure {
    let text = format!("{error:#}");
    let sections = ["database", "amqp", "keys", "callers", "actors", "grpc", "admin", "passwords", "telemetry", "log"];
    let names_setting = sections.iter().any(|section| text.starts_with(&format!("{section}.")));
    if names_setting && !text.contains("cannot listen") { Failure::Config(text) } else { Failure::Failed(error) }
}

/// Writes the answer of a command to standard output; a reader that has gone away is no failure.
fn say(text: &str) {
    use std::io::{ErrorKind, Write as _};
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("standard output: {error}"),
        _ => {}
    }
}
