//! What has to be right before anything starts. Every mistake is named, not only the first.

use std::sync::Arc;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::extension::ClientId;
use messaging::{Broker, KeyRing, Role};
use runtime::config::{read_secret, url_from};
use runtime::{ConfigError, Failure};
use rustls::pki_types::ServerName;
use secrecy::SecretString;

use super::{MailSettings, RelaySettings, Settings, SmtpSettings, TlsSetting};
use crate::render::Letterhead;
use crate::transport::{RelayConfig, Timeouts, Tls, tls_config};

/// A local part has at most 64 characters (RFC 5321, 4.5.3.1.1).
const BOUNCE_USER_LIMIT: usize = 64 - crate::verp::ROOM;
const CONNECTIONS_LIMIT: usize = 256;

/// Settings that are known to be right, with what they point to.
pub struct Checked {
    /// Where the broker is.
    pub broker: Broker,
    /// The keys of the seal.
    pub keys: KeyRing,
    /// The mail servers.
    pub relays: Vec<RelayConfig>,
    /// Mails under way to one recipient domain at once.
    pub domain_limit: usize,
    /// How mails are signed.
    pub letterhead: Letterhead,
}

/// Mistakes found so far.
#[derive(Default)]
struct Mistakes(Vec<String>);

impl Mistakes {
    fn add(&mut self, setting: &str, reason: impl ToString) {
        self.0.push(ConfigError::invalid(setting, reason.to_string()).to_string());
    }

    /// The value, or nothing and a mistake more.
    fn take<T, E: ToString>(&mut self, setting: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(setting, error)).ok()
    }
}

impl Settings {
    /// Checks everything, and reads what the settings point to.
    ///
    /// # Errors
    /// All mistakes, each with the setting's name, in one line.
    pub fn check(&self) -> Result<Checked, Failure> {
        let mut mistakes = Mistakes::default();
        let broker = broker(self, &mut mistakes);
        let keys = keys(self, &mut mistakes);
        let letterhead = letterhead(&self.mail, &mut mistakes);
        let hello = hello(letterhead.as_ref());
        let relays = relays(self, &hello, &mut mistakes);
        match (broker, keys, letterhead) {
            (Some(broker), Some(keys), Some(letterhead)) if mistakes.0.is_empty() => {
                Ok(Checked { broker, keys, relays, domain_limit: self.smtp.domain_limit(), letterhead })
            }
            _ => Err(Failure::Config(mistakes.0.join("; "))),
        }
    }

    /// What a bounce needs: the broker, the keys and our addresses.
    ///
    /// # Errors
    /// All mistakes in them.
    pub fn check_bounce(&self) -> Result<(Broker, KeyRing, Letterhead), Failure> {
        let mut mistakes = Mistakes::default();
        let (broker, keys) = (broker(self, &mut mistakes), keys(self, &mut mistakes));
        match (broker, keys, letterhead(&self.mail, &mut mistakes)) {
            (Some(broker), Some(keys), Some(letterhead)) if mistakes.0.is_empty() => Ok((broker, keys, letterhead)),
            _ => Err(Failure::Config(mistakes.0.join("; "))),
        }
    }

    /// Only the keys, for commands that need nothing else.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn check_parked(&self) -> Result<(Broker, KeyRing), Failure> {
        let mut mistakes = Mistakes::default();
        let (broker, keys) = (broker(self, &mut mistakes), keys(self, &mut mistakes));
        match (broker, keys) {
            (Some(broker), Some(keys)) if mistakes.0.is_empty() => Ok((broker, keys)),
            _ => Err(Failure::Config(mistakes.0.join("; "))),
        }
    }
}

fn broker(settings: &Settings, mistakes: &mut Mistakes) -> Option<Broker> {
    let amqp = &settings.amqp;
    let url = url_from(amqp.url_file.as_deref(), amqp.url.as_ref(), "amqp.url")
        .map_err(|error| mistakes.0.push(error.to_string()))
        .ok()?;
    let broker = mistakes.take("amqp.url", Broker::new(url, "sandi-mailer"))?;
    let broker = mistakes.take("amqp.ca_file", broker.trusting(amqp.ca_file.as_deref()))?.declaring(amqp.declare);
    if !settings.development && broker.has_built_in_login() {
        mistakes.add("amqp.url", "the broker's built-in login (guest) is for development mode only");
    }
    Some(broker)
}

fn keys(settings: &Settings, mistakes: &mut Mistakes) -> Option<KeyRing> {
    let directory = &settings.keys.directory;
    if directory.as_os_str().is_empty() {
        mistakes.add("keys.directory", "not set; set it to the directory of the seal's keys");
        return None;
    }
    let keys = KeyRing::load(directory, Role::Mailer).map_err(|error| {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        format!("{error}{}", source.unwrap_or_default())
    });
    mistakes.take("keys.directory", keys)
}

fn letterhead(mail: &MailSettings, mistakes: &mut Mistakes) -> Option<Letterhead> {
    let from = address("mail.from", &mail.from, mistakes);
    let bounce_address = address("mail.bounce_address", &mail.bounce_address, mistakes);
    if bounce_address.as_ref().is_some_and(|address| address.user().len() > BOUNCE_USER_LIMIT) {
        let reason =
            format!("the part before the @ must leave room for an event id: {BOUNCE_USER_LIMIT} characters at most");
        mistakes.add("mail.bounce_address", reason);
    }
    let reply_to = mail.reply_to.as_deref().map(|text| address("mail.reply_to", text, mistakes));
    let message_id_domain = match (&mail.message_id_domain, &from) {
        (Some(domain), _) => Some(domain.clone()),
        (None, Some(from)) => Some(from.domain().to_owned()),
        (None, None) => None,
    };
    if message_id_domain.as_deref().is_some_and(|domain| !is_domain(domain)) {
        mistakes.add("mail.message_id_domain", "not a domain name in ASCII");
    }
    Some(Letterhead {
        from: from?,
        reply_to: match reply_to {
            Some(given) => Some(given?),
            None => None,
        },
        message_id_domain: message_id_domain?,
        bounce_address: bounce_address?,
    })
}

