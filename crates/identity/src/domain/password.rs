//! Passwords in clear, and what a new one must be like.

use unicode_normalization::{UnicodeNormalization as _, is_nfc};
use zeroize::Zeroizing;

use super::text::{at_most_bytes, no_control_characters, not_empty};
use super::violation::Problem;

pub use super::password_policy::{PasswordContext, PasswordPolicy, PasswordRule, check};

/// The longest password, in bytes. Long passwords are hashed whole, never cut (NIST SP 800-63B-4); the
/// bound keeps normalisation and hashing cheap (OWASP Password Storage).
pub const MAX_BYTES: usize = 1024;

/// A password in Unicode NFC, otherwise as it was typed: nothing trimmed, nothing cut. It never prints,
/// and is wiped when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password. Control characters are refused: nobody could type them again (RFC 8264's FreeformClass leaves
    /// them out too).
    ///
    /// # Errors
    /// [`Problem::Empty`], [`Problem::TooLong`] or [`Problem::ControlCharacters`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        not_empty(text)?;
        at_most_bytes(text, MAX_BYTES)?;
        no_control_characters(text)?;
        let normalised = if is_nfc(text) { owned(text.chars()) } else { owned(text.nfc()) };
        // A few characters are longer in NFC.
        at_most_bytes(&normalised, MAX_BYTES)?;
        Ok(Self(normalised))
    }

    /// The password in clear.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Collects into a buffer that never moves: a `String` that grows leaves copies behind.
fn owned(characters: impl Iterator<Item = char>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(3 * MAX_BYTES));
    text.extend(characters);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::violation::Unit;

    fn parse(text: &str) -> Result<String, Problem> {
        Password::parse(text).map(|password| password.expose().to_owned())
    }

    #[test]
    fn a_password_is_kept_whole_and_in_nfc() {
        assert_eq!(parse(" kopi susu  "), Ok(" kopi susu  ".into()));
        assert_eq!(parse("cafe\u{301}"), Ok("café".into()));
        assert_eq!(parse("ﬁ"), Ok("ﬁ".into()));
        assert_eq!(parse("😀🔑"), Ok("😀🔑".into()));
    }

    #[test]
    fn the_limit_is_1024_bytes() {
        assert_eq!(parse(""), Err(Problem::Empty));
        assert!(parse(&"a".repeat(1024)).is_ok());
        let too_long = Err(Problem::TooLong { limit: 1024, unit: Unit::Bytes });
        assert_eq!(parse(&"a".repeat(1025)), too_long);
        // U+0958 is six bytes in NFC, three as typed.
        assert_eq!(parse(&"\u{958}".repeat(341)), too_long);
    }

    #[test]
    fn a_password_has_no_characters_that_cannot_be_typed() {
        for text in ["kopi\0susu", "kopi\tsusu", "kopi susu\n", "kopi\u{85}susu"] {
            assert_eq!(parse(text), Err(Problem::ControlCharacters), "{text:?}");
        }
    }

    #[test]
    fn the_buffer_is_large_enough_for_any_normal_form() {
        let worst = "\u{958}".repeat(1024 / 3);
        assert_eq!(owned(worst.nfc()).capacity(), 3 * MAX_BYTES);
    }
}
