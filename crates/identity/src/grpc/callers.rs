//! Who may call: a TOML file of names, what proves them, and scopes.
//!
//! ```toml
//! [[callers]]
//! name = "gateway"
//! token_sha256 = ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
//! scopes = ["password.reset", "forward-requester"]
//!
//! [[callers]]
//! name = "crm"
//! certificate_names = ["crm.internal"]
//! scopes = ["password.verify"]
//! ```
//!
//! A caller with tokens sends one of them; a caller with names of certificates connects with a certificate that has
//! one of them; a caller with both does both.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use anyhow::{Context as _, bail};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::peer::Peer;
use crate::ops::call::{Caller, Scope};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    callers: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    #[serde(default)]
    token_sha256: Vec<String>,
    #[serde(default)]
    certificate_names: Vec<String>,
    scopes: Vec<String>,
}

/// A caller, and the names of which its certificate must have one, if any.
struct Known {
    caller: Caller,
    certificate_names: Vec<String>,
}

/// The callers, found by the digest of their token or by their certificate. Looking up a digest tells nothing about the
/// token.
#[derive(Default)]
pub struct Callers {
    all: Vec<Known>,
    by_token: HashMap<[u8; 32], usize>,
    /// Those without tokens.
    by_certificate: HashMap<String, usize>,
}

impl Callers {
    /// Reads the file.
    ///
    /// # Errors
    /// Says which caller is wrong and why; no digest is shown.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("callers.file: {} cannot be read", path.display()))?;
        Self::parse(&text).with_context(|| format!("callers.file: {}", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        // The parser's own message would show the line, which may hold a digest.
        let file: File = toml::from_str(text).map_err(|error| anyhow::anyhow!("{}", error.message()))?;
        let mut callers = Self::default();
        for entry in file.callers {
            callers.add(entry)?;
        }
        if callers.all.is_empty() {
            bail!("no caller is listed, so nobody could call");
        }
        Ok(callers)
    }

    fn add(&mut self, entry: Entry) -> anyhow::Result<()> {
        let name = entry.name;
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if name.is_empty() || name.len() > 64 || !plain {
            bail!("a caller's name must be 1 to 64 letters, digits, '-', '_' or '.'");
        }
        if self.all.iter().any(|known| *known.caller.name == name) {
            bail!("caller {name} is there twice");
        }
        if entry.token_sha256.is_empty() && entry.certificate_names.is_empty() {
            bail!("caller {name}: needs at least one token_sha256 or one of certificate_names");
        }
        let index = self.all.len();
        for digest in &entry.token_sha256 {
            let digest = HEXLOWER_PERMISSIVE
                .decode(digest.as_bytes())
                .ok()
                .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
                .with_context(|| format!("caller {name}: a token_sha256 is not 64 hexadecimal digits"))?;
            if self.by_token.insert(digest, index).is_some() {
                bail!("caller {name}: a token is there twice");
            }
        }
        let certificate_names = certificate_names(&name, &entry.certificate_names)?;
        if entry.token_sha256.is_empty() {
            for certificate_name in &certificate_names {
                if self.by_certificate.insert(certificate_name.clone(), index).is_some() {
                    bail!("caller {name}: the certificate name {certificate_name} is there twice");
                }
            }
        }
        let scopes = scopes(&name, &entry.scopes)?;
        self.all.push(Known { caller: Caller { name: name.as_str().into(), scopes }, certificate_names });
        Ok(())
    }

    /// The caller of a request: exactly one `authorization` value, `Bearer` and a token; without any, the caller whose
    /// certificate the connection has.
    pub fn authenticate(&self, headers: &http::HeaderMap, peer: &Peer) -> Option<&Caller> {
        let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
        let known = match (values.next(), values.next()) {
            (Some(value), None) => self.by_token(value)?,
            (None, None) => self.by_certificate(peer)?,
            _ => return None,
        };
        let proven = known.certificate_names.is_empty()
            || known.certificate_names.iter().any(|name| peer.names().contains(name));
        proven.then_some(&known.caller)
    }

    fn by_token(&self, value: &http::HeaderValue) -> Option<&Known> {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if scheme.eq_ignore_ascii_case("bearer") { self.all.get(*self.by_token.get(&digest)?) } else { None }
    }

    /// A certificate with the names of two callers is nobody's.
    fn by_certificate(&self, peer: &Peer) -> Option<&Known> {
        let found: BTreeSet<usize> =
            peer.names().iter().filter_map(|name| self.by_certificate.get(name).copied()).collect();
        if found.len() == 1 { self.all.get(*found.first()?) } else { None }
    }
}

fn scopes(caller: &str, names: &[String]) -> anyhow::Result<BTreeSet<Scope>> {
    let scope = |name: &String| {
        Scope::parse(name)
            .with_context(|| format!("caller {caller}: there is no scope {name:?}; there are {}", all_scopes()))
    };
    names.iter().map(scope).collect()
}

/// DNS names in lower case, and URIs.
fn certificate_names(caller: &str, names: &[String]) -> anyhow::Result<Vec<String>> {
    let name = |name: &String| {
        if name.is_empty() || name.contains('*') || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!("caller {caller}: a certificate name must be a DNS name or a URI, and is taken as it stands");
        }
        Ok(if name.contains("://") { name.clone() } else { name.to_ascii_lowercase() })
    };
    names.iter().map(name).collect()
}

