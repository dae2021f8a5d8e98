//! Settings of the identity service: TOML file, then environment, then `--set`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use runtime::config::{AdminSettings, LogSettings, TelemetrySettings};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::domain::username::canonical_for_lookup;

/// Shortest life of a link outside development mode.
pub const LINK_LIFE_MIN: Duration = Duration::from_secs(10 * 60);
/// Shortest life of a link in development mode, so that expiry can be tried.
pub const LINK_LIFE_MIN_DEVELOPMENT: Duration = Duration::from_secs(1);
/// Most wrong passwords in a row, outside development mode (NIST SP 800-63B-4, 3.2.2).
pub const WRONG_PASSWORDS_MAX: u32 = 100;
/// Longest life of a link.
pub const LINK_LIFE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Everything that can be set. `deploy/identity.toml` shows each with its default.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Name of the product, shown in mails; also a word that no password may lean on.
    pub product_name: String,
    /// Allows plain text on loopback, http link bases on loopback and links of 1 s.
    pub development: bool,
    /// Log lines.
    pub log: LogSettings,
    /// The public port.
    pub grpc: GrpcSettings,
    /// The port for probes and metrics.
    pub admin: AdminSettings,
    /// PostgreSQL.
    pub database: DatabaseSettings,
    /// RabbitMQ.
    pub amqp: AmqpSettings,
    /// Keys of the seal and of the digests.
    pub keys: KeysSettings,
    /// Who may call.
    pub callers: CallersSettings,
    /// Who signs actor tokens.
    pub actors: ActorsSettings,
    /// Hashing.
    pub passwords: PasswordSettings,
    /// Links and their mails.
    pub resets: ResetSettings,
    /// How much of what.
    pub limits: LimitSettings,
    /// How long things are kept.
    pub retention: RetentionSettings,
    /// A test mail every few minutes.
    pub canary: CanarySettings,
    /// Traces and metrics.
    pub telemetry: TelemetrySettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            product_name: "Sandi".into(),
            development: false,
            log: LogSettings::default(),
            grpc: GrpcSettings::default(),
            admin: AdminSettings { listen: loopback(9464) },
            database: DatabaseSettings::default(),
            amqp: AmqpSettings::default(),
            keys: KeysSettings::default(),
            callers: CallersSettings::default(),
            actors: ActorsSettings::default(),
            passwords: PasswordSettings::default(),
            resets: ResetSettings::default(),
            limits: LimitSettings::default(),
            retention: RetentionSettings::default(),
            canary: CanarySettings::default(),
            telemetry: TelemetrySettings::default(),
        }
    }
}

/// The public port.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrpcSettings {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Whether server reflection answers.
    pub reflection: bool,
    /// Most connections at one time.
    pub max_connections: usize,
    /// Most connections at one time from one address (IPv6: one /64).
    pub max_connections_per_address: usize,
    /// Certificates; without them the port speaks plain text, in development mode on loopback only.
    pub tls: TlsSettings,
}

impl Default for GrpcSettings {
    fn default() -> Self {
        Self {
            listen: loopback(50051),
            reflection: false,
            max_connections: 4096,
            max_connections_per_address: 1024,
            tls: TlsSettings::default(),
        }
    }
}

/// Certificates of the public port, PEM files.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// Certificate chain.
    pub certificate: Option<PathBuf>,
    /// Private key.
    pub key: Option<PathBuf>,
    /// Authorities whose client certificates are accepted; unset: none is asked for.
    pub client_ca: Option<PathBuf>,
    /// Whether every caller must have one.
    pub client_certificates: ClientCertificates,
    /// Lists of revoked client certificates.
    pub client_crl: Option<PathBuf>,
}

/// Whether a client certificate must be there. One that is must be good in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// Without one there is no connection.
    #[default]
    Required,
    /// Without one a caller is known by its token.
    Optional,
}

