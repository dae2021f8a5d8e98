//! E-mail addresses.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::text::{at_most_bytes, no_control_characters, not_empty};
use super::username::Username;
use super::violation::{Problem, Unit};

/// The longest address in bytes (RFC 5321 4.5.3.1.3 less the angle brackets).
pub const MAX_BYTES: usize = 254;
/// The longest local part in bytes (RFC 5321 4.5.3.1.1).
pub const LOCAL_PART_MAX_BYTES: usize = 64;

/// Exactly one mailbox, in the form that is stored, looked up and mailed to, byte for byte:
/// ASCII letters lower-cased, the domain as A-labels, nothing else folded (CVE-2019-19844).
/// No `Debug`: addresses stand in no log.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    text: String,
    at: usize,
}

impl Address {
    /// Reads one address: a dot-atom (RFC 5322 3.4.1; letters beyond ASCII by RFC 6532), `@`, a domain
    /// of two labels at least. Quoted local parts, comments and domain literals are refused.
    ///
    /// # Errors
    /// What is wrong with the text as an address.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        not_empty(text)?;
        no_control_characters(text)?;
        // Before the domain is looked at: its normalisation costs time.
        at_most_bytes(text, 4 * MAX_BYTES).map_err(|_| too_long())?;
        let (local_part, domain) = text.rsplit_once('@').ok_or(Problem::NotAnAddress)?;
        if !is_dot_atom(local_part) {
            return Err(Problem::NotAnAddress);
        }
        let domain = ascii_domain(domain).ok_or(Problem::NotAnAddress)?;
        let text = format!("{}@{domain}", local_part.to_ascii_lowercase());
        if local_part.len() > LOCAL_PART_MAX_BYTES {
            return Err(Problem::TooLong {
                limit: LOCAL_PART_MAX_BYTES,
                unit: Unit::Bytes,
            });
        }
        at_most_bytes(&text, MAX_BYTES)?;
        Ok(Self {
            at: local_part.len(),
            text,
        })
    }

    /// Takes an address as the database gives it back; `None` if it holds no `@`.
    pub fn from_stored(text: String) -> Option<Self> {
        let at = text.rfind('@')?;
        Some(Self { text, at })
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`.
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands after the `@`, as A-labels.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The form for people who may know that there is an address, but not which: `b***@kopi.example`.
    /// A local part of one character is hidden whole.
    pub fn masked(&self) -> String {
        let mut characters = self.local_part().chars();
        let first = characters.next().filter(|_| characters.next().is_some());
        let mut masked = first.map(String::from).unwrap_or_default();
        masked.push_str("***@");
        masked.push_str(self.domain());
        masked
    }

    /// Whether a username with an `@` is this very address.
    pub fn is_named_by(&self, username: &Username) -> bool {
        Self::parse(username.as_str()).is_ok_and(|named| named == *self)
    }
}

fn too_long() -> Problem {
    Problem::TooLong {
        limit: MAX_BYTES,
        unit: Unit::Bytes,
    }
}

fn is_dot_atom(local_part: &str) -> bool {
    local_part
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atom_character))
}

/// RFC 5322 3.2.3 `atext`; beyond ASCII whatever can be seen.
fn is_atom_character(character: char) -> bool {
    match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        ascii if ascii.is_ascii() => "!#$%&'*+-/=?^_`{|}~".contains(ascii),
        '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => false,
        other => !other.is_whitespace(),
    }
}

/// The A-labels of a domain (RFC 5891 by way of UTS #46), two at least, the last not a number.
fn ascii_domain(domain: &str) -> Option<String> {
    let ascii = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        )
        .ok()?;
    let (_, top) = ascii.rsplit_once('.')?;
    if top.bytes().all(|byte| byte.is_ascii_digit()) {
        None
    } else {
        Some(ascii.into_owned())
    }
}
