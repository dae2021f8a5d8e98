//! Checks that several values share.

use super::violation::{Problem, Unit};

/// Refuses control characters: Unicode category Cc, with the line ends, NUL and escape.
pub(super) fn no_control_characters(text: &str) -> Result<(), Problem> {
    if text.chars().any(char::is_control) { Err(Problem::ControlCharacters) } else { Ok(()) }
}

/// Refuses control characters, line and paragraph separators, and the characters that turn the
/// direction of the text after them (UAX #9): for names that stand in the middle of our sentences.
pub(super) fn one_plain_line(text: &str) -> Result<(), Problem> {
    let steers =
        |character| matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    no_control_characters(text)?;
    if text.chars().any(steers) { Err(Problem::ControlCharacters) } else { Ok(()) }
}

/// Refuses more than `limit` bytes.
pub(super) fn at_most_bytes(text: &str, limit: usize) -> Result<(), Problem> {
    if text.len() > limit { Err(Problem::TooLong { limit, unit: Unit::Bytes }) } else { Ok(()) }
}

/// Refuses more than `limit` code points.
pub(super) fn at_most_characters(text: &str, limit: usize) -> Result<(), Problem> {
    if text.chars().nth(limit).is_some() { Err(Problem::TooLong { limit, unit: Unit::Characters }) } else { Ok(()) }
}

/// Refuses the empty text.
pub(super) fn not_empty(text: &str) -> Result<(), Problem> {
    if text.is_empty() { Err(Problem::Empty) } else { Ok(()) }
}
