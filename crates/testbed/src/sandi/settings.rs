//! The programs' settings files.

use std::{net::SocketAddr, str::FromStr};

use anyhow::{Context, Result, bail};
use toml::{Table, Value, toml};

use super::{Listen, Plan, Web, actors};

/// Which of the programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    /// `identity`.
    Identity,
    /// `mailer`.
    Mailer,
    /// `gateway`.
    Gateway,
}

impl Program {
    /// Its name, which is the binary's too.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Mailer => "mailer",
            Self::Gateway => "gateway",
        }
    }
}

/// A setting given from outside: `identity.limits.live_links=3`.
#[derive(Clone, Debug)]
pub struct Override {
    program: Program,
    path: Vec<String>,
    value: Value,
}

impl FromStr for Override {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (path, value) = text.split_once('=').context("a setting is given as PROGRAM.SECTION.KEY=VALUE")?;
        let (program, path) = path.split_once('.').unwrap_or((path, ""));
        let program = match program {
            "identity" => Program::Identity,
            "mailer" => Program::Mailer,
            "gateway" => Program::Gateway,
            _ => bail!("a setting starts with `identity.`, `mailer.` or `gateway.`, not `{program}`"),
        };
        if path.is_empty() {
            bail!("`{}.` lacks the name of a setting", program.name());
        }
        Ok(Self { program, path: path.split('.').map(ToOwned::to_owned).collect(), value: scalar(value) })
    }
}

impl Override {
    /// The dotted name without the program.
    pub fn name(&self) -> String {
        self.path.join(".")
    }

    /// The value as text, if it is that program's setting of that name.
    pub fn text_of(&self, program: Program, name: &str) -> Option<&str> {
        (self.program == program && self.name() == name).then(|| self.value.as_str())?
    }

    /// Whether it is a setting of that program with that name.
    pub fn is(&self, program: Program, name: &str) -> bool {
        self.program == program && self.name() == name
    }
}

