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
    let host = match url.host()? {
        // The standard for URLs lets quotes and more into a name, which a resolver and a mail client do not.
        Host::Domain(name) => {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        }
        Host::Ipv4(_) | Host::Ipv6(_) => true,
    };
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    // Anything else ends a link in the eyes of some mail client.
    let path = url.path().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::violation::Unit;

    fn parse(text: &str) -> Result<String, Problem> {
        LinkBase::parse(text, false).map(|base| base.0)
    }

    #[test]
    fn https_with_a_host_is_taken_without_the_slash_at_its_end() {
        for (text, base) in [
            ("https://crm.example", "https://crm.example"),
            ("https://crm.example/", "https://crm.example"),
            ("https://CRM.Example/Kopi/", "https://crm.example/Kopi"),
            ("https://crm.example:8443/a/b", "https://crm.example:8443/a/b"),
            ("https://crm.example:443", "https://crm.example"),
            ("https://köpi.example", "https://xn--kpi-sna.example"),
            ("https://10.0.0.1", "https://10.0.0.1"),
            ("https://crm.example//", "https://crm.example"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(base), "{text}");
        }
    }

    #[test]
    fn what_would_bend_a_link_is_refused() {
        for text in [
            "crm.example",
            "//crm.example",
            "https:crm.example",
            "https:/crm.example",
            "https:///crm.example",
            "https://",
            "https://?x",
            "https://crm.example/?next=x",
            "https://crm.example/?",
            "https://crm.example/#x",
            "https://crm.example/#",
            "https://user@crm.example",
            "https://user:pass@crm.example",
            "https://@crm.example",
            "https://:@crm.example",
            "https://crm.example\\@evil.example",
            "https://crm.example\\evil",
            " https://crm.example",
            "https://crm.example/a b",
            "https://crm.example/(x)",
            "https://crm.example/'x'",
            "https://crm.example:99999",
            "https://cr m.example",
            "https://crm\".example",
            "https://crm'.example",
            "https://crm.example;x",
            "https://{crm}.example",
            "https://crm&lt.example",
        ] {
            assert_eq!(parse(text), Err(Problem::NotAUrl), "{text:?}");
        }
    }

    #[test]
    fn plain_http_is_for_loopback_in_development_mode() {
        let development = |text| LinkBase::parse(text, true).map(|base| base.0);
        for text in ["http://localhost:8080", "http://127.0.0.1:8080/x", "http://[::1]:8080", "http://crm.localhost"] {
            assert!(development(text).is_ok(), "{text}");
            assert_eq!(parse(text), Err(Problem::NotHttps), "{text}");
        }
        for text in [
            "http://crm.example",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "ftp://crm.example",
            "javascript://crm.example/x",
        ] {
            assert_eq!(development(text), Err(Problem::NotHttps), "{text}");
        }
        assert!(development("https://crm.example").is_ok());
    }

    #[test]
    fn empty_long_and_control_characters_have_reasons_of_their_own() {
        assert_eq!(parse(""), Err(Problem::Empty));
        assert_eq!(parse("https://crm.example/\r\nx"), Err(Problem::ControlCharacters));
        let long = |length: usize| format!("https://crm.example/{}", "a".repeat(length - 20));
        assert!(parse(&long(200)).is_ok());
        assert_eq!(parse(&long(201)), Err(Problem::TooLong { limit: 200, unit: Unit::Bytes }));
    }
}
