//! What the tests of a run knew and nobody else may: each world adds its secrets when it ends, looks for them in its
//! programs' logs, and the last test of all looks for them in the servers that all shared.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Kind, Scanner, Secret};
use crate::World;

/// Of one world; a few stand for all.
const TOKENS_OF_A_WORLD: usize = 4;

/// A line of the registry.
#[derive(Serialize, Deserialize)]
struct Line {
    kind: Kind,
    text: String,
}

fn file(worlds: &Path) -> PathBuf {
    worlds.join("secrets")
}

/// Adds to the registry.
///
/// # Errors
/// When it cannot be written.
pub fn add(worlds: &Path, secrets: &[Secret]) -> std::io::Result<()> {
    let mut lines = String::new();
    for secret in secrets {
        let text = String::from_utf8_lossy(&secret.bytes).into_owned();
        lines += &serde_json::to_string(&Line { kind: secret.kind, text })?;
        lines.push('\n');
    }
    // One write each, so that lines of several tests do not mix.
    OpenOptions::new().create(true).append(true).open(file(worlds))?.write_all(lines.as_bytes())
}

/// All secrets so far, each once.
pub fn read(worlds: &Path) -> Vec<Secret> {
    let text = fs::read_to_string(file(worlds)).unwrap_or_default();
    let lines: BTreeSet<&str> = text.lines().collect();
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    lines.into_iter().map(parse).map(|Line { kind, text }| Secret::new(kind, text)).collect()
}

impl World {
    /// What this world knows: tokens and addresses of its mails, its callers' tokens, its people's passwords.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        let mails = self.sink().mails();
        let tokens = mails.iter().rev().flat_map(|mail| mail.tokens()).take(TOKENS_OF_A_WORLD);
        let addresses = mails.iter().rev().flat_map(|mail| mail.to.clone()).take(TOKENS_OF_A_WORLD);
        let callers = self.sandi().plan().callers.iter().map(|caller| caller.token.clone());
        let passwords = self.passwords.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let all = tokens.map(|it| (Kind::Token, it)).chain(addresses.map(|it| (Kind::Address, it)));
        let all = all.chain(callers.map(|it| (Kind::Credential, it)));
        let all = all.chain(passwords.into_iter().map(|it| (Kind::Password, it)));
        // What is shorter may stand in a log as a word of its own.
        all.filter(|(_, text)| text.len() >= 12).map(|(kind, text)| Secret::new(kind, text)).collect()
    }

    /// Where one of them stands in a log of the programs; each with what is around it.
    pub(crate) fn leaks_in_logs(&self, secrets: &[Secret]) -> Vec<String> {
        let scanner = Scanner::of_common_forms(secrets);
        let logs = fs::read_dir(self.path("log")).into_iter().flatten().flatten();
        let scan = |log: fs::DirEntry| {
            let hits = scanner.find_as_it_is(&fs::read(log.path()).unwrap_or_default());
            hits.into_iter().next().map(|hit| format!("{}: {:?} {}", log.path().display(), hit.kind, hit.around))
        };
        logs.filter_map(scan).collect()
    }
}
