//! What has to be right before anything starts. Every mistake is named, not only the first.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use runtime::config::read_secret;
use runtime::{ConfigError, Failure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use url::Url;

use super::{ActorsSettings, LimitSettings, Settings};
use crate::identity::{Signer, Upstream};
use crate::server::{Bounds, Proxies};
use crate::web::{Base, Cookies, Language};

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
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The identity service, and how we show who we are.
    pub upstream: Upstream,
    /// The keys of the cookies.
    pub cookies: Cookies,
    /// Signs for whom we call; none: our word alone.
    pub signer: Option<Signer>,
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
    Some(Base::of(&url))
}

fn limits(limits: &LimitSettings, mistakes: &mut Mistakes) {
    if !(1..=65_536).contains(&limits.connections) {
        mistakes.add("limits.connections", "must be between 1 and 65536");
    }
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(60));
    mistakes.within("limits.header_time", limits.header_time, least, most);
    mistakes.within("limits.body_time", limits.body_time, least, most);
}

fn tls(settings: &Settings, mistakes: &mut Mistakes) -> Option<Arc<rustls::ServerConfig>> {
    let (certificate, key) = match (&settings.tls.certificate, &settings.tls.key) {
        (Some(certificate), Some(key)) => (certificate, key),
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
    let chain = mistakes.take("tls.certificate", certificates(certificate));
    let key = mistakes.take("tls.key", PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error)));
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain?, key?);
    let mut config = mistakes.take("tls.certificate", config)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Some(Arc::new(config))
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

fn upstream(settings: &Settings, mistakes: &mut Mistakes) -> Option<Upstream> {
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
    let mut pem = |setting: &str, file: &Option<std::path::PathBuf>| {
        file.as_ref().and_then(|file| {
            let read = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()));
            mistakes.take(setting, read)
        })
    };
    let ca = pem("identity.ca_file", &identity.ca_file);
    let own = pem("identity.certificate", &identity.certificate).zip(pem("identity.key", &identity.key));
    mistakes.take("identity.url", Upstream::new(&identity.url, ca, own, token?))
}

fn cookies(settings: &Settings, mistakes: &mut Mistakes) -> Option<Cookies> {
    let cookie = &settings.cookie;
    // In development mode so short that its end can be tried.
    let least = Duration::from_secs(if settings.development { 1 } else { 60 });
    mistakes.within("cookie.session_life", cookie.session_life, least, Duration::from_secs(7 * 24 * 60 * 60));
    if cookie.key_file.as_os_str().is_empty() {
        mistakes.add("cookie.key_file", "not set; make one with: openssl rand -base64 64 | tr -d '\\n'");
        return None;
    }
    let text = mistakes.take("cookie.key_file", read_secret(&cookie.key_file))?;
    mistakes.take("cookie.key_file", Cookies::parse(&text, settings.public_url.starts_with("https:")))
}

fn signer(actors: &ActorsSettings, mistakes: &mut Mistakes) -> Option<Signer> {
    let Some(file) = &actors.key_file else {
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
    let pem = mistakes.take("actors.key_file", read_secret(file))?;
    mistakes.take("actors.key_file", Signer::new(&pem, actors.issuer.clone(), actors.audience.clone()))
}

#[cfg(test)]
mod tests;
