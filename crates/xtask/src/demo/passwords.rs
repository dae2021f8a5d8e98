//! The passwords of the demo's people, as far as demo commands set them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use testbed::{private::write_private, random};

use crate::up::{PASSWORD, PASSWORDS};

/// A file of usernames and passwords, over the password that all began with.
pub struct Passwords {
    file: PathBuf,
}

impl Passwords {
    /// Those of the demo in this directory.
    pub fn new(directory: &Path) -> Self {
        Self { file: directory.join(PASSWORDS) }
    }

    /// The current one, as far as we know.
    pub fn of(&self, name: &str) -> String {
        self.read().remove(name).unwrap_or_else(|| PASSWORD.to_owned())
    }

    /// Remembers a new one.
    pub fn remember(&self, name: &str, password: &str) -> Result<()> {
        let mut all = self.read();
        all.insert(name.to_owned(), password.to_owned());
        write_private(&self.file, &serde_json::to_string(&all)?)
    }

    fn read(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// A new password that one can say and type: four different words and a number.
pub fn invent() -> String {
    let mut words = WORDS.to_vec();
    let bytes: [u8; 6] = random::bytes();
    let chosen: Vec<&str> = bytes[..4].iter().map(|byte| words.swap_remove(usize::from(*byte) % words.len())).collect();
    format!("{}-{}", chosen.join("-"), u16::from_ne_bytes([bytes[4], bytes[5]]) % 900 + 100)
}

const WORDS: [&str; 32] = [
    "angin", "bambu", "cendana", "delima", "embun", "fajar", "gerhana", "hujan", "intan", "jambu", "kenari", "lereng",
    "melati", "nipah", "ombak", "pelita", "rakit", "selasih", "telaga", "ufuk", "wangi", "yoyo", "zamrud", "bukit",
    "cemara", "danau", "gambir", "jendela", "kembang", "lembah", "muara", "pandan",
];