/// PostgreSQL.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// URL of the service's role.
    #[serde(serialize_with = "runtime::secret::masked")]
    pub url: Option<SecretString>,
    /// File with that URL.
    pub url_file: Option<PathBuf>,
    /// URL of the owner's role, for `migrate`; unset: the service's.
    #[serde(serialize_with = "runtime::secret::masked")]
    pub migrate_url: Option<SecretString>,
    /// File with that URL.
    pub migrate_url_file: Option<PathBuf>,
    /// Connections of the pool. 12 to 16 serve two cores best.
    pub max_connections: u32,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self { url: None, url_file: None, migrate_url: None, migrate_url_file: None, max_connections: 14 }
    }
}

/// RabbitMQ.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AmqpSettings {
    /// URL with vhost.
    #[serde(serialize_with = "runtime::secret::masked")]
    pub url: Option<SecretString>,
    /// File with that URL.
    pub url_file: Option<PathBuf>,
    /// Certificates (PEM) of a private authority, trusted beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// Whether exchanges, queues and bindings are declared at start; otherwise `topology apply` does, as an operator.
    pub declare: bool,
}

impl Default for AmqpSettings {
    fn default() -> Self {
        Self { url: None, url_file: None, ca_file: None, declare: true }
    }
}

/// Keys of the seal and of the digests.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeysSettings {
    /// Folder with `identity-*.key`, `mailer-*.pub` and `digest.key`.
    pub directory: PathBuf,
}

/// Who may call.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallersSettings {
    /// TOML file of callers, the digests of their tokens and their scopes.
    pub file: PathBuf,
}

/// Who signs actor tokens: JWTs with the claims `iss`, `aud`, `sub` (the user's id), `iat` and `exp`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ActorsSettings {
    /// Issuer of the tokens.
    pub issuer: String,
    /// Audience of the tokens.
    pub audience: String,
    /// Algorithms accepted: `EdDSA`, `RS256`.
    pub algorithms: Vec<String>,
    /// The issuer's public keys.
    pub jwks_file: Option<PathBuf>,
    /// Longest time from `iat` to `exp`; a token that may live longer is refused.
    #[serde(with = "runtime::config::duration")]
    pub max_life: Duration,
}

impl Default for ActorsSettings {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            audience: String::new(),
            algorithms: Vec::new(),
            jwks_file: None,
            max_life: Duration::from_secs(10 * 60),
        }
    }
}

impl ActorsSettings {
    /// Longest that [`Self::max_life`] may be, and the same in development mode.
    const LIFE_MAX: [Duration; 2] = [Duration::from_secs(60 * 60), Duration::from_secs(7 * 24 * 60 * 60)];

    /// Every mistake, one line each, naming the setting.
    fn mistakes(&self, development: bool) -> Vec<String> {
        let mut mistakes = Vec::new();
        let set = [
            ("issuer", !self.issuer.is_empty()),
            ("audience", !self.audience.is_empty()),
            ("algorithms", !self.algorithms.is_empty()),
            ("jwks_file", self.jwks_file.is_some()),
        ];
        if set.iter().any(|(_, set)| *set) {
            let missing = set.iter().filter(|(_, set)| !set);
            mistakes.extend(missing.map(|(name, _)| format!("actors.{name}: must be set where another of actors is")));
        }
        for name in &self.algorithms {
            if !matches!(name.as_str(), "EdDSA" | "RS256") {
                mistakes.push("actors.algorithms: must be of EdDSA and RS256".into());
            }
        }
        let most = Self::LIFE_MAX[usize::from(development)];
        if self.max_life.is_zero() || self.max_life > most {
            mistakes.push(format!("actors.max_life: must be longer than 0 s and at most {} h", most.as_secs() / 3600));
        }
        mistakes
    }
}

/// Hashing: Argon2id (RFC 9106).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordSettings {
    /// Memory of one hash in KiB; at least 19456 (OWASP Password Storage).
    pub memory_kib: u32,
    /// Passes over it; at least 2.
    pub iterations: u32,
    /// Lanes; at least 1.
    pub parallelism: u32,
    /// Hashing threads; 0: one a core.
    pub threads: usize,
    /// Longest time a call may wait for its hash before it is refused.
    #[serde(with = "runtime::config::duration")]
    pub max_wait: Duration,
}

