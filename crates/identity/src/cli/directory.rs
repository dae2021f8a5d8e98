//! `identity organization` and `identity user`: the same operations as over gRPC, as the system of record.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use messaging::keys::{KeyRing, Role as KeyRole};
use runtime::exit::Failure;
use runtime::trace::TraceContext;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::say;
use crate::domain::link_base::LinkBase;
use crate::domain::locale::Locale;
use crate::domain::names::{
    DisplayName, OrganizationName, SenderName, Slug, SupportContact, parse_optional_address, parse_reply_to,
};
use crate::domain::password::PasswordPolicy;
use crate::domain::states::{Role, UserState};
use crate::domain::time_zone::TimeZone;
use crate::domain::username::Username;
use crate::domain::violation::Problem;
use crate::hasher::Patience;
use crate::ops::call::{Caller, Requester, Scope};
use crate::ops::create_organization::{CreateOrganization, create_organization};
use crate::ops::create_user::{CreateUser, create_user};
use crate::ops::credentials::NewPassword;
use crate::ops::get_organization::{OrganizationKey, get_organization};
use crate::ops::get_user::{UserKey, get_user};
use crate::ops::{Call, Error};
use crate::serve::service;
use crate::service::Service;
use crate::settings::Settings;
use crate::store::organizations::{self, Organization};
use crate::store::users;

/// How long a command waits for the database and the hash.
const PATIENCE: Duration = Duration::from_secs(30);
/// Users read at one time by `user list`.
const PAGE: i64 = 500;

#[derive(Subcommand)]
pub(super) enum OrganizationCommand {
    /// Add an organisation and print its id.
    #[command(after_help = "Example: identity organization create --slug kopi --display-name 'Kopi Nusantara' \
        --link-base https://crm.example/kopi")]
    Create(Box<NewOrganization>),
    /// List organisations.
    #[command(after_help = "Example: identity organization list --config /etc/sandi/identity.toml")]
    List,
}

#[derive(Args)]
pub(super) struct NewOrganization {
    /// Short name: lower-case letters, digits, hyphens.
    #[arg(long)]
    slug: String,
    /// Name shown to people.
    #[arg(long)]
    display_name: String,
    /// What links begin with; https.
    #[arg(long, value_name = "URL")]
    link_base: String,
    /// Language of its mails: id or en.
    #[arg(long, default_value = "id")]
    locale: String,
    /// IANA time zone.
    #[arg(long, default_value = "Asia/Jakarta")]
    time_zone: String,
    /// Where people find help.
    #[arg(long, default_value = "")]
    support_contact: String,
    /// Display name of the sender of mails.
    #[arg(long, default_value = "")]
    sender_name: String,
    /// Reply-To of mails.
    #[arg(long, default_value = "")]
    reply_to: String,
    /// Least length of new passwords in characters, 8 or more.
    #[arg(long, default_value_t = 15)]
    min_length: u32,
}

#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Add a user and print the id.
    #[command(after_help = "Example: identity user create --organization kopi --username budi \
        --email budi@kopi.example --password-file - < password.txt")]
    Create(Box<NewUser>),
    /// List an organisation's users.
    #[command(after_help = "Example: identity user list --organization kopi")]
    List {
        /// Slug of the organisation.
        #[arg(long)]
        organization: String,
    },
    /// Show one user.
    #[command(after_help = "Example: identity user show budi")]
    Show {
        /// The username.
        username: String,
    },
}

