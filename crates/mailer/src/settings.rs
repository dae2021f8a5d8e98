//! Settings of the mailer: TOML file, then environment, then `--set`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use runtime::config::{LogSettings, TelemetrySettings};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

mod check;

pub use check::Checked;

/// Everything that can be set. `deploy/mailer.toml` shows each with its default.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Allows relays without TLS, and the broker's built-in login.
    pub development: bool,
    /// RabbitMQ.
    pub amqp: AmqpSettings,
    /// Keys of the seal.
    pub keys: KeysSettings,
    /// Mail servers.
    pub smtp: SmtpSettings,
    /// How mails are signed.
    pub mail: MailSettings,
    /// The port for probes and metrics.
    pub admin: AdminSettings,
    /// Log lines.
    pub log: LogSettings,
    /// Traces and metrics.
    pub telemetry: TelemetrySettings,
}

/// Section `amqp`: exactly one of the URLs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AmqpSettings {
    /// File with `amqps://user:password@host/vhost`.
    pub url_file: Option<PathBuf>,
    /// The URL itself.
    #[serde(serialize_with = "runtime::secret::masked")]
    pub url: Option<SecretString>,
    /// Certificates (PEM) of a private authority, trusted beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// Whether exchanges, queues and bindings are declared at start; otherwise `identity topology apply` does.
    pub declare: bool,
}

impl Default for AmqpSettings {
    fn default() -> Self {
        Self { url_file: None, url: None, ca_file: None, declare: true }
    }
}

/// Section `keys`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeysSettings {
    /// Where `mailer-*.key` and `identity-*.pub` stand.
    pub directory: PathBuf,
}

/// Section `smtp`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpSettings {
    /// Mail servers that take our mails, in order of preference; at least one.
    pub relays: Vec<RelaySettings>,
    /// Mails under way to one recipient domain at once; unset: one less than all connections.
    pub connections_per_domain: Option<usize>,
    /// For name resolution and TCP, 1 s to 1 min.
    #[serde(with = "runtime::duration")]
    pub connect_timeout: Duration,
    /// For a command's answer and for a handshake, 1 s to 2 min.
    #[serde(with = "runtime::duration")]
    pub command_timeout: Duration,
    /// For the answer to the final dot, 1 s to 5 min. RFC 5321, 4.5.3.2.6, asks for 10 minutes; a link
    /// lives for 30.
    #[serde(with = "runtime::duration")]
    pub final_timeout: Duration,
}

impl Default for SmtpSettings {
    fn default() -> Self {
        Self {
            relays: Vec::new(),
            connections_per_domain: None,
            connect_timeout: Duration::from_secs(10),
            command_timeout: Duration::from_secs(30),
            final_timeout: Duration::from_secs(5 * 60),
        }
    }
}

impl SmtpSettings {
    /// Mails under way to one recipient domain at once, given or usual.
    pub fn domain_limit(&self) -> usize {
        let all: usize = self.relays.iter().map(|relay| relay.connections).sum();
        self.connections_per_domain.unwrap_or_else(|| all.saturating_sub(1).max(1))
    }
}

/// One of `smtp.relays`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelaySettings {
    /// Name, which its certificate must bear, or address.
    pub host: String,
    /// Unset: 587 for `starttls`, 465 for `implicit`, 25 for `none`.
    pub port: Option<u16>,
    /// How the connection is encrypted.
    pub tls: TlsSetting,
    /// Certificates (PEM) of a private authority, trusted instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Login; only with TLS.
    pub username: Option<String>,
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// Connections at once, 1 to 256.
    pub connections: usize,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: None,
            tls: TlsSetting::Starttls,
            ca_file: None,
            username: None,
            password_file: None,
            connections: 4,
        }
    }
}

impl RelaySettings {
    /// The port, given or usual.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            TlsSetting::None => 25,
            TlsSetting::Starttls => 587,
            TlsSetting::Implicit => 465,
        })
    }
}

/// How a connection to a relay is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsSetting {
    /// Not at all; development mode only.
    None,
    /// By STARTTLS, required.
    Starttls,
    /// From the first byte.
    Implicit,
}

/// Section `mail`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailSettings {
    /// Address of the From header.
    pub from: String,
    /// Where answers go, unless the organisation has an address of its own.
    pub reply_to: Option<String>,
    /// Right side of Message-ID; unset: the domain of `from`.
    pub message_id_domain: Option<String>,
    /// Where bounces go: `bounces@…` becomes `bounces+<event id>@…`.
    pub bounce_address: String,
}

/// Section `admin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// Where probes and scrapes are answered. Not for the public: it has no authentication.
    pub listen: SocketAddr,
}

impl Default for AdminSettings {
    /// One above the identity service's port, so that both can run on one machine.
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9465)) }
    }
}
