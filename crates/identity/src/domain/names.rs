//! Names and other short texts that people and callers choose.

use unicode_normalization::UnicodeNormalization as _;

use super::address::Address;
use super::text::{at_most_bytes, at_most_characters, no_control_characters, not_empty, one_plain_line};
use super::violation::{Problem, Unit};

/// The longest name of a person, an organisation or a sender, in code points.
pub const NAME_MAX_CHARACTERS: usize = 100;
/// The longest support contact, in code points.
pub const SUPPORT_CONTACT_MAX_CHARACTERS: usize = 200;
/// The longest reason, in code points.
pub const REASON_MAX_CHARACTERS: usize = 200;
/// The longest slug, in bytes: a DNS label's.
pub const SLUG_MAX_BYTES: usize = 63;
/// The longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_MAX_BYTES: usize = 128;
/// The longest prefix that a list is searched by, in bytes: a username's.
pub const QUERY_MAX_BYTES: usize = 256;

macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, for the store.
            pub fn into_string(self) -> String {
                self.0
            }
        }
    };
}

text_value! {
    /// What a person is called; may be empty, then the username stands for it. At most 100 code points on
    /// one line, NFC, without white space around.
    DisplayName
}
text_value! {
    /// What an organisation is called; never empty. At most 100 code points on one line, NFC.
    OrganizationName
}
text_value! {
    /// Display name of the sender of mails; may be empty, then product and organisation stand for it.
    SenderName
}
text_value! {
    /// Where mails send people for help: an address, a telephone number, a desk; may be empty. At most 200
    /// code points on one line.
    SupportContact
}
text_value! {
    /// Why somebody acted on another's account, or asks about it: 1 to 200 code points, kept in the audit.
    Reason
}
text_value! {
    /// Short name of an organisation: lower-case letters, digits and inner hyphens, 1 to 63.
    Slug
}
text_value! {
    /// A caller's name for one request: 1 to 128 printable ASCII characters, unique per caller for 24 hours.
    IdempotencyKey
}
text_value! {
    /// Beginning of usernames or display names that a list is limited to; lower-cased by the store.
    Query
}

impl DisplayName {
    /// Reads a person's name.
    ///
    /// # Errors
    /// [`Problem::TooLong`] or [`Problem::ControlCharacters`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        one_line(text, NAME_MAX_CHARACTERS).map(Self)
    }
}

impl OrganizationName {
    /// Reads an organisation's name.
    ///
    /// # Errors
    /// [`Problem::Empty`], [`Problem::TooLong`] or [`Problem::ControlCharacters`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        filled_line(text, NAME_MAX_CHARACTERS).map(Self)
    }
}

impl SenderName {
    /// Reads a sender's name.
    ///
    /// # Errors
    /// [`Problem::TooLong`] or [`Problem::ControlCharacters`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        one_line(text, NAME_MAX_CHARACTERS).map(Self)
    }
}

impl SupportContact {
    /// Reads a support contact.
    ///
    /// # Errors
    /// [`Problem::TooLong`] or [`Problem::ControlCharacters`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        one_line(text, SUPPORT_CONTACT_MAX_CHARACTERS).map(Self)
    }
}

impl Reason {
    /// Reads a reason.
    ///
    /// # Errors
    /// [`Problem::Empty`], [`Problem::TooLong`] or [`Problem::ControlCharacters`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        filled_line(text, REASON_MAX_CHARACTERS).map(Self)
    }
}

impl Slug {
    /// Reads a slug.
    ///
    /// # Errors
    /// [`Problem::Empty`], [`Problem::TooLong`], [`Problem::ControlCharacters`] or [`Problem::NotASlug`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        not_empty(text)?;
        no_control_characters(text)?;
        at_most_bytes(text, SLUG_MAX_BYTES)?;
        let plain = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if plain && !text.starts_with('-') && !text.ends_with('-') {
            Ok(Self(text.into()))
        } else {
            Err(Problem::NotASlug)
        }
    }
}

impl IdempotencyKey {
    /// Reads a key; the empty one is no key, and `None`.
    ///
    /// # Errors
    /// [`Problem::TooLong`], [`Problem::ControlCharacters`] or [`Problem::NotPrintableAscii`].
    pub fn parse(text: &str) -> Result<Option<Self>, Problem> {
        no_control_characters(text)?;
        if text.len() > IDEMPOTENCY_KEY_MAX_BYTES {
            return Err(Problem::TooLong { limit: IDEMPOTENCY_KEY_MAX_BYTES, unit: Unit::Characters });
        }
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(Problem::NotPrintableAscii);
        }
        Ok((!text.is_empty()).then(|| Self(text.into())))
    }
}

impl Query {
    /// Reads a prefix; the empty one is no limit, and `None`.
    ///
    /// # Errors
    /// [`Problem::TooLong`] or [`Problem::ControlCharacters`].
    pub fn parse(text: &str) -> Result<Option<Self>, Problem> {
        no_control_characters(text)?;
        at_most_bytes(text, QUERY_MAX_BYTES)?;
        Ok((!text.is_empty()).then(|| Self(text.nfc().collect())))
    }
}