#[derive(Args)]
pub(super) struct NewUser {
    /// Slug of the organisation.
    #[arg(long)]
    organization: String,
    /// Username, unique across the instance.
    #[arg(long)]
    username: String,
    /// Where links go.
    #[arg(long, default_value = "")]
    email: String,
    /// Name shown to people.
    #[arg(long, default_value = "")]
    display_name: String,
    /// Rank.
    #[arg(long, value_enum, default_value_t = Rank::Member)]
    role: Rank,
    /// The user's own language: id or en.
    #[arg(long, default_value = "")]
    locale: String,
    /// File with the first password; `-`: standard input. Without it the first link sets one.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Mail an invitation.
    #[arg(long)]
    invite: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Rank {
    Member,
    Admin,
    Owner,
}

pub(super) async fn organization(command: OrganizationCommand, settings: Settings) -> Result<(), Failure> {
    let service = assemble(settings)?;
    match command {
        OrganizationCommand::Create(new) => {
            let organization = read_organization(&new, &service)?;
            let command = CreateOrganization { organization, idempotency_key: None };
            let created = create_organization(&service, &call("CreateOrganization"), command).await.map_err(failure)?;
            say(&created.organization_id.to_string());
        }
        OrganizationCommand::List => {
            let mut connection = service.store.connection().await.map_err(anyhow::Error::from)?;
            for (organization, _) in organizations::all(&mut connection).await.map_err(anyhow::Error::from)? {
                let state = if organization.suspended { "suspended" } else { "active" };
                let Organization { organization_id, slug, display_name, .. } = organization;
                say(&format!("{organization_id}  {slug:<20} {state:<10} {display_name}"));
            }
        }
    }
    Ok(())
}

pub(super) async fn user(command: UserCommand, settings: Settings) -> Result<(), Failure> {
    let service = assemble(settings)?;
    match command {
        UserCommand::Create(new) => {
            let organization = by_slug(&service, &new.organization).await?;
            let command = read_user(&new, organization.organization_id)?;
            let created = create_user(&service, &call("CreateUser"), command).await.map_err(failure)?;
            say(&created.user_id.to_string());
        }
        UserCommand::List { organization } => list(&service, &organization).await?,
        UserCommand::Show { username } => {
            let key = UserKey::Username(field("username", crate::domain::identifier::Identifier::parse(&username))?);
            let person = get_user(&service, &call("GetUser"), key).await.map_err(failure)?;
            let state = if person.is_active() { "active" } else { "disabled" };
            say(&format!("user_id             {}", person.user_id));
            say(&format!("username            {}", person.username));
            say(&format!("organization        {} ({})", person.organization.slug, person.organization.organization_id));
            let (role, address) = (format!("{:?}", person.role), format!("{:?}", person.address_state()));
            say(&format!("role                {}", role.to_lowercase()));
            say(&format!("state               {state}"));
            say(&format!("address             {}", address.to_lowercase()));
            say(&format!("has password        {}", person.password_hash.is_some()));
            say(&format!("credential_version  {}", person.credential_version));
        }
    }
    Ok(())
}

async fn list(service: &Service, slug: &str) -> Result<(), Failure> {
    let organization = by_slug(service, slug).await?;
    let mut connection = service.store.connection().await.map_err(anyhow::Error::from)?;
    let mut cursor = None;
    loop {
        let people = users::list(&mut connection, organization.organization_id, "", cursor, PAGE)
            .await
            .map_err(anyhow::Error::from)?;
        let Some(last) = people.last() else { return Ok(()) };
        cursor = Some(last.user_id);
        for person in &people {
            let (role, address) = (format!("{:?}", person.role), format!("{:?}", person.address_state()));
            say(&format!("{}  {:<30} {role:<8} address {address}", person.user_id, person.username));
        }
    }
}

fn assemble(settings: Settings) -> Result<Service, Failure> {
    super::check(&settings)?;
    let keys = KeyRing::load(&settings.keys.directory, KeyRole::Identity)
        .map_err(|error| Failure::Config(format!("keys.directory: {error}")))?;
    service(settings, Arc::new(keys)).map_err(super::configuration)
}

/// A call of the person at the keyboard, who may do what the system of record may.
fn call(rpc: &'static str) -> Call {
    let scopes = [Scope::DirectoryRead, Scope::DirectoryWrite].into_iter().collect();
    let caller = Caller { name: "command line".into(), scopes };
    let patience = Patience { deadline: Instant::now() + PATIENCE, gone: CancellationToken::new() };
    Call::new(rpc, caller, Requester::default(), patience, TraceContext::default())
}

async fn by_slug(service: &Service, slug: &str) -> Result<Organization, Failure> {
    let slug = field("--organization", Slug::parse(slug))?;
    get_organization(service, &call("GetOrganization"), OrganizationKey::Slug(slug)).await.map_err(failure)
}

fn read_organization(new: &NewOrganization, service: &Service) -> Result<Organization, Failure> {
    let reply_to = field("--reply-to", parse_reply_to(&new.reply_to))?;
    Ok(Organization {
        organization_id: Uuid::nil(),
        slug: field("--slug", Slug::parse(&new.slug))?.into_string(),
        display_name: field("--display-name", OrganizationName::parse(&new.display_name))?.into_string(),
        locale: field("--locale", Locale::parse(&new.locale))?,
        time_zone: field("--time-zone", TimeZone::parse(&new.time_zone))?.as_str().into(),
        link_base: field("--link-base", LinkBase::parse(&new.link_base, service.settings.development))?.as_str().into(),
        support_contact: field("--support-contact", SupportContact::parse(&new.support_contact))?.into_string(),
        sender_name: field("--sender-name", SenderName::parse(&new.sender_name))?.into_string(),
        reply_to: reply_to.map(|address| address.as_str().to_owned()).unwrap_or_default(),
        suspended: false,
        password_min_length: field("--min-length", PasswordPolicy::with_min_length(new.min_length))?.min_length,
    })
}

fn read_user(new: &NewUser, organization_id: Uuid) -> Result<CreateUser, Failure> {
    let locale = match new.locale.as_str() {
        "" => None,
        tag => Some(field("--locale", Locale::parse(tag))?),
    };
    let password = match &new.password_file {
        Some(path) => Some(NewPassword::parse(&read_password(path)?, None)),
        None => None,
    };
    Ok(CreateUser {
        organization_id,
        username: field("--username", Username::parse(&new.username))?,
        email: field("--email", parse_optional_address(&new.email))?,
        display_name: field("--display-name", DisplayName::parse(&new.display_name))?,
        locale,
        role: match new.role {
            Rank::Member => Role::Member,
            Rank::Admin => Role::Admin,
            Rank::Owner => Role::Owner,
        },
        state: UserState::Active,
        password,
        send_invitation: new.invite,
        actor: None,
        idempotency_key: None,
    })
}

/// Reads a password; one line end at its end is not part of it.
fn read_password(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    if path.as_os_str() == "-" {
        std::io::stdin().take(64 * 1024).read_to_string(&mut text)?;
    } else {
        let file = std::fs::File::open(path).and_then(|file| file.take(64 * 1024).read_to_string(&mut text));
        file.with_context(|| format!("--password-file: {} cannot be read", path.display()))?;
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned()))
}

fn field<T>(name: &str, read: Result<T, Problem>) -> Result<T, Failure> {
    read.map_err(|problem| Failure::Failed(anyhow::anyhow!("{name} {problem}")))
}

fn failure(error: Error) -> Failure {
    let text = match &error {
        Error::Fields(fields) => fields
            .as_slice()
            .iter()
            .map(|bad| format!("{} {}", bad.field, bad.description()))
            .collect::<Vec<_>>()
            .join("; "),
        Error::PasswordRejected { rules, policy } => {
            rules.iter().map(|rule| rule.text(Locale::En, policy)).collect::<Vec<_>>().join(" ")
        }
        _ => return Failure::Failed(error.into()),
    };
    Failure::Failed(anyhow::anyhow!("{text}"))
}
