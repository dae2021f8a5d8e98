//! What links begin with.

use std::fmt;

use url::{Host, Url};

use super::text::{at_most_bytes, no_control_characters, not_empty};
use super::violation::Problem;

/// The longest link base in bytes: with `/reset#` and the token a link stays within 250.
pub const MAX_BYTES: usize = 200;

/// An https URL without user, query and fragment, and without a slash at its end. It comes from the
/// organisation's row alone, never from a request's header (OWASP Forgot Password).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkBase(String);

impl LinkBase {
    /// Reads a URL; a port and a path are allowed. In development mode http on loopback too.
    ///
    /// # Errors
    /// What is wrong with the text as a link base.
    pub fn parse(text: &str, development: bool) -> Result<Self, Problem> {
        not_empty(text)?;
        no_control_characters(text)?;
        at_most_bytes(text, MAX_BYTES)?;
        let url = parse_strictly(text).ok_or(Problem::NotAUrl)?;
        let plain = url.scheme() == "http" && development && is_loopback(&url);
        if url.scheme() != "https" && !plain {
            return Err(Problem::NotHttps);
        }
        let base = url.as_str().trim_end_matches('/');
        at_most_bytes(base, MAX_BYTES)?;
        Ok(Self(base.into()))
    }

    /// The base, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Browsers forgive much (backslashes, missing slashes, spaces around); mail clients do not.
fn parse_strictly(text: &str) -> Option<Url> {
    if text.contains(|character: char| character == '\\' || character.is_whitespace()) {
        return None;
    }
    let (_, rest) = text.split_once("://")?;
    if rest.starts_with('/') {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let host = url.host_str().is_some_and(|host| !host.is_empty());
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    // Anything else ends a link in the eyes of some mail client.
    let path = url
        .path()
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte));
    (host && bare && path && !rest.contains('@')).then_some(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
