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
            return Err(Problem::TooLong { limit: LOCAL_PART_MAX_BYTES, unit: Unit::Bytes });
        }
        at_most_bytes(&text, MAX_BYTES)?;
        Ok(Self { at: local_part.len(), text })
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
    Problem::TooLong { limit: MAX_BYTES, unit: Unit::Bytes }
}

fn is_dot_atom(local_part: &str) -> bool {
    local_part.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom_character))
}

/// RFC 5322 3.2.3 `atext`; beyond ASCII whatever can be seen.
fn is_atom_character(character: char) -> bool {
    match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        ascii if ascii.is_ascii() => "!#$%&'*+-/=?^_`{|}~".contains(ascii),
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => false,
        other => !other.is_whitespace(),
    }
}

/// The A-labels of a domain (RFC 5891 by way of UTS #46), two at least, the last not a number.
fn ascii_domain(domain: &str) -> Option<String> {
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .ok()?;
    let (_, top) = ascii.rsplit_once('.')?;
    if top.bytes().all(|byte| byte.is_ascii_digit()) { None } else { Some(ascii.into_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, Problem> {
        Address::parse(text).map(|address| address.text)
    }

    #[test]
    fn ascii_letters_are_lowered_and_the_domain_becomes_a_labels() {
        for (typed, stored) in [
            ("budi@kopi.example", "budi@kopi.example"),
            ("Budi.Santoso+Reset@KOPI.Example", "budi.santoso+reset@kopi.example"),
            ("budi@Köpi.example", "budi@xn--kpi-sna.example"),
            ("budi@xn--kpi-sna.example", "budi@xn--kpi-sna.example"),
            ("budi@ＫＯＰＩ.example", "budi@kopi.example"),
            ("BÜDI@kopi.example", "bÜdi@kopi.example"),
            ("o'brien@kopi.example", "o'brien@kopi.example"),
            ("budi@a.b.c.co.id", "budi@a.b.c.co.id"),
            ("budi@9gag.example", "budi@9gag.example"),
            ("budi@my_host.example", ""),
        ] {
            let expected = if stored.is_empty() { Err(Problem::NotAnAddress) } else { Ok(stored.to_owned()) };
            assert_eq!(parse(typed), expected, "{typed}");
        }
    }

    #[test]
    fn nothing_but_ascii_letters_is_folded_in_the_local_part() {
        // CVE-2019-19844: each of these once reached the mailbox of another.
        for (one, other) in [
            ("mıke@kopi.example", "mike@kopi.example"),
            ("\u{212a}opi@kopi.example", "kopi@kopi.example"),
            ("ﬁnn@kopi.example", "finn@kopi.example"),
            ("búdi@kopi.example", "budi@kopi.example"),
            ("bu\u{301}di@kopi.example", "búdi@kopi.example"),
            ("ｂｕｄｉ@kopi.example", "budi@kopi.example"),
        ] {
            assert_ne!(parse(one), parse(other), "{one}");
        }
    }

    #[test]
    fn anything_but_one_mailbox_is_refused() {
        for text in [
            "budi",
            "@kopi.example",
            "budi@",
            "budi@kopi",
            "budi@localhost",
            "budi@kopi..example",
            "budi@.kopi.example",
            "budi@kopi.example.",
            "budi@-kopi.example",
            "budi@kopi-.example",
            "budi@[127.0.0.1]",
            "budi@127.0.0.1",
            "budi@ko pi.example",
            "budi@kopi.example ",
            " budi@kopi.example",
            "bu di@kopi.example",
            ".budi@kopi.example",
            "budi.@kopi.example",
            "bu..di@kopi.example",
            "\"bu di\"@kopi.example",
            "a@kopi.example,b@kopi.example",
            "a@kopi.example;b@kopi.example",
            "a@b@kopi.example",
            "Budi <budi@kopi.example>",
            "<budi@kopi.example>",
            "budi(x)@kopi.example",
            "budi:x@kopi.example",
            "budi\\@kopi.example",
            "bu\u{200b}di@kopi.example",
            "bu\u{3000}di@kopi.example",
            "bu\u{202e}di@kopi.example",
            "budi＠kopi.example",
            "budi@kopi.example%0d%0abcc:x@y.example",
        ] {
            assert_eq!(parse(text), Err(Problem::NotAnAddress), "{text:?}");
        }
    }

    #[test]
    fn empty_and_control_characters_have_reasons_of_their_own() {
        assert_eq!(parse(""), Err(Problem::Empty));
        for text in ["budi\r\n@kopi.example", "budi\0@kopi.example", "budi@kopi.example\n"] {
            assert_eq!(parse(text), Err(Problem::ControlCharacters), "{text:?}");
        }
    }

    #[test]
    fn limits_are_those_of_smtp() {
        let too_long = |limit| Err(Problem::TooLong { limit, unit: Unit::Bytes });
        let local = |length: usize| format!("{}@kopi.example", "a".repeat(length));
        assert!(parse(&local(64)).is_ok());
        assert_eq!(parse(&local(65)), too_long(64));
        let label = "b".repeat(61);
        let whole = |length: usize| {
            let domain = format!("{label}.{label}.{label}.example");
            format!("{}@{domain}", "a".repeat(length - domain.len() - 1))
        };
        assert_eq!(whole(254).len(), 254);
        assert!(parse(&whole(254)).is_ok());
        assert_eq!(parse(&whole(255)), too_long(254));
        assert_eq!(parse(&format!("a@{}", "b".repeat(1_000_000))), too_long(254));
    }

    #[test]
    fn a_mask_shows_the_first_letter_and_the_domain() {
        let masked = |text| Address::parse(text).unwrap().masked();
        assert_eq!(masked("budi@kopi.example"), "b***@kopi.example");
        assert_eq!(masked("bu@kopi.example"), "b***@kopi.example");
        assert_eq!(masked("b@kopi.example"), "***@kopi.example");
        assert_eq!(masked("éva@kopi.example"), "é***@kopi.example");
    }

    #[test]
    fn the_parts_are_at_hand() {
        let address = Address::parse("Budi@Köpi.example").unwrap();
        assert_eq!(address.local_part(), "budi");
        assert_eq!(address.domain(), "xn--kpi-sna.example");
        assert!(Address::from_stored(address.as_str().into()).unwrap() == address);
        assert!(Address::from_stored("budi".into()).is_none());
    }

    #[test]
    fn a_username_may_be_the_own_address_only() {
        let address = Address::parse("budi@köpi.example").unwrap();
        let named = |username| address.is_named_by(&Username::parse(username).unwrap());
        assert!(named("Budi@Köpi.Example"));
        assert!(named("budi@xn--kpi-sna.example"));
        assert!(!named("sari@köpi.example"));
        assert!(!named("budi"));
        assert!(!named("budi@"));
    }
}
