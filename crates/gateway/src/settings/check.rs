//! What has to be right before anything starts. Every mistake is named, not only the first.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runtime::config::read_secret;
use runtime::{ConfigError, Failure, Reloaded};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::{ActorsSettings, LimitSettings, Settings};
use crate::identity::{Signer, Upstream};
use crate::server::{Bounds, Proxies};
use crate::web::{Base, Cookies, Language};

/// The list of users makes up to 23 calls, and with less it could never be shown.
const BURST_LEAST: u32 = 30;

/// Settings that are known to be right, with what they point to.
pub struct Checked {
    /// Where people find the gateway.
    pub base: Base,
    /// For people whose browser asks for no language of ours.
    pub language: Language,
    /// Whose word about addresses counts.
    pub proxies: Proxies,
    /// How much a connection may take.
    pub bounds: Bounds,
    /// TLS of the port for people; none: plain HTTP.
    pub tls: Option<Arc<Reloaded<TlsAcceptor>>>,
    /// The identity service, and how we show who we are.
    pub upstream: Arc<Reloaded<Upstream>>,
    /// The keys of the cookies.
    pub cookies: Arc<Reloaded<Cookies>>,
    /// Signs for whom we call; none: our word alone.
    pub signer: Option<Arc<Reloaded<Signer>>>,
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

    /// The value of files, which is read again when they change; or nothing and a mistake more.
    fn load<T: Send + Sync + 'static>(
        &mut self,
        what: &'static str,
        files: Vec<PathBuf>,
        read: impl Fn() -> anyhow::Result<T> + Send + Sync + 'static,
    ) -> Option<Arc<Reloaded<T>>> {
        self.take(what, Reloaded::load(what, files, read).map_err(|error| format!("{error:#}"))).map(Arc::new)
    }

    fn within(&mut self, setting: &str, value: Duration, least: Duration, most: Duration) {
        if !(least..=most).contains(&value) {
            self.add(setting, format!("must be between {} s and {} s", least.as_secs(), most.as_secs()));
        }
    }
}

impl Settings {
    /// Checks everything, and reads what the settings point to.
    ///
    /// # Errors
    /// All mistakes, each with the setting's name, in one line.
    pub fn check(&self) -> Result<Checked, Failure> {
        let mut mistakes = Mistakes::default();
        let base = base(self, &mut mistakes);
        let language = mistakes.take("locale", Language::of(&self.locale).ok_or("must be id or en"));
        let proxies = mistakes.take("trusted_proxies", Proxies::parse(&self.trusted_proxies));
        let tls = tls(self, &mut mistakes);
        let upstream = upstream(self, &mut mistakes);
        let cookies = cookies(self, &mut mistakes);
        let signer = signer(&self.actors, &mut mistakes);
        limits(&self.limits, &mut mistakes);
        match (base, language, proxies, upstream, cookies) {
            (Some(base), Some(language), Some(proxies), Some(upstream), Some(cookies)) if mistakes.0.is_empty() => {
                let bounds = Bounds {
                    connections: self.limits.connections,
                    connections_per_address: self.limits.connections_per_address,
                    per_second: self.limits.requests_per_second,
                    burst: self.limits.request_burst,
                    header: self.limits.header_time,
                    body: self.limits.body_time,
                };
                Ok(Checked { base, language, proxies, bounds, tls, upstream, cookies, signer })
            }
            _ => Err(Failure::Config(mistakes.0.join("; "))),
        }
    }
}

fn base(settings: &Settings, mistakes: &mut Mistakes) -> Option<Base> {
    if settings.public_url.is_empty() {
        mistakes.add("public_url", "not set; set it to the https URL at which people find the gateway");
        return None;
    }
    let url = mistakes.take("public_url", settings.public_url.parse::<Url>().map_err(|_| "not a URL"))?;
    if url.host().is_none() || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        mistakes.add("public_url", "must have a host, and neither user, query nor fragment");
    }
    if url.scheme() != "https" && !(settings.development && url.scheme() == "http") {
        mistakes.add("public_url", "must begin with https:// (http:// in development mode)");
    }
    // What is plain needs no escapes in paths, cookies and the router's patterns.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    if !url.path().bytes().all(plain) || url.path().contains("//") {
        mistakes.add("public_url", "may have letters, digits and - . _ ~ in its path, with one / between them");
    }
    Some(Base::of(&url))
}

fn limits(limits: &LimitSettings, mistakes: &mut Mistakes) {
    for (setting, value) in
        [("limits.connections", limits.connections), ("limits.connections_per_address", limits.connections_per_address)]
    {
        if !(1..=65_536).contains(&value) {
            mistakes.add(setting, "must be between 1 and 65536");
        }
    }
    for (setting, value, least) in [
        ("limits.requests_per_second", limits.requests_per_second, 1),
        ("limits.request_burst", limits.request_burst, BURST_LEAST),
    ] {
        if !(least..=1_000_000).contains(&value) {
            mistakes.add(setting, format!("must be between {least} and 1000000"));
        }
    }
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(60));
    mistakes.within("limits.header_time", limits.header_time, least, most);
    mistakes.within("limits.body_time", limits.body_time, least, most);
}

