//! Looks for many secrets in many forms at once.

use aho_corasick::AhoCorasick;
use serde::{Deserialize, Serialize};

use super::encodings;

/// What is shorter stands anywhere by chance.
pub const LENGTH_MIN: usize = 8;
/// The forms in which programs most often write things.
const COMMON: [&str; 4] = ["raw", "base64", "base64url", "hex"];

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// A link's token.
    Token,
    /// Somebody's password, past or present, right or wrong.
    Password,
    /// What somebody typed instead of a username.
    Typed,
    /// A program's login or a caller's bearer token.
    Credential,
    /// A private key.
    Key,
    /// Somebody's address.
    Address,
    /// Somebody's username, name or network address.
    Person,
}

/// One of them.
#[derive(Clone)]
pub struct Secret {
    /// What it is.
    pub kind: Kind,
    /// Itself.
    pub bytes: Vec<u8>,
}

impl Secret {
    /// A secret to be looked for.
    ///
    /// # Panics
    /// When it is so short that it may stand anywhere by chance.
    pub fn new(kind: Kind, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        assert!(bytes.len() >= LENGTH_MIN, "a {kind:?} of {} bytes may stand anywhere by chance", bytes.len());
        Self { kind, bytes }
    }
}

/// Where a secret stands.
#[derive(Debug)]
pub struct Hit {
    /// What it is.
    pub kind: Kind,
    /// In which form.
    pub form: &'static str,
    /// What stands around it.
    pub around: String,
}

/// Finds them.
pub struct Scanner {
    automaton: AhoCorasick,
    /// What each pattern of the automaton is.
    patterns: Vec<(Kind, &'static str)>,
}

impl Scanner {
    /// Looks for these in every form.
    ///
    /// # Panics
    /// When there are far too many.
    pub fn new(secrets: &[Secret]) -> Self {
        Self::of_forms(secrets, |_| true)
    }

    /// Looks for very many in the forms that programs most often write.
    ///
    /// # Panics
    /// As [`Scanner::new`].
    pub fn of_common_forms(secrets: &[Secret]) -> Self {
        Self::of_forms(secrets, |form| COMMON.contains(&form))
    }

    fn of_forms(secrets: &[Secret], wanted: impl Fn(&str) -> bool) -> Self {
        let mut forms = Vec::new();
        let mut patterns = Vec::new();
        for secret in secrets {
            for (form, bytes) in encodings::of(&secret.bytes).into_iter().filter(|(form, _)| wanted(form)) {
                patterns.push((secret.kind, form));
                forms.push(bytes);
            }
        }
        Self { automaton: AhoCorasick::new(forms).expect("there are not too many"), patterns }
    }

    /// All that stands in `text`, as it is and with broken lines joined: mails break them after 76 characters, with
    /// and without an equals sign.
    pub fn find(&self, text: &[u8]) -> Vec<Hit> {
        let mut hits = self.find_as_it_is(text);
        for breaks in [&[&b"=\r\n"[..], b"=\n"], &[&b"\r"[..], b"\n"]] {
            hits.extend(self.find_as_it_is(&without(text, breaks)));
        }
        hits
    }

    /// All that stands in `bytes`, which are no lines of text.
    pub fn find_as_it_is(&self, bytes: &[u8]) -> Vec<Hit> {
        let hit = |found: aho_corasick::Match| {
            let (kind, form) = self.patterns[found.pattern().as_usize()];
            let around = &bytes[found.start().saturating_sub(160)..(found.end() + 160).min(bytes.len())];
            Hit { kind, form, around: String::from_utf8_lossy(around).into_owned() }
        };
        self.automaton.find_overlapping_iter(bytes).map(hit).collect()
    }
}

fn without(text: &[u8], breaks: &[&[u8]]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.first() {
        match breaks.iter().find(|it| rest.starts_with(it)) {
            Some(it) => rest = &rest[it.len()..],
            None => {
                kept.push(*first);
                rest = &rest[1..];
            }
        }
    }
    kept
}

#[test]
fn the_scanner_finds_a_secret_in_every_form_and_nothing_where_there_is_none() {
    let secret = "Kopi pahit & gula=7\"ü";
    let scanner = Scanner::new(&[Secret::new(Kind::Password, secret)]);
    let noise = b"timestamp 2026-11-23T20:51:08Z {\"level\": \"TRACE\"} Kopi manis = 42 \r\n".repeat(50);
    assert!(scanner.find(&noise).is_empty());
    for (form, bytes) in encodings::of(secret.as_bytes()) {
        let planted = [&noise[..], &bytes, &noise].concat();
        assert!(scanner.find(&planted).iter().any(|hit| hit.form == form), "{form}");
    }
    // Within longer texts, at every offset, and broken into lines.
    use base64::{Engine, engine::general_purpose::STANDARD};
    for before in 0..6 {
        let text = format!("{}{secret} and more", "x".repeat(before));
        assert!(!scanner.find(STANDARD.encode(&text).as_bytes()).is_empty(), "{before}");
    }
    let (head, tail) = secret.split_at(9);
    assert!(!scanner.find(format!("{head}=\r\n{tail}").as_bytes()).is_empty());
    assert!(!scanner.find(format!("{head}\n{tail}").as_bytes()).is_empty());
    assert!(!scanner.find(format!("{:?}", secret.as_bytes()).as_bytes()).is_empty());
}
