//! What people type into the box of "Forgot password".

use super::text::{at_most_bytes, no_control_characters, not_empty};
use super::violation::Problem;

/// The longest identifier, in bytes.
pub const MAX_BYTES: usize = 256;

/// Any text of 1 to 256 bytes without control characters. Whether it is a username or an address is
/// found out later, so that the answer is the same for every text. No `Debug`: people type passwords
/// into that box.
#[derive(Clone, PartialEq, Eq)]
pub struct Identifier(String);

impl Identifier {
    /// Takes what was typed, as it is.
    ///
    /// # Errors
    /// [`Problem::Empty`], [`Problem::TooLong`] or [`Problem::ControlCharacters`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        not_empty(text)?;
        at_most_bytes(text, MAX_BYTES)?;
        no_control_characters(text)?;
        Ok(Self(text.into()))
    }

    /// What was typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
