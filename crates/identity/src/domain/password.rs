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
    /// Takes a password to be compared with the stored hash.
    ///
    /// # Errors
    /// [`Problem::Empty`] or [`Problem::TooLong`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        not_empty(text)?;
        at_most_bytes(text, MAX_BYTES)?;
        let normalised = if is_nfc(text) {
            owned(text.chars())
        } else {
            owned(text.nfc())
        };
        // A few characters are longer in NFC.
        at_most_bytes(&normalised, MAX_BYTES)?;
        Ok(Self(normalised))
    }

    /// Takes a password that is to be set. Control characters are refused: nobody could type them again
    /// (RFC 8264's FreeformClass leaves them out too).
    ///
    /// # Errors
    /// [`Problem::Empty`], [`Problem::TooLong`] or [`Problem::ControlCharacters`].
    pub fn parse_new(text: &str) -> Result<Self, Problem> {
        let password = Self::parse(text)?;
        no_control_characters(text)?;
        Ok(password)
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