impl Default for PasswordSettings {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1, threads: 0, max_wait: Duration::from_secs(2) }
    }
}

/// Links and their mails.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResetSettings {
    /// Life of a link a person asked for.
    #[serde(with = "runtime::config::duration")]
    pub self_service_life: Duration,
    /// Life of an admin's link or an invitation.
    #[serde(with = "runtime::config::duration")]
    pub admin_life: Duration,
    /// Gaps between attempts of a deferred mail; the last repeats.
    #[serde(with = "runtime::config::durations")]
    pub retry_gaps: Vec<Duration>,
    /// How long a published mail may stay without a status before it is published again.
    #[serde(with = "runtime::config::duration")]
    pub silence: Duration,
}

impl Default for ResetSettings {
    fn default() -> Self {
        Self {
            self_service_life: Duration::from_secs(30 * 60),
            admin_life: LINK_LIFE_MAX,
            retry_gaps: [1, 4, 10, 30, 60].map(|minutes| Duration::from_secs(minutes * 60)).to_vec(),
            silence: Duration::from_secs(10 * 60),
        }
    }
}

/// How much of what.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Mails a minute for one account; silent.
    pub mails_per_minute: u32,
    /// Live links of one account; silent.
    pub live_links: u32,
    /// Mails in 24 hours for one account, after which there is one per link life; silent.
    pub mails_per_day: u32,
    /// Calls a second of one caller, in each process.
    pub caller_per_second: u32,
    /// Calls a minute for one end-user address (IPv6 by /64), in each process.
    pub address_per_minute: u32,
    /// Wrong passwords in a row for one name from one network, before waits begin; over all replicas.
    pub wrong_passwords: u32,
    /// Wrong passwords in a row for one name from all networks that the person has not logged in from.
    pub wrong_passwords_of_strangers: u32,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            mails_per_minute: 1,
            live_links: 3,
            mails_per_day: 10,
            caller_per_second: 1000,
            address_per_minute: 120,
            wrong_passwords: 5,
            wrong_passwords_of_strangers: 100,
        }
    }
}

/// How long things are kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionSettings {
    /// Requests, resets and delivery attempts.
    #[serde(with = "runtime::config::duration")]
    pub resets: Duration,
    /// Audit events, dropped by whole months; `migrate` writes it into the database.
    #[serde(with = "runtime::config::duration")]
    pub audit: Duration,
    /// Stored answers of idempotent calls.
    #[serde(with = "runtime::config::duration")]
    pub idempotency: Duration,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self { resets: day * 90, audit: day * 400, idempotency: day }
    }
}

/// A reset of nobody's, asked for every few minutes, so that somebody is told when mails stop.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CanarySettings {
    /// The user it is asked for; empty: there is no canary.
    pub username: String,
    /// How often.
    #[serde(with = "runtime::config::duration")]
    pub every: Duration,
}

impl Default for CanarySettings {
    fn default() -> Self {
        Self { username: String::new(), every: Duration::from_secs(5 * 60) }
    }
}

