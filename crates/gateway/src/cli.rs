//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use runtime::manual::{Config, Manual};
use runtime::{Failure, Sources};

use crate::serve::{SERVICE, VERSION, serve};
use crate::settings::Settings;

const AFTER_HELP: &str = "\
Settings come from --config, then the environment (SANDI_GATEWAY__SECTION__KEY), then --set.
Secrets are paths to files. deploy/gateway.toml shows every setting.

Exit codes: 0 done, or drained after SIGTERM; 1 failed; 2 wrong usage; 78 wrong settings.

Examples:
  gateway check-config --config /etc/sandi/gateway.toml
  gateway serve --config /etc/sandi/gateway.toml --set listen=0.0.0.0:8443";

/// The web gateway of Sandi: pages on which people log in, reset and change passwords.
#[derive(Parser)]
#[command(name = "gateway", version, about, after_help = AFTER_HELP)]
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
    #[arg(long, global = true, value_name = "FILE", env = "SANDI_GATEWAY_CONFIG")]
    config: Option<PathBuf>,
    /// One setting, over file and environment; may be repeated.
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway until SIGTERM.
    #[command(after_help = "Example: gateway serve --config /etc/sandi/gateway.toml --set log.level=debug")]
    Serve,
    /// Read the settings and everything they point to, say what is wrong, and start nothing.
    #[command(after_help = "Example: gateway check-config --config /etc/sandi/gateway.toml")]
    CheckConfig,
    /// Ask the running gateway whether it is ready; for the health check of a container.
    #[command(after_help = "Example: gateway ready --config /etc/sandi/gateway.toml")]
    Ready,
    /// The settings.
    #[command(subcommand)]
    Config(Config),
    #[command(flatten)]
    Manual(Manual),
    /// Print the version.
    #[command(after_help = "Example: gateway version --json")]
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
        Command::Version { json } => return say(&version(*json)),
        Command::Manual(manual) => return Ok(manual.write(<Cli as clap::CommandFactory>::command())?),
        _ => {}
    }
    let sources = Sources { env_prefix: "SANDI_GATEWAY", file: cli.settings.config, set: cli.settings.set };
    let (settings, origins) = runtime::config::load_with_origins::<Settings>(&sources)?;
    match &cli.command {
        Command::Config(Config::Dump) => return say(&origins.dump(&settings)?),
        Command::Ready => {
            let answer = runtime::admin::ask_ready(settings.admin.listen);
            return say(&answer.map_err(|why| Failure::Failed(anyhow::anyhow!(why)))?);
        }
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if let Command::Serve = cli.command {
            let source = sources.file.as_ref().map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
            return serve(settings, &source).await;
        }
        settings.check()?;
        drop(runtime::telemetry::init(SERVICE, VERSION, &settings.log, &settings.telemetry)?);
        say("the settings are right")
    })
}

fn version(json: bool) -> String {
    if json {
        format!("{{\"service\":\"{SERVICE}\",\"version\":\"{VERSION}\",\"revision\":\"{}\"}}", runtime::REVISION)
    } else {
        format!("{SERVICE} {VERSION}")
    }
}

/// Writes to standard output; a reader that has gone away is no failure.
fn say(text: &str) -> Result<(), Failure> {
    use std::io::{ErrorKind, Write as _};
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
