//! Who may call: a TOML file of names, digests of bearer tokens, and scopes.
//!
//! ```toml
//! [[callers]]
//! name = "gateway"
//! token_sha256 = ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
//! scopes = ["password.reset", "forward-requester"]
//! ```

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use anyhow::{Context as _, bail};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

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
    token_sha256: Vec<String>,
    scopes: Vec<String>,
}

/// The callers, found by the digest of their token. Looking up a digest tells nothing about the token.
pub struct Callers(HashMap<[u8; 32], Caller>);

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
        let mut names = BTreeSet::new();
        let mut callers = HashMap::new();
        for entry in file.callers {
            let name = entry.name;
            let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
            if name.is_empty() || name.len() > 64 || !plain {
                bail!("a caller's name must be 1 to 64 letters, digits, '-', '_' or '.'");
            }
            if !names.insert(name.clone()) {
                bail!("caller {name} is there twice");
            }
            let mut scopes = BTreeSet::new();
            for scope in &entry.scopes {
                let known = Scope::parse(scope).with_context(|| {
                    format!("caller {name}: there is no scope {scope:?}; there are {}", all_scopes())
                })?;
                scopes.insert(known);
            }
            let caller = Caller { name: name.as_str().into(), scopes };
            if entry.token_sha256.is_empty() {
                bail!("caller {name}: token_sha256 must hold at least one digest");
            }
            for digest in entry.token_sha256 {
                let digest = HEXLOWER_PERMISSIVE
                    .decode(digest.as_bytes())
                    .ok()
                    .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
                    .with_context(|| format!("caller {name}: a token_sha256 is not 64 hexadecimal digits"))?;
                if callers.insert(digest, caller.clone()).is_some() {
                    bail!("caller {name}: a token is there twice");
                }
            }
        }
        if callers.is_empty() {
            bail!("no caller is listed, so nobody could call");
        }
        Ok(Self(callers))
    }

    /// The caller a bearer token belongs to.
    pub fn by_token(&self, token: &str) -> Option<&Caller> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        self.0.get(&digest)
    }

    /// The caller of a request: exactly one `authorization` value, `Bearer` and a token.
    pub fn authenticate(&self, headers: &http::HeaderMap) -> Option<&Caller> {
        let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") { self.by_token(token) } else { None }
    }
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
        let caller = callers.by_token("test").expect("known");
        assert_eq!(&*caller.name, "gateway");
        assert!(caller.has(Scope::PasswordReset));
        assert!(!caller.has(Scope::PasswordChange));
        assert!(callers.by_token("Test").is_none());
    }

    #[test]
    fn only_one_bearer_value_is_believed() {
        let callers = Callers::parse(&file("gateway", DIGEST_OF_TEST, "password.reset")).expect("parses");
        let mut headers = http::HeaderMap::new();
        assert!(callers.authenticate(&headers).is_none(), "none");
        headers.insert("authorization", "Basic test".parse().expect("a value"));
        assert!(callers.authenticate(&headers).is_none(), "another scheme");
        headers.insert("authorization", "Bearer test".parse().expect("a value"));
        assert!(callers.authenticate(&headers).is_some());
        headers.append("authorization", "Bearer test".parse().expect("a value"));
        assert!(callers.authenticate(&headers).is_none(), "two");
    }

    #[test]
    fn mistakes_are_named_without_digests() {
        for (text, says) in [
            (file("gateway", "abc", "password.reset"), "64 hexadecimal digits"),
            (file("gateway", DIGEST_OF_TEST, "password.rest"), "no scope"),
            (file("", DIGEST_OF_TEST, "password.reset"), "name"),
            (String::new(), "no caller"),
        ] {
            let error = format!("{:#}", Callers::parse(&text).err().expect("refused"));
            assert!(error.contains(says), "{error}");
            assert!(!error.contains(DIGEST_OF_TEST), "{error}");
        }
    }
}
