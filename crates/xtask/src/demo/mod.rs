//! `demo`: the journeys of the CRM's help page, each call shown as the `buf curl` line that does the same.

mod call;
mod journeys;
mod mails;
mod passwords;

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use testbed::process;

use crate::{
    language::Language,
    shell::Environment,
    up::{ADMIN, ENVIRONMENT, LIST, USER},
};
use call::Client;
use mails::Mails;
use passwords::Passwords;

/// Which journey.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    journey: Journey,
    /// The person's language: for the mail, and for what is printed here.
    #[arg(long, global = true)]
    locale: Option<Language>,
}

#[derive(Subcommand)]
enum Journey {
    /// Forgot password: asks for a link by username, and waits for the mail.
    Request {
        #[arg(default_value = USER)]
        name: String,
    },
    /// Opens the newest link and sets a new password; asks for a link first if there is none.
    Complete {
        #[arg(default_value = USER)]
        name: String,
    },
    /// Logs in.
    Login {
        #[arg(default_value = USER)]
        name: String,
    },
    /// Account settings: current password, new password, confirmation.
    Change {
        #[arg(default_value = USER)]
        name: String,
    },
    /// The admin's list of the organisation's users, page by page.
    Users,
    /// The admin presses Reset Password beside a user.
    ResetUser {
        #[arg(default_value = USER)]
        name: String,
    },
    /// A forgotten username: asks by address; the mail names every account on it.
    ForgotUsername {
        /// An address, or the username whose address to use.
        #[arg(default_value = USER)]
        address: String,
    },
    /// Support's answer to "the mail never came".
    Why {
        #[arg(default_value = USER)]
        name: String,
    },
}

/// What a journey needs.
struct Demo {
    client: Client,
    mails: Mails,
    passwords: Passwords,
    environment: Environment,
    /// As given with `--locale`.
    locale: Option<Language>,
    language: Language,
}

/// Acts a journey out; success means that its effect was seen.
#[tokio::main(flavor = "current_thread")]
pub async fn demo(directory: &Path, arguments: &Arguments) -> Result<ExitCode> {
    let running = process::read_list(&directory.join(LIST));
    if !running.iter().any(process::Record::is_running) {
        bail!("Sandi does not run; start it with `cargo xtask up`, here or in another terminal");
    }
    let environment = Environment::read(&directory.join(ENVIRONMENT)).context("Sandi is still starting")?;
    let demo = Demo {
        client: Client::new(&environment)?,
        mails: Mails::new(&environment)?,
        passwords: Passwords::new(directory),
        locale: arguments.locale,
        language: arguments.locale.unwrap_or_else(Language::of_environment),
        environment,
    };
    let seen = match &arguments.journey {
        Journey::Request { name } => demo.request(name).await,
        Journey::Complete { name } => demo.complete(name).await,
        Journey::Login { name } => demo.login(name).await,
        Journey::Change { name } => demo.change(name).await,
        Journey::Users => demo.users(ADMIN).await,
        Journey::ResetUser { name } => demo.reset_user(name).await,
        Journey::ForgotUsername { address } => demo.forgot_username(address).await,
        Journey::Why { name } => demo.why(name).await,
    }?;
    Ok(if seen { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lets the links of a kept organisation lead to where the pages are now.
#[tokio::main(flavor = "current_thread")]
pub async fn move_links(environment: &Environment) -> Result<()> {
    let organization = serde_json::json!({
        "organizationId": environment.get("SANDI_DEMO_ORGANIZATION_ID")?,
        "linkBase": environment.get("SANDI_GATEWAY_URL")?,
    });
    let request = serde_json::json!({ "organization": organization, "updateMask": "linkBase" });
    let client = Client::new(environment)?;
    client.quietly(call::Caller::Crm, "DirectoryService/UpdateOrganization", request).await?.ok()?;
    Ok(())
}

impl Demo {
    /// Says something to the person, in her language.
    #[expect(clippy::print_stdout, reason = "a person reads it")]
    fn say(&self, id: impl std::fmt::Display, en: impl std::fmt::Display) {
        match self.language {
            Language::Id => println!("  {id}"),
            Language::En => println!("  {en}"),
        }
    }
}
