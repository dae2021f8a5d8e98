//! Settings of the gateway: TOML file, then environment, then `--set`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use runtime::config::{LogSettings, TelemetrySettings};
use serde::{Deserialize, Serialize};

mod check;

pub use check::Checked;

/// Everything that can be set. `deploy/gateway.toml` shows each with its default.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Name of the product, shown on every page.
    pub product_name: String,
    /// Allows http on loopback, to people and to the identity service.
    pub development: bool,
    /// The port for people.
    pub listen: SocketAddr,
    /// Where people find it. A path is allowed, and is then what all paths begin with.
    pub public_url: String,
    /// Language of people whose browser asks for neither `id` nor `en`, and who are in no organisation yet.
    pub locale: String,
    /// Where people who are not logged in find help: an address, a number, a sentence. Empty: not shown.
    pub support_contact: String,
    /// Networks of the reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<String>,
    /// Certificate of the port for people.
    pub tls: TlsSettings,
    /// The identity service.
    pub identity: IdentitySettings,
    /// Signed cookies.
    pub cookie: CookieSettings,
    /// Signed proof of who is logged in, for the identity service.
    pub actors: ActorsSettings,
    /// How much of what.
    pub limits: LimitSettings,
    /// The port for probes and metrics.
    pub admin: AdminSettings,
    /// Log lines.
    pub log: LogSettings,
    /// Traces and metrics.
    pub telemetry: TelemetrySettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            product_name: "Sandi".into(),
            development: false,
            listen: loopback(8080),
            public_url: String::new(),
            locale: "id".into(),
            support_contact: String::new(),
            trusted_proxies: Vec::new(),
            tls: TlsSettings::default(),
            identity: IdentitySettings::default(),
            cookie: CookieSettings::default(),
            actors: ActorsSettings::default(),
            limits: LimitSettings::default(),
            admin: AdminSettings::default(),
            log: LogSettings::default(),
            telemetry: TelemetrySettings::default(),
        }
    }
}

/// Section `tls`: PEM files; without them the port speaks plain HTTP, for a reverse proxy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// Certificate chain.
    pub certificate: Option<PathBuf>,
    /// Private key.
    pub key: Option<PathBuf>,
}

/// Section `identity`. Deadlines and retries are those of `deploy/grpc/service-config.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdentitySettings {
    /// Where it is: `https://identity.example:50051`.
    pub url: String,
    /// Certificates (PEM) of a private authority, trusted instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Certificate chain of this client, if the service asks for one.
    pub certificate: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// File with the bearer token of this caller.
    pub token_file: PathBuf,
}

/// Section `cookie`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CookieSettings {
    /// File with one key a line, each 64 or more bytes in base64: the first one signs, all are believed.
    pub key_file: PathBuf,
    /// How long people stay logged in at most, 1 minute to 7 days.
    #[serde(with = "runtime::duration")]
    pub session_life: Duration,
}

impl Default for CookieSettings {
    fn default() -> Self {
        Self { key_file: PathBuf::new(), session_life: Duration::from_secs(8 * 60 * 60) }
    }
}

/// Section `actors`: without `key_file` the gateway gives its word alone (`assert-actor`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActorsSettings {
    /// Issuer in the tokens; the identity service expects the same.
    pub issuer: String,
    /// Audience in the tokens; the identity service expects the same.
    pub audience: String,
    /// Ed25519 private key, PKCS#8 PEM.
    pub key_file: Option<PathBuf>,
}

/// Section `limits`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Connections at once; when there are more, the oldest goes that asks nothing.
    pub connections: usize,
    /// Connections at once of one address (IPv6: one /64), unless it is one of `trusted_proxies`.
    pub connections_per_address: usize,
    /// Requests a second of one address (IPv6: one /64); those for stylesheet, script and icon do not count. A page that
    /// makes several calls to the identity service counts as many.
    pub requests_per_second: u32,
    /// So many of them at once, after a while without any.
    pub request_burst: u32,
    /// How long the head of a request may take, and a connection may idle.
    #[serde(with = "runtime::duration")]
    pub header_time: Duration,
    /// How long the body of a request may take.
    #[serde(with = "runtime::duration")]
    pub body_time: Duration,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_address: 128,
            requests_per_second: 100,
            request_burst: 200,
            header_time: Duration::from_secs(15),
            body_time: Duration::from_secs(10),
        }
    }
}

/// Section `admin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// Where probes and scrapes are answered. Not for the public: it has no authentication.
    pub listen: SocketAddr,
}

impl Default for AdminSettings {
    /// Two above the identity service's port, so that all three can run on one machine.
    fn default() -> Self {
        Self { listen: loopback(9466) }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