/// An address of our own: in ASCII, so that every server takes it.
fn address(setting: &str, text: &str, mistakes: &mut Mistakes) -> Option<Address> {
    if text.is_empty() {
        mistakes.add(setting, "not set; set it to a mail address");
        return None;
    }
    let address = text.parse::<Address>().ok().filter(|_| text.is_ascii());
    mistakes.take(setting, address.ok_or("not a mail address in ASCII"))
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// What we call ourselves (RFC 5321, 4.1.4): the machine's name if it is a full one, else the
/// domain of our mails; inside a container the machine's name means nothing to anybody.
fn hello(letterhead: Option<&Letterhead>) -> ClientId {
    match ClientId::default() {
        ClientId::Domain(name) if name.contains('.') && is_domain(&name) => ClientId::Domain(name),
        other => letterhead.map_or(other, |head| ClientId::Domain(head.message_id_domain.clone())),
    }
}

fn relays(settings: &Settings, hello: &ClientId, mistakes: &mut Mistakes) -> Vec<RelayConfig> {
    let relays = &settings.smtp.relays;
    if relays.is_empty() {
        mistakes.add("smtp.relays", "not set; at least one relay is needed");
    }
    if settings.smtp.connections_per_domain == Some(0) {
        mistakes.add("smtp.connections_per_domain", "must be at least 1");
    }
    let whole = Whole { development: settings.development, hello, timeouts: timeouts(&settings.smtp, mistakes) };
    let relay = |(index, relay)| relay_of(&format!("smtp.relays.{index}"), relay, &whole, mistakes);
    relays.iter().enumerate().filter_map(relay).collect()
}

/// What all relays have in common.
struct Whole<'a> {
    development: bool,
    hello: &'a ClientId,
    timeouts: Timeouts,
}

fn timeouts(smtp: &SmtpSettings, mistakes: &mut Mistakes) -> Timeouts {
    for (name, value, longest) in [
        ("connect_timeout", smtp.connect_timeout, 60),
        ("command_timeout", smtp.command_timeout, 120),
        ("final_timeout", smtp.final_timeout, 300),
    ] {
        if !(Duration::from_secs(1)..=Duration::from_secs(longest)).contains(&value) {
            mistakes.add(&format!("smtp.{name}"), format!("must be between 1s and {longest}s"));
        }
    }
    Timeouts { connect: smtp.connect_timeout, command: smtp.command_timeout, last: smtp.final_timeout }
}

fn relay_of(name: &str, relay: &RelaySettings, whole: &Whole<'_>, mistakes: &mut Mistakes) -> Option<RelayConfig> {
    let of = |key: &str| format!("{name}.{key}");
    let host = relay.host.clone();
    if host.is_empty() {
        mistakes.add(&of("host"), "not set; set it to the mail server's name");
    }
    if relay.port() == 0 {
        mistakes.add(&of("port"), "must be between 1 and 65535");
    }
    if !(1..=CONNECTIONS_LIMIT).contains(&relay.connections) {
        mistakes.add(&of("connections"), format!("must be between 1 and {CONNECTIONS_LIMIT}"));
    }
    if relay.tls == TlsSetting::None && !whole.development {
        mistakes.add(&of("tls"), "none is for development mode only; use starttls or implicit");
    }
    if relay.tls == TlsSetting::None && relay.ca_file.is_some() {
        mistakes.add(&of("ca_file"), "without TLS nobody looks at certificates");
    }
    let login = login(&of, relay, mistakes);
    let tls = match relay.tls {
        TlsSetting::None => Some(Tls::None),
        TlsSetting::Starttls => tls(&of, relay, mistakes).map(|(config, name)| Tls::StartTls(config, name)),
        TlsSetting::Implicit => tls(&of, relay, mistakes).map(|(config, name)| Tls::Implicit(config, name)),
    };
    Some(RelayConfig {
        host,
        port: relay.port(),
        tls: tls?,
        login,
        connections: relay.connections,
        hello: whole.hello.clone(),
        timeouts: whole.timeouts,
    })
}

fn login(
    of: &impl Fn(&str) -> String,
    relay: &RelaySettings,
    mistakes: &mut Mistakes,
) -> Option<(String, SecretString)> {
    let (username, file) = match (&relay.username, &relay.password_file) {
        (None, None) => return None,
        (Some(_), None) => {
            mistakes.add(&of("password_file"), "not set, though there is a username");
            return None;
        }
        (None, Some(_)) => {
            mistakes.add(&of("username"), "not set, though there is a password_file");
            return None;
        }
        (Some(username), Some(file)) => (username, file),
    };
    if relay.tls == TlsSetting::None {
        mistakes.add(&of("tls"), "a login is sent with TLS only; use starttls or implicit");
    }
    let password = mistakes.take(&of("password_file"), read_secret(file))?;
    Some((username.clone(), password))
}

fn tls(
    of: &impl Fn(&str) -> String,
    relay: &RelaySettings,
    mistakes: &mut Mistakes,
) -> Option<(Arc<rustls::ClientConfig>, ServerName<'static>)> {
    let config = mistakes.take(&of("ca_file"), tls_config(relay.ca_file.as_deref()));
    if relay.host.is_empty() {
        return None;
    }
    let name = ServerName::try_from(relay.host.clone()).map_err(|_| "not a host name");
    Some((Arc::new(config?), mistakes.take(&of("host"), name)?))
}

#[cfg(test)]
mod tests;
