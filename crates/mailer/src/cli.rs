//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use runtime::manual::{Config, Manual};
use runtime::{Failure, Sources};

use crate::serve::{VERSION, serve, telemetry_failure};
use crate::settings::Settings;

mod bounce;
mod doctor;
mod parked;
mod preview;
mod send_test;

const AFTER_HELP: &str = "\
Settings come from --config, then the environment (SANDI_MAILER__SECTION__KEY), then --set.
Secrets are paths to files. deploy/mailer.toml shows every setting.

Exit codes: 0 done, or drained after SIGTERM; 1 failed; 2 wrong usage; 65 wrong input;
75 try again later; 78 wrong settings.

Examples:
  mailer serve --config /etc/sandi/mailer.toml --set smtp.relays.0.connections=8
  mailer check-config --config /etc/sandi/mailer.toml
  mailer preview --kind reset --locale id --format html > reset.html
  mailer parked list --config /etc/sandi/mailer.toml";

/// The mailer of Sandi: it opens sealed mail events, renders them and hands them to a mail server.
#[derive(Parser)]
#[command(name = "mailer", version, about, after_long_help = AFTER_HELP, after_help = AFTER_HELP)]
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
    #[arg(long, global = true, value_name = "FILE", env = "SANDI_MAILER_CONFIG")]
    config: Option<PathBuf>,
    /// One setting, over file and environment; may be repeated.
    #[arg(long, global = true, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the mailer: take mails from the broker until SIGTERM.
    #[command(after_help = "Example: mailer serve --config /etc/sandi/mailer.toml --set log.level=debug")]
    Serve,
    /// Read the settings and everything they point to, say what is wrong, and start nothing.
    #[command(after_help = "Example: mailer check-config --config /etc/sandi/mailer.toml")]
    CheckConfig,
    /// Ask the running mailer whether it is ready; for the health check of a container.
    #[command(after_help = "Example: mailer ready --config /etc/sandi/mailer.toml")]
    Ready,
    /// Write a mail of made-up people to standard output, or all of them into a directory. Needs no settings.
    #[command(after_help = "\
Examples:
  mailer preview --kind reset --locale en --format text
  mailer preview --all --directory previews")]
    Preview(preview::Preview),
    /// The messages that were put aside: why; have their mails asked for again, or throw them away.
    #[command(subcommand, after_help = "Example: mailer parked list --config /etc/sandi/mailer.toml")]
    Parked(messaging::parked::desk::Command),
    /// Take in a mail that tells of a bounce (RFC 3464), from a file or a mail server's pipe.
    #[command(after_help = "Example: mailer bounce --config /etc/sandi/mailer.toml < bounce.eml\n\n\
        Exit codes are those of sysexits.h: 65 not a notification of ours; 75 whatever is amiss on our side, wrong \
        settings and usage too, so that the mail server keeps the mail and tries again.")]
    Bounce(bounce::Bounce),
    /// Send a made-up mail the way that the real ones go, and say how far it came.
    #[command(after_help = "Example: mailer send-test me@example.com --config /etc/sandi/mailer.toml")]
    SendTest(send_test::SendTest),
    /// Look at everything the mailer needs, and say what to do. Sends no mail unless asked.
    #[command(after_help = "Example: mailer doctor --config /etc/sandi/mailer.toml --send-test me@example.com")]
    Doctor(doctor::Doctor),
    /// The settings.
    #[command(subcommand)]
    Config(Config),
    #[command(flatten)]
    Manual(Manual),
    /// Print the version.
    #[command(after_help = "Example: mailer version --json")]
    Version {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// The exit code of a command line that is not understood, or that asks for help. A mail server that pipes a bounce is
/// to keep it when the words beside that one are wrong.
pub fn usage_code(error: &clap::Error, mut words: impl Iterator<Item = std::ffi::OsString>) -> u8 {
    match error.exit_code() {
        0 => 0,
        _ if words.any(|word| word == "bounce") => runtime::exit::TEMPORARY,
        _ => runtime::exit::USAGE,
    }
}

/// Does what the command line says.
///
/// # Errors
/// What went wrong, with its exit code.
pub fn run(cli: Cli) -> Result<(), Failure> {
    runtime::install_crypto();
    match &cli.command {
        Command::Version { json } => return print(&version(*json)),
        Command::Preview(preview) => return print(&preview.run()?),
        Command::Manual(manual) => return Ok(manual.write(<Cli as clap::CommandFactory>::command())?),
        _ => {}
    }
    let sources = cli.settings.sources();
    let loaded = runtime::config::load_with_origins::<Settings>(&sources).map_err(Failure::from);
    // Whoever pipes a bounce here keeps it only if this is said to pass.
    let passing = |failure| if matches!(cli.command, Command::Bounce(_)) { bounce::passing(failure) } else { failure };
    let (settings, origins) = loaded.map_err(passing)?;
    if let Command::Config(Config::Dump) = cli.command {
        return print(&origins.dump(&settings)?);
    }
    if matches!(cli.command, Command::Ready) {
        let answer = runtime::admin::ask_ready(settings.admin.listen);
        return answer.map_err(|why| Failure::Failed(anyhow::anyhow!(why))).and_then(|text| print(&text));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| passing(error.into()))?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve => serve(settings, &origin(&sources)).await,
            Command::CheckConfig => check_config(&settings).await,
            Command::Parked(command) => tell(parked::run(&command, &settings).await?),
            Command::SendTest(command) => tell(send_test::run(&command, &settings).await?),
            Command::Doctor(command) => tell(doctor::run(&command, &settings).await?),
            Command::Bounce(command) => print(&bounce::run(&command, &settings).await?),
            Command::Preview(_)
            | Command::Ready
            | Command::Config(_)
            | Command::Manual(_)
            | Command::Version { .. } => Ok(()),
        }
    })
}

impl SettingsArguments {
    fn sources(&self) -> Sources {
        Sources { env_prefix: "SANDI_MAILER", file: self.config.clone(), set: self.set.clone() }
    }
}

/// Everything that `serve` looks at before it starts.
async fn check_config(settings: &Settings) -> Result<(), Failure> {
    settings.check()?;
    let telemetry =
        runtime::telemetry::init("mailer", VERSION, &settings.log, &settings.telemetry).map_err(telemetry_failure)?;
    drop(telemetry);
    print("the settings are right\n")
}

fn origin(sources: &Sources) -> String {
    let mut origin = match &sources.file {
        Some(path) => path.display().to_string(),
        None => "no file".to_owned(),
    };
    if !sources.set.is_empty() {
        origin.push_str(", --set");
    }
    origin
}

fn version(json: bool) -> String {
    if json {
        format!("{{\"service\":\"mailer\",\"version\":\"{VERSION}\",\"revision\":\"{}\"}}\n", runtime::REVISION)
    } else {
        format!("mailer {VERSION}\n")
    }
}

/// What a command found, and whether that is good.
type Told = (String, Result<(), Failure>);

fn tell((found, end): Told) -> Result<(), Failure> {
    print(&found)?;
    end
}

/// Writes to standard output; a reader that has gone away is no failure.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