fn tls(settings: &Settings, mistakes: &mut Mistakes) -> Option<Arc<Reloaded<TlsAcceptor>>> {
    let (certificate, key) = match (&settings.tls.certificate, &settings.tls.key) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
        (None, None) => {
            if !settings.development && settings.trusted_proxies.is_empty() {
                mistakes.add("tls.certificate", "not set; plain HTTP is for trusted_proxies or development mode");
            }
            return None;
        }
        _ => {
            mistakes.add("tls", "certificate and key belong together");
            return None;
        }
    };
    let chain = mistakes.take("tls.certificate", certificates(&certificate));
    let own = mistakes.take("tls.key", private_key(&key));
    chain.and(own)?;
    mistakes.load("tls", vec![certificate.clone(), key.clone()], move || {
        acceptor(&certificate, &key).map_err(anyhow::Error::msg)
    })
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, String> {
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(certificates(certificate)?, private_key(key)?);
    let mut config = config.map_err(|_| "these are not a certificate and its key")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unreadable(file, &error))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(chain) if chain.is_empty() => Err(format!("{} holds no certificate", file.display())),
        Ok(chain) => Ok(chain),
        Err(error) => Err(unreadable(file, &error)),
    }
}

fn unreadable(file: &Path, error: &rustls::pki_types::pem::Error) -> String {
    format!("cannot read {}: {error}", file.display())
}

fn upstream(settings: &Settings, mistakes: &mut Mistakes) -> Option<Arc<Reloaded<Upstream>>> {
    let identity = &settings.identity;
    let token = if identity.token_file.as_os_str().is_empty() {
        mistakes.add("identity.token_file", "not set; set it to a file with the bearer token of this caller");
        None
    } else {
        mistakes.take("identity.token_file", read_secret(&identity.token_file))
    };
    if identity.url.is_empty() {
        mistakes.add("identity.url", "not set; set it to the URL of the identity service");
        return None;
    }
    let url = mistakes.take("identity.url", identity.url.parse::<Url>().map_err(|_| "not a URL"))?;
    let loopback = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        _ => false,
    };
    if url.scheme() != "https" && !(settings.development && loopback && url.scheme() == "http") {
        mistakes.add("identity.url", "must begin with https:// (http:// on loopback in development mode)");
        return None;
    }
    if identity.certificate.is_some() != identity.key.is_some() {
        mistakes.add("identity", "certificate and key belong together");
    }
    let files = [
        ("identity.ca_file", &identity.ca_file),
        ("identity.certificate", &identity.certificate),
        ("identity.key", &identity.key),
    ];
    let given = files.into_iter().filter_map(|(setting, file)| Some((setting, file.as_deref()?)));
    let mut watched = vec![identity.token_file.clone()];
    let mut readable = token.is_some();
    for (setting, file) in given {
        readable &= mistakes.take(setting, pem(file)).is_some();
        watched.push(file.to_owned());
    }
    let identity = identity.clone();
    readable.then_some(())?;
    mistakes.load("identity", watched, move || {
        let read = |file: &Option<PathBuf>| file.as_deref().map(pem).transpose().map_err(anyhow::Error::msg);
        let own = read(&identity.certificate)?.zip(read(&identity.key)?);
        let token = read_secret(&identity.token_file)?;
        Upstream::new(&identity.url, read(&identity.ca_file)?, own, token).map_err(anyhow::Error::msg)
    })
}

fn pem(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

fn cookies(settings: &Settings, mistakes: &mut Mistakes) -> Option<Arc<Reloaded<Cookies>>> {
    let cookie = &settings.cookie;
    // In development mode so short that its end can be tried.
    let least = Duration::from_secs(if settings.development { 1 } else { 60 });
    mistakes.within("cookie.session_life", cookie.session_life, least, Duration::from_secs(7 * 24 * 60 * 60));
    if cookie.key_file.as_os_str().is_empty() {
        mistakes.add("cookie.key_file", "not set; make one with: openssl rand -base64 64 | tr -d '\\n'");
        return None;
    }
    let (file, secure) = (cookie.key_file.clone(), settings.public_url.starts_with("https:"));
    mistakes.load("cookie.key_file", vec![file.clone()], move || {
        Cookies::parse(&read_secret(&file)?, secure).map_err(anyhow::Error::msg)
    })
}

fn signer(actors: &ActorsSettings, mistakes: &mut Mistakes) -> Option<Arc<Reloaded<Signer>>> {
    let Some(file) = actors.key_file.clone() else {
        if !(actors.issuer.is_empty() && actors.audience.is_empty()) {
            mistakes.add("actors.key_file", "not set, though there is an issuer or an audience");
        }
        return None;
    };
    for (setting, value) in [("actors.issuer", &actors.issuer), ("actors.audience", &actors.audience)] {
        if value.is_empty() {
            mistakes.add(setting, "not set, though there is a key_file");
        }
    }
    let (issuer, audience) = (actors.issuer.clone(), actors.audience.clone());
    mistakes.load("actors.key_file", vec![file.clone()], move || {
        Signer::new(&read_secret(&file)?, issuer.clone(), audience.clone()).map_err(anyhow::Error::msg)
    })
}

#[cfg(test)]
mod tests;
