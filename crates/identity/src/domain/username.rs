//! Usernames: one canonical form, at write and at look-up.

use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation;

use super::text::{at_most_bytes, no_control_characters, not_empty};
use super::violation::Problem;

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
    Problem::TooLong {
        limit: MAX_BYTES,
        unit: super::violation::Unit::Bytes,
    }
}

/// The canonical form of what somebody typed, for a look-up; `None`: it cannot be any username.
pub fn canonical_for_lookup(text: &str) -> Option<String> {
    Username::parse(text).ok().map(|username| username.0)
}
