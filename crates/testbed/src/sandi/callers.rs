//! The callers of the demo and of the tests.

use std::{fs, path::Path};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::random;

/// What the web gateway may do; it proves by signed tokens for which admin it acts.
pub const GATEWAY: &[&str] =
    &["password.reset", "password.change", "password.verify", "password.admin", "directory.read", "forward-requester"];
/// What the CRM's services may do.
pub const CRM: &[&str] = &[
    "password.verify",
    "password.change",
    "password.admin",
    "directory.read",
    "directory.write",
    "directory.admin",
    "forward-requester",
    "assert-actor",
];
/// What the support desk may do.
pub const SUPPORT: &[&str] = &["support.read", "support.act", "audit.read"];

/// A caller and its bearer token.
#[derive(Clone, Serialize, Deserialize)]
pub struct Caller {
    /// Its name in logs and audit.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The token that it sends; the identity service knows only its digest.
    pub token: String,
}

impl Caller {
    /// A caller with a token drawn now.
    pub fn new(name: &str, scopes: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            token: random::secret(),
        }
    }

    /// The same with a scope more.
    #[must_use]
    pub fn and(mut self, scope: &str) -> Self {
        self.scopes.push(scope.to_owned());
        self
    }

    /// The three callers that everybody has: `gateway`, `crm` and `support`.
    pub fn usual() -> Vec<Self> {
        vec![Self::new("gateway", GATEWAY), Self::new("crm", CRM), Self::new("support", SUPPORT)]
    }
}

#[derive(Serialize)]
struct File {
    callers: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    token_sha256: Vec<String>,
    scopes: Vec<String>,
}

/// Writes the file of `callers.file`: names, digests and scopes.
pub(super) fn write(file: &Path, callers: &[Caller]) -> Result<()> {
    let callers = callers
        .iter()
        .map(|caller| Entry {
            name: caller.name.clone(),
            token_sha256: vec![hex(&Sha256::digest(&caller.token))],
            scopes: caller.scopes.clone(),
        })
        .collect();
    Ok(fs::write(file, toml::to_string(&File { callers })?)?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