impl Settings {
    /// Every mistake, one line each, naming the setting.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut check = |good: bool, text: String| {
            if !good {
                mistakes.push(text);
            }
        };
        let least = if self.development { LINK_LIFE_MIN_DEVELOPMENT } else { LINK_LIFE_MIN };
        for (name, life) in
            [("self_service_life", self.resets.self_service_life), ("admin_life", self.resets.admin_life)]
        {
            check(
                (least..=LINK_LIFE_MAX).contains(&life),
                format!("resets.{name}: must be between {} s and 24 h", least.as_secs()),
            );
        }
        check(!self.product_name.trim().is_empty(), "product_name: must not be empty".into());
        let gaps = &self.resets.retry_gaps;
        check(
            !gaps.is_empty() && gaps.iter().all(|gap| *gap >= Duration::from_secs(1)),
            "resets.retry_gaps: needs at least one gap, each of 1 s or more".into(),
        );
        let day = Duration::from_secs(24 * 60 * 60);
        for (name, kept, least) in [
            // A mail must not outlive its links.
            ("resets", self.retention.resets, 2 * day),
            ("audit", self.retention.audit, 30 * day),
            ("idempotency", self.retention.idempotency, Duration::from_secs(60)),
        ] {
            check(kept >= least, format!("retention.{name}: must be at least {} s", least.as_secs()));
        }
        let canary = &self.canary;
        check(canary.every >= Duration::from_secs(1), "canary.every: must be at least 1 s".into());
        check(
            canary.username.is_empty() || canonical_for_lookup(&canary.username).as_ref() == Some(&canary.username),
            "canary.username: must be a username as it is stored".into(),
        );
        check(!self.resets.silence.is_zero(), "resets.silence: must be longer than 0 s".into());
        let passwords = &self.passwords;
        check(
            (19_456..=4_194_304).contains(&passwords.memory_kib),
            "passwords.memory_kib: must be at least 19456 (19 MiB, OWASP) and at most 4194304".into(),
        );
        check((2..=100).contains(&passwords.iterations), "passwords.iterations: must be 2 to 100".into());
        check((1..=16).contains(&passwords.parallelism), "passwords.parallelism: must be 1 to 16".into());
        check(passwords.threads <= 256, "passwords.threads: must be at most 256".into());
        check(!passwords.max_wait.is_zero(), "passwords.max_wait: must be longer than 0 s".into());
        check(
            (2..=1000).contains(&self.database.max_connections),
            "database.max_connections: must be 2 to 1000".into(),
        );
        for (name, value) in [
            ("max_connections", self.grpc.max_connections),
            ("max_connections_per_address", self.grpc.max_connections_per_address),
        ] {
            check((1..=100_000).contains(&value), format!("grpc.{name}: must be 1 to 100000"));
        }
        let limits = &self.limits;
        for (name, value) in [
            ("mails_per_minute", limits.mails_per_minute),
            ("live_links", limits.live_links),
            ("mails_per_day", limits.mails_per_day),
            ("caller_per_second", limits.caller_per_second),
            ("address_per_minute", limits.address_per_minute),
            ("wrong_passwords", limits.wrong_passwords),
            ("wrong_passwords_of_strangers", limits.wrong_passwords_of_strangers),
        ] {
            check(value > 0, format!("limits.{name}: must be at least 1"));
        }
        for (name, value) in [
            ("wrong_passwords", limits.wrong_passwords),
            ("wrong_passwords_of_strangers", limits.wrong_passwords_of_strangers),
        ] {
            check(
                value <= WRONG_PASSWORDS_MAX || self.development,
                format!("limits.{name}: must be at most {WRONG_PASSWORDS_MAX} (NIST SP 800-63B-4, 3.2.2)"),
            );
        }
        check(!self.keys.directory.as_os_str().is_empty(), "keys.directory: must be set".into());
        check(!self.callers.file.as_os_str().is_empty(), "callers.file: must be set".into());
        check(self.development || !self.grpc.reflection, "grpc.reflection: is for development mode only".into());
        for mistake in self.actors.mistakes(self.development) {
            check(false, mistake);
        }
        let tls = &self.grpc.tls;
        check(tls.certificate.is_some() == tls.key.is_some(), "grpc.tls: certificate and key belong together".into());
        check(
            tls.certificate.is_some() || tls.client_ca.is_none(),
            "grpc.tls.client_ca: needs grpc.tls.certificate and grpc.tls.key".into(),
        );
        check(
            tls.client_ca.is_some() || tls.client_crl.is_none(),
            "grpc.tls.client_crl: needs grpc.tls.client_ca".into(),
        );
        check(
            tls.certificate.is_some() || (self.development && self.grpc.listen.ip().is_loopback()),
            "grpc.tls.certificate: must be set; plain text is allowed on loopback in development mode only".into(),
        );
        mistakes
    }

    /// Shortest life a link may be given.
    pub fn link_life_min(&self) -> Duration {
        if self.development { LINK_LIFE_MIN_DEVELOPMENT } else { LINK_LIFE_MIN }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../../deploy/identity.toml");

    fn parse(text: &str) -> Settings {
        toml::from_str(text).expect("parses")
    }

    #[test]
    fn the_sample_shows_the_defaults() {
        let mut sample = parse(SAMPLE);
        let defaults = Settings::default();
        // Paths are examples; what has a default shows it.
        sample.grpc.tls = defaults.grpc.tls.clone();
        sample.database.url_file = None;
        sample.database.migrate_url_file = None;
        sample.amqp.url_file = None;
        sample.keys.directory = PathBuf::new();
        sample.callers.file = PathBuf::new();
        assert_eq!(format!("{sample:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn the_sample_shows_every_setting() {
        let shown: toml::Table = in_full().parse().expect("parses");
        // The names serde knows, from its own message about an unknown one.
        for section in [
            "",
            "log",
            "grpc",
            "grpc.tls",
            "admin",
            "database",
            "amqp",
            "keys",
            "callers",
            "actors",
            "passwords",
            "resets",
            "limits",
            "retention",
            "canary",
            "telemetry",
        ] {
            let text = if section.is_empty() { "x = 1".into() } else { format!("[{section}]\nx = 1") };
            let error = toml::from_str::<Settings>(&text).expect_err("unknown").message().to_owned();
            let names = error.split_once("expected").expect("names").1;
            let mut path = section.split('.').filter(|name| !name.is_empty());
            let table = path.try_fold(&shown, |table, name| table.get(name)?.as_table());
            for name in names.split('`').skip(1).step_by(2) {
                assert!(table.is_some_and(|table| table.contains_key(name)), "{section}.{name} is not in the sample");
            }
        }
    }

    /// The sample with every default and example uncommented.
    fn in_full() -> String {
        let line = |line: &'static str| match line.strip_prefix("# ") {
            Some(setting) if setting.parse::<toml::Table>().is_ok_and(|table| !table.is_empty()) => setting,
            _ => line,
        };
        SAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    /// It may set the one and the other of two, but each where it belongs.
    #[test]
    fn the_sample_shows_each_setting_in_its_section() {
        parse(&in_full());
    }

    #[test]
    fn what_cannot_be_meant_is_named() {
        let good = "[keys]\ndirectory = \"k\"\n[callers]\nfile = \"c\"\n[grpc.tls]\ncertificate = \"c\"\nkey = \"k\"\n";
        assert_eq!(parse(good).mistakes(), Vec::<String>::new());
        for (change, names) in [
            ("[passwords]\nmemory_kib = 8192", "passwords.memory_kib"),
            ("[passwords]\niterations = 1", "passwords.iterations"),
            ("[resets]\nself_service_life = \"48h\"", "resets.self_service_life"),
            ("[resets]\nadmin_life = \"1s\"", "resets.admin_life"),
            ("[limits]\nlive_links = 0", "limits.live_links"),
            ("[grpc]\nreflection = true", "grpc.reflection"),
            ("[grpc]\nmax_connections = 0", "grpc.max_connections:"),
            ("[grpc]\nmax_connections_per_address = 100001", "grpc.max_connections_per_address"),
            ("[actors]\nissuer = \"i\"\naudience = \"a\"\njwks_file = \"f\"", "actors.algorithms"),
            ("[actors]\nissuer = \"i\"\naudience = \"a\"\nalgorithms = [\"EdDSA\"]", "actors.jwks_file"),
            (
                "[actors]\nissuer = \"i\"\naudience = \"a\"\nalgorithms = [\"HS256\"]\njwks_file = \"f\"",
                "actors.algorithms",
            ),
            ("[actors]\nmax_life = \"24h\"", "actors.max_life"),
        ] {
            let mistakes = parse(&format!("{good}{change}\n")).mistakes();
            assert!(mistakes.len() == 1 && mistakes[0].starts_with(names), "{mistakes:?}");
        }
        let plain = parse("[keys]\ndirectory = \"k\"\n[callers]\nfile = \"c\"\n").mistakes();
        assert!(plain.len() == 1 && plain[0].contains("plain text"), "{plain:?}");
    }
}