/// Reads an organisation's Reply-To; empty: none.
///
/// # Errors
/// What is wrong with the text as an address.
pub fn parse_reply_to(text: &str) -> Result<Option<Address>, Problem> {
    parse_optional_address(text)
}

/// Reads an address that may be missing; empty: none.
///
/// # Errors
/// What is wrong with the text as an address.
pub fn parse_optional_address(text: &str) -> Result<Option<Address>, Problem> {
    if text.is_empty() { Ok(None) } else { Address::parse(text).map(Some) }
}

fn one_line(text: &str, limit: usize) -> Result<String, Problem> {
    one_plain_line(text)?;
    at_most_characters(text, limit)?;
    Ok(text.trim().nfc().collect())
}

fn filled_line(text: &str, limit: usize) -> Result<String, Problem> {
    let line = one_line(text, limit)?;
    not_empty(&line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_line_without_white_space_around() {
        assert_eq!(DisplayName::parse("  Sari Dewi ").unwrap().as_str(), "Sari Dewi");
        assert_eq!(DisplayName::parse("").unwrap().as_str(), "");
        assert_eq!(DisplayName::parse("E\u{301}va").unwrap().as_str(), "Éva");
        assert_eq!(OrganizationName::parse("Kopi Nusantara").unwrap().into_string(), "Kopi Nusantara");
        assert_eq!(OrganizationName::parse("   "), Err(Problem::Empty));
        for text in ["a\nb", "a\0", "a\u{2028}b", "a\u{202e}b", "a\u{2066}b", "\ta"] {
            assert_eq!(DisplayName::parse(text), Err(Problem::ControlCharacters), "{text:?}");
            assert_eq!(SenderName::parse(text), Err(Problem::ControlCharacters), "{text:?}");
            assert_eq!(SupportContact::parse(text), Err(Problem::ControlCharacters), "{text:?}");
        }
    }

    #[test]
    fn names_are_counted_in_code_points() {
        assert!(DisplayName::parse(&"é".repeat(100)).is_ok());
        assert_eq!(DisplayName::parse(&"é".repeat(101)), Err(Problem::TooLong { limit: 100, unit: Unit::Characters }));
    }

    #[test]
    fn a_reason_has_1_to_200_characters() {
        assert_eq!(Reason::parse(""), Err(Problem::Empty));
        assert_eq!(Reason::parse("  "), Err(Problem::Empty));
        assert!(Reason::parse(&"é".repeat(200)).is_ok());
        assert_eq!(Reason::parse(&"é".repeat(201)), Err(Problem::TooLong { limit: 200, unit: Unit::Characters }));
    }

    #[test]
    fn a_slug_is_lower_case_letters_digits_and_inner_hyphens() {
        for text in ["k", "kopi", "kopi-nusantara", "9", "a--b", &"a".repeat(63)] {
            assert_eq!(Slug::parse(text).unwrap().as_str(), text);
        }
        for text in ["Kopi", "-kopi", "kopi-", "ko pi", "ko_pi", "köpi", "ko.pi", "-"] {
            assert_eq!(Slug::parse(text), Err(Problem::NotASlug), "{text}");
        }
        assert_eq!(Slug::parse(""), Err(Problem::Empty));
        assert_eq!(Slug::parse(&"a".repeat(64)), Err(Problem::TooLong { limit: 63, unit: Unit::Bytes }));
        assert_eq!(Slug::parse("a\0"), Err(Problem::ControlCharacters));
    }

    #[test]
    fn an_idempotency_key_is_printable_ascii() {
        assert_eq!(IdempotencyKey::parse(""), Ok(None));
        assert_eq!(IdempotencyKey::parse("a b~").unwrap().unwrap().as_str(), "a b~");
        assert!(IdempotencyKey::parse(&"k".repeat(128)).is_ok());
        assert_eq!(
            IdempotencyKey::parse(&"k".repeat(129)),
            Err(Problem::TooLong { limit: 128, unit: Unit::Characters })
        );
        assert_eq!(IdempotencyKey::parse("é"), Err(Problem::NotPrintableAscii));
        assert_eq!(IdempotencyKey::parse("a\n"), Err(Problem::ControlCharacters));
    }

    #[test]
    fn what_may_be_missing_may_be_empty() {
        assert_eq!(Query::parse(""), Ok(None));
        assert_eq!(Query::parse("Sa").unwrap().unwrap().as_str(), "Sa");
        assert!(parse_reply_to("").unwrap().is_none());
        assert_eq!(parse_reply_to("Help@kopi.example").unwrap().unwrap().as_str(), "help@kopi.example");
        assert_eq!(parse_reply_to("help").err(), Some(Problem::NotAnAddress));
    }
}