/// A number, truth value, list or quoted text of TOML; anything else is text as it stands.
fn scalar(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The text of `identity.toml`.
pub(super) fn identity(plan: &Plan, listen: Listen) -> Result<String> {
    let at = |name: &str| plan.directory.join(name).display().to_string();
    let (grpc, admin) = (listen.grpc.to_string(), listen.admin.to_string());
    let (database, owner, amqp) =
        (at("secrets/database-url"), at("secrets/database-owner-url"), at("secrets/amqp-identity-url"));
    let (keys, callers, jwks) = (at("keys/identity"), at("callers.toml"), at(actors::JWKS_FILE));
    let (issuer, audience) = (actors::ISSUER, actors::AUDIENCE);
    let settings = toml! {
        development = true
        [grpc]
        listen = grpc
        reflection = true
        [admin]
        listen = admin
        [database]
        url_file = database
        migrate_url_file = owner
        [amqp]
        url_file = amqp
        [keys]
        directory = keys
        [callers]
        file = callers
        [actors]
        issuer = issuer
        audience = audience
        algorithms = ["EdDSA"]
        jwks_file = jwks
    };
    with_overrides(settings, plan, Program::Identity)
}

/// The text of `mailer.toml`.
pub(super) fn mailer(plan: &Plan, admin: SocketAddr) -> Result<String> {
    let at = |name: &str| plan.directory.join(name).display().to_string();
    let (amqp, keys, admin) = (at("secrets/amqp-mailer-url"), at("keys/mailer"), admin.to_string());
    let (host, port) = (plan.smtp.ip().to_string(), i64::from(plan.smtp.port()));
    let settings = toml! {
        development = true
        [admin]
        listen = admin
        [amqp]
        url_file = amqp
        [keys]
        directory = keys
        [mail]
        from = "no-reply@sandi.example"
        bounce_address = "bounce@sandi.example"
        message_id_domain = "sandi.example"
        [[smtp.relays]]
        host = host
        port = port
        tls = "none"
    };
    with_overrides(settings, plan, Program::Mailer)
}

/// The text of `gateway.toml`.
pub(super) fn gateway(plan: &Plan, web: Web) -> Result<String> {
    let at = |name: &str| plan.directory.join(name).display().to_string();
    let (token, key) = (at("secrets/gateway-token"), at("secrets/gateway-cookie-key"));
    let (issuer, audience, signs) = (actors::ISSUER, actors::AUDIENCE, at(actors::KEY_FILE));
    let moved = plan.overrides.iter().rev().find_map(|given| given.text_of(Program::Identity, "grpc.listen"));
    let first = plan.identities.first().map(|listen| listen.grpc.to_string());
    let identity = format!("http://{}", moved.map(ToOwned::to_owned).or(first).context("no identity process")?);
    let (listen, admin, url) =
        (web.pages.to_string(), web.admin.to_string(), format!("http://{}{}", web.pages, web.path));
    let settings = toml! {
        development = true
        listen = listen
        public_url = url
        [identity]
        url = identity
        token_file = token
        [cookie]
        key_file = key
        [actors]
        issuer = issuer
        audience = audience
        key_file = signs
        [admin]
        listen = admin
    };
    with_overrides(settings, plan, Program::Gateway)
}

fn with_overrides(mut settings: Table, plan: &Plan, program: Program) -> Result<String> {
    for given in plan.overrides.iter().filter(|given| given.program == program) {
        let mut root = Value::Table(settings);
        set(&mut root, &given.path, &given.value)
            .with_context(|| format!("{}.{} does not fit", program.name(), given.name()))?;
        let Value::Table(table) = root else { bail!("settings are a table") };
        settings = table;
    }
    Ok(toml::to_string(&settings)?)
}

/// Sets a value; a number in the path is the index of an array, at most one past its end.
fn set(place: &mut Value, path: &[String], value: &Value) -> Result<()> {
    let Some((first, rest)) = path.split_first() else {
        *place = value.clone();
        return Ok(());
    };
    let next = || match rest.first() {
        Some(name) if name.parse::<usize>().is_ok() => Value::Array(Vec::new()),
        _ => Value::Table(Table::new()),
    };
    match place {
        Value::Table(table) => {
            if rest.is_empty() {
                // A secret stands in a file or inline, not both: the given one takes the other's place.
                table.remove(&counterpart(first));
            }
            set(table.entry(first.clone()).or_insert_with(next), rest, value)
        }
        Value::Array(array) => {
            let index: usize = first.parse().context("an array is indexed by number")?;
            if index == array.len() {
                array.push(next());
            }
            let length = array.len();
            let element = array.get_mut(index).with_context(|| format!("there are {length} elements"))?;
            set(element, rest, value)
        }
        _ => bail!("`{first}` is under a plain value"),
    }
}

/// `url` for `url_file`, and the reverse.
fn counterpart(name: &str) -> String {
    name.strip_suffix("_file").map_or_else(|| format!("{name}_file"), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(texts: &[&str], settings: Table) -> Value {
        let mut root = Value::Table(settings);
        for text in texts {
            let given: Override = text.parse().unwrap();
            set(&mut root, &given.path, &given.value).unwrap();
        }
        root
    }

    #[test]
    fn a_given_setting_keeps_its_type() {
        let settings = given(
            &["identity.limits.live_links=3", "identity.grpc.reflection=false", "identity.resets.admin_life=90s"],
            Table::new(),
        );
        let expected = toml! {
            [limits]
            live_links = 3
            [grpc]
            reflection = false
            [resets]
            admin_life = "90s"
        };
        assert_eq!(settings, Value::Table(expected));
    }

    #[test]
    fn an_array_is_reached_by_index() {
        let relays = toml! {
            [[smtp.relays]]
            host = "127.0.0.1"
        };
        let settings =
            given(&["mailer.smtp.relays.0.host=mail.example", "mailer.smtp.relays.1.host=b.example"], relays);
        let expected = toml! {
            [[smtp.relays]]
            host = "mail.example"
            [[smtp.relays]]
            host = "b.example"
        };
        assert_eq!(settings, Value::Table(expected));
    }

    #[test]
    fn an_inline_secret_replaces_its_file() {
        let amqp = toml! {
            [amqp]
            url_file = "there"
        };
        let settings = given(&["mailer.amqp.url=amqp://broker.example"], amqp);
        let expected = toml! {
            [amqp]
            url = "amqp://broker.example"
        };
        assert_eq!(settings, Value::Table(expected));
    }

    #[test]
    fn a_setting_of_no_program_is_refused() {
        assert!("gatway.log.level=debug".parse::<Override>().is_err());
        assert!("identity=1".parse::<Override>().is_err());
    }
}