fn all_scopes() -> String {
    Scope::NAMES.map(|(_, name)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST_OF_TEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn file(name: &str, digest: &str, scope: &str) -> String {
        format!("[[callers]]\nname = \"{name}\"\ntoken_sha256 = [\"{digest}\"]\nscopes = [\"{scope}\"]\n")
    }

    #[test]
    fn a_caller_is_known_by_its_token_alone() {
        let callers = Callers::parse(&file("gateway", DIGEST_OF_TEST, "password.reset")).expect("parses");
        let caller = callers.authenticate(&bearer("test"), &Peer::default()).expect("known");
        assert_eq!(&*caller.name, "gateway");
        assert!(caller.has(Scope::PasswordReset));
        assert!(!caller.has(Scope::PasswordChange));
        assert!(callers.authenticate(&bearer("Test"), &Peer::default()).is_none());
    }

    #[test]
    fn only_one_bearer_value_is_believed() {
        let callers = Callers::parse(&file("gateway", DIGEST_OF_TEST, "password.reset")).expect("parses");
        let nobody = Peer::default();
        let mut headers = http::HeaderMap::new();
        assert!(callers.authenticate(&headers, &nobody).is_none(), "none");
        headers.insert("authorization", "Basic test".parse().expect("a value"));
        assert!(callers.authenticate(&headers, &nobody).is_none(), "another scheme");
        headers.insert("authorization", "Bearer test".parse().expect("a value"));
        assert!(callers.authenticate(&headers, &nobody).is_some());
        headers.append("authorization", "Bearer test".parse().expect("a value"));
        assert!(callers.authenticate(&headers, &nobody).is_none(), "two");
    }

    #[test]
    fn a_certificate_proves_a_caller_alone_or_beside_its_token() {
        let callers = Callers::parse(&format!(
            "[[callers]]\nname = \"both\"\ntoken_sha256 = [\"{DIGEST_OF_TEST}\"]\ncertificate_names = [\"Both.internal\"]\nscopes = []\n\
             [[callers]]\nname = \"crm\"\ncertificate_names = [\"crm.internal\", \"spiffe://kopi/crm\"]\nscopes = []\n\
             [[callers]]\nname = \"cms\"\ncertificate_names = [\"cms.internal\"]\nscopes = []\n"
        ))
        .expect("parses");
        let peer = |names: &[&str]| Peer::named(names);
        let silent = http::HeaderMap::new();
        let name = |headers: &http::HeaderMap, names: &[&str]| {
            callers.authenticate(headers, &peer(names)).map(|caller| caller.name.to_string())
        };
        assert_eq!(name(&silent, &["crm.internal"]).as_deref(), Some("crm"));
        assert_eq!(name(&silent, &["other.internal", "spiffe://kopi/crm"]).as_deref(), Some("crm"));
        assert_eq!(name(&silent, &["crm.internal", "cms.internal"]), None, "of two callers");
        assert_eq!(name(&silent, &["other.internal"]), None);
        assert_eq!(name(&silent, &["both.internal"]), None, "its token is missing");
        assert_eq!(name(&bearer("test"), &["crm.internal"]), None, "another's certificate");
        assert_eq!(name(&bearer("test"), &[]), None, "no certificate");
        assert_eq!(name(&bearer("test"), &["both.internal"]).as_deref(), Some("both"));
        assert_eq!(name(&bearer("wrong"), &["crm.internal"]), None, "who sends a token is judged by it");
    }

    #[test]
    fn a_certificate_name_is_taken_as_it_stands_and_is_no_pattern() {
        let parses = |name: &str| {
            let text = format!("[[callers]]\nname = \"crm\"\ncertificate_names = [\"{name}\"]\nscopes = []\n");
            Callers::parse(&text).is_ok()
        };
        for good in ["crm.internal", "spiffe://kopi/crm"] {
            assert!(parses(good), "{good}");
        }
        for bad in ["", "*.internal", "crm internal", "krém.internal"] {
            assert!(!parses(bad), "{bad}");
        }
    }

    fn bearer(token: &str) -> http::HeaderMap {
        [(http::header::AUTHORIZATION, format!("Bearer {token}").parse().expect("a value"))].into_iter().collect()
    }

    #[test]
    fn the_file_is_read_and_one_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("callers.toml");
        assert!(format!("{:#}", Callers::load(&path).err().expect("refused")).contains("cannot be read"));
        std::fs::write(&path, file("gateway", DIGEST_OF_TEST, "password.reset")).expect("written");
        let callers = Callers::load(&path).expect("parses");
        assert!(callers.authenticate(&bearer("test"), &Peer::default()).is_some());
    }

    #[test]
    fn a_name_has_1_to_64_plain_characters() {
        let parses = |name: &str| Callers::parse(&file(name, DIGEST_OF_TEST, "password.reset")).is_ok();
        for good in ["a", "crm-1.internal_x", &"a".repeat(64)] {
            assert!(parses(good), "{good}");
        }
        for bad in ["", " ", "a b", "a/b", "kopié", &"a".repeat(65)] {
            assert!(!parses(bad), "{bad}");
        }
    }

    #[test]
    fn mistakes_are_named_without_digests() {
        for (text, says) in [
            (file("gateway", "abc", "password.reset"), "64 hexadecimal digits"),
            (file("gateway", DIGEST_OF_TEST, "password.rest"), "no scope"),
            (file("gateway", DIGEST_OF_TEST, "password.rest"), "there are password.reset, "),
            (file("", DIGEST_OF_TEST, "password.reset"), "name"),
            (String::new(), "no caller"),
        ] {
            let error = format!("{:#}", Callers::parse(&text).err().expect("refused"));
            assert!(error.contains(says), "{error}");
            assert!(!error.contains(DIGEST_OF_TEST), "{error}");
        }
    }
}
