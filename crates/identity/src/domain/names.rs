//! Names and other short texts that people and callers choose.

use unicode_normalization::UnicodeNormalization as _;

use super::address::Address;
use super::text::{
    at_most_bytes, at_most_characters, no_control_characters, not_empty, one_plain_line,
};
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
        let plain = text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
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
            return Err(Problem::TooLong {
                limit: IDEMPOTENCY_KEY_MAX_BYTES,
                unit: Unit::Characters,
            });
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
    if text.is_empty() {
        Ok(None)
    } else {
        Address::parse(text).map(Some)
    }
}

/// Reads an address that may be missing; empty: none.
///
/// # Errors
/// What is wrong with the text as an address.
pub fn parse_optional_address(text: &str) -> Result<Option<Address>, Problem> {
    if text.is_empty() {
        Ok(None)
    } else {
        Address::parse(text).map(Some)
    }
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
