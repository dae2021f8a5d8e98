//! A form that came back: read, and known to be from a page of ours.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use axum::response::Response;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap};
use http_body_util::BodyExt as _;
use secrecy::SecretString;
use subtle::ConstantTimeEq as _;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{App, Visit};
use crate::pages::failure;

/// The longest one-time key that our pages make.
const ACT_CHARACTERS: usize = 22;

/// A visit that brought a form.
pub struct Posted {
    /// The visit.
    pub visit: Visit,
    /// What the form holds.
    pub fields: Fields,
}

/// The fields of a form, each there once. They may be secrets, so they do not print, and are wiped.
pub struct Fields(Vec<(String, Zeroizing<String>)>);

impl Fields {
    /// Reads a body; none when it has a field twice, or text that is no UTF-8.
    fn parse(body: &[u8]) -> Option<Self> {
        let mut fields: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(body) {
            // What is no UTF-8 was replaced, and a password must not be another one.
            if value.contains('\u{fffd}') || fields.iter().any(|(known, _)| *known == name) {
                return None;
            }
            fields.push((name.into_owned(), Zeroizing::new(value.into_owned())));
        }
        Some(Self(fields))
    }

    /// A field's text; empty when it is not there.
    pub fn text(&self, name: &str) -> &str {
        let field = self.0.iter().find(|(known, _)| known == name);
        field.map_or("", |(_, value)| value)
    }

    /// A field that is not to be printed.
    pub fn secret(&self, name: &str) -> SecretString {
        SecretString::from(self.text(name))
    }
}

impl Posted {
    /// The form's one-time key. Another text than ours would be a key for nothing, so a new one is drawn.
    pub fn act(&self) -> String {
        let act = self.fields.text("act");
        let ours = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if act.len() == ACT_CHARACTERS && act.bytes().all(ours) { act.to_owned() } else { self.visit.act() }
    }
}

impl FromRequest<Arc<App>> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let visit = Visit::of(&parts, app);
        if !is_form(&parts.headers) {
            return Err(failure::page(visit, StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        // The edge has read it already, within its bounds.
        let fields = match body.collect().await {
            Ok(body) => Fields::parse(&body.to_bytes()),
            Err(_) => None,
        };
        let Some(fields) = fields else {
            return Err(failure::page(visit, StatusCode::BAD_REQUEST));
        };
        if from_elsewhere(&parts.headers) || !same(fields.text("csrf"), visit.csrf()) {
            return Err(failure::page(visit, StatusCode::FORBIDDEN));
        }
        Ok(Self { visit, fields })
    }
}

/// In the same time whatever differs.
fn same(given: &str, expected: &str) -> bool {
    given.as_bytes().ct_eq(expected.as_bytes()).into()
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// What browsers say of who sends a form. (`Origin` is no help: under `no-referrer` it is `null` for our own forms.)
fn from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_the_browser_wrote_it() {
        let fields = Fields::parse("username=budi&new_password=+a%2B%26+%F0%9F%94%91+".as_bytes()).unwrap();
        assert_eq!(fields.text("username"), "budi");
        assert_eq!(fields.text("new_password"), " a+& 🔑 ");
        assert_eq!(fields.text("absent"), "");
    }

    #[test]
    fn a_field_given_twice_or_broken_is_refused() {
        assert!(Fields::parse(b"username=a&username=b").is_none());
        assert!(Fields::parse(b"new_password=%FF").is_none());
    }
}
