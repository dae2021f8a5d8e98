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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::violation::Unit;

    #[test]
    fn any_text_is_taken_as_it_is() {
        for text in
            ["budi", "Budi@Kopi.Example", " two words ", "😀", "\u{202e}idub\u{200b}", "' OR 1=1 --", &"x".repeat(256)]
        {
            assert_eq!(Identifier::parse(text).map(|identifier| identifier.0), Ok(text.to_owned()));
        }
    }

    #[test]
    fn only_empty_long_and_control_characters_are_refused() {
        let parse = |text: &str| Identifier::parse(text).map(|identifier| identifier.0);
        assert_eq!(parse(""), Err(Problem::Empty));
        assert_eq!(parse(&"x".repeat(257)), Err(Problem::TooLong { limit: 256, unit: Unit::Bytes }));
        for text in ["a\0", "a\r\nb", "\u{1b}[31m", "\u{9b}x"] {
            assert_eq!(parse(text), Err(Problem::ControlCharacters), "{text:?}");
        }
    }
}
