//! Usernames: one canonical form, at write and at look-up.

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation;

use super::text::{at_most_bytes, no_control_characters, not_empty};
use super::violation::{Problem, Unit};

/// The longest username, in bytes of its canonical form.
pub const MAX_BYTES: usize = 256;

/// A canonical username (RFC 8265, UsernameCaseMapped), compared as bytes and unique in the instance.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Username(String);

impl Username {
    /// Makes the canonical form: wide and narrow forms, case and Unicode NFC are evened out; spaces,
    /// symbols outside ASCII and invisible characters are refused.
    ///
    /// # Errors
    /// What is wrong with the text as a username.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        not_empty(text)?;
        // Canonical forms can be shorter than what was typed, but not by this much.
        at_most_bytes(text, 4 * MAX_BYTES).map_err(|_| too_long())?;
        no_control_characters(text)?;
        let canonical = UsernameCaseMapped::enforce(text).map_err(|_| Problem::NotAUsername)?;
        at_most_bytes(&canonical, MAX_BYTES)?;
        // A few capital letters have a small form that is not allowed itself: their names could never be
        // looked up by what they are stored as.
        if UsernameCaseMapped::enforce(canonical.as_ref()).as_deref() != Ok(canonical.as_ref()) {
            return Err(Problem::NotAUsername);
        }
        Ok(Self(canonical.into_owned()))
    }

    /// Takes a username that is canonical already, as the database gives it back.
    pub fn from_stored(canonical: String) -> Self {
        Self(canonical)
    }

    /// The canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it looks like an address. Such a username must be the user's own address
    /// (Keycloak GHSA-4vc8-pg5c-vg4x: else one can catch another's mail).
    pub fn is_address_like(&self) -> bool {
        self.0.contains('@')
    }
}

fn too_long() -> Problem {
    Problem::TooLong { limit: MAX_BYTES, unit: Unit::Bytes }
}

/// The canonical form of what somebody typed, for a look-up; `None`: it cannot be any username.
pub fn canonical_for_lookup(text: &str) -> Option<String> {
    Username::parse(text).ok().map(|username| username.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Result<String, Problem> {
        Username::parse(text).map(|username| username.0)
    }

    /// Frozen: a newer Unicode table in a dependency must not move anybody's name unseen.
    const VECTORS: &[(&str, &str)] = &[
        ("budi", "budi"),
        ("Budi.Santoso", "budi.santoso"),
        ("SARI_01", "sari_01"),
        ("Wayan-Kopi", "wayan-kopi"),
        ("Budi@Kopi.Example", "budi@kopi.example"),
        ("a+b!#$%&'*/=?^_`{|}~", "a+b!#$%&'*/=?^_`{|}~"),
        ("ÅSA", "åsa"),
        ("A\u{30a}sa", "åsa"),
        ("Ｂｕｄｉ", "budi"),
        ("ﾊﾝ", "ハン"),
        ("STRASSE", "strasse"),
        ("straße", "straße"),
        ("ΠΛΆΤΩΝ", "πλάτων"),
        ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
        ("σίσυφος", "σίσυφος"),
        ("ДМИТРИЙ", "дмитрий"),
        ("İstanbul", "i\u{307}stanbul"),
        ("ısparta", "ısparta"),
        ("ꦧꦸꦢꦶ", "ꦧꦸꦢꦶ"),
        ("עברית", "עברית"),
        ("l·l", "l·l"),
    ];

    #[test]
    fn canonical_forms_stay_as_they_were_frozen() {
        for (typed, expected) in VECTORS {
            assert_eq!(canonical(typed).as_deref(), Ok(*expected), "{typed}");
        }
    }

    #[test]
    fn what_rfc_8265_forbids_is_no_username() {
        for text in [
            "budi santoso",
            " budi",
            "budi\u{a0}santoso",
            "budi\u{3000}santoso",
            "budi\u{200b}",
            "bu\u{200d}di",
            "\u{feff}budi",
            "budi\u{202e}idub",
            "bu\u{ad}di",
            "\u{2126}",
            "\u{212a}opi",
            "ﬁnn",
            "Ⅳ",
            "♥",
            "😀",
            "henry\u{2163}",
            "·",
            "אa",
            "\u{e000}",
            "\u{fffe}",
            "\u{378}",
            "\u{13a0}",
        ] {
            assert_eq!(canonical(text), Err(Problem::NotAUsername), "{text:?}");
            assert_eq!(canonical_for_lookup(text), None, "{text:?}");
        }
    }

    #[test]
    fn empty_and_control_characters_have_reasons_of_their_own() {
        assert_eq!(canonical(""), Err(Problem::Empty));
        for text in ["bu\0di", "budi\n", "\tbudi", "bu\u{7f}di", "bu\u{85}di"] {
            assert_eq!(canonical(text), Err(Problem::ControlCharacters), "{text:?}");
        }
    }

    #[test]
    fn two_hundred_and_fifty_six_bytes_are_the_limit() {
        let too_long = Err(Problem::TooLong { limit: 256, unit: Unit::Bytes });
        assert!(canonical(&"a".repeat(256)).is_ok());
        assert_eq!(canonical(&"a".repeat(257)), too_long);
        assert!(canonical(&"é".repeat(128)).is_ok());
        assert_eq!(canonical(&"é".repeat(129)), too_long);
        // Full-width letters are three bytes as typed and one when canonical.
        assert!(canonical(&"ａ".repeat(256)).is_ok());
        assert_eq!(canonical(&"a".repeat(1_000_000)), too_long);
    }

    #[test]
    fn the_canonical_form_of_a_canonical_form_is_itself() {
        for character in ('\0'..=char::MAX).filter(|character| !character.is_control()) {
            let Ok(once) = canonical(&character.to_string()) else { continue };
            assert_eq!(canonical(&once).as_ref(), Ok(&once), "U+{:04X}", u32::from(character));
            let prefixed = canonical(&format!("a{character}b"));
            if let Ok(once) = prefixed {
                assert_eq!(canonical(&once).as_ref(), Ok(&once), "aU+{:04X}b", u32::from(character));
            }
        }
    }

    #[test]
    fn a_name_with_an_at_sign_looks_like_an_address() {
        assert!(Username::parse("budi@kopi.example").unwrap().is_address_like());
        assert!(Username::parse("budi＠kopi").unwrap().is_address_like());
        assert!(!Username::parse("budi.kopi.example").unwrap().is_address_like());
    }
}
