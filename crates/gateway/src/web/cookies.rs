//! Signed cookies. Three of them: `session` (who is logged in), `visit` (ties forms to a browser that is not logged in)
//! and `language` (what the person chose; not signed, nothing depends on it).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cookie::{Cookie, CookieJar, Key, SameSite};
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// A key has at least so many bytes.
const KEY_BYTES: usize = 64;
/// What a signed cookie's value begins with: 256 bits in base64.
const DIGEST_CHARACTERS: usize = 44;
/// A year.
const LANGUAGE_LIFE: time::Duration = time::Duration::days(365);

/// The keys, and how cookies are set.
#[derive(Clone)]
pub struct Cookies {
    /// The first one signs, all are believed; never empty.
    keys: Vec<Key>,
    secure: bool,
}

/// A signed cookie. Its name is part of what is signed, so that none can pose as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// Who is logged in.
    Session,
    /// A browser that is not logged in.
    Visit,
}

impl Signed {
    fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Visit => "visit",
        }
    }
}

impl Cookies {
    /// Reads keys, one a line in base64. `secure` when people come by https.
    ///
    /// # Errors
    /// What is wrong with which line; never the line.
    pub fn parse(text: &SecretString, secure: bool) -> Result<Self, String> {
        let lines = text.expose_secret().lines().map(str::trim).filter(|line| !line.is_empty());
        let read = |(index, line): (usize, &str)| {
            let bytes =
                STANDARD.decode(line).map(Zeroizing::new).map_err(|_| format!("line {} is no base64", index + 1))?;
            let key = bytes.get(..KEY_BYTES).ok_or_else(|| format!("line {} has fewer than 64 bytes", index + 1))?;
            Key::try_from(key).map_err(|_| format!("line {} is no key", index + 1))
        };
        let keys = lines.enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err("there is no key in it".to_owned()) } else { Ok(Self { keys, secure }) }
    }

    /// The value of a cookie that one of our keys signed.
    pub fn read(&self, headers: &HeaderMap, which: Signed) -> Option<String> {
        let jar = jar(headers);
        let verified = self.keys.iter().find_map(|key| jar.signed(key).get(&self.full_name(which.name())))?;
        Some(verified.value().strip_prefix(which.name())?.strip_prefix(':')?.to_owned())
    }

    /// The header that sets a cookie for as long as the browser runs.
    pub fn set(&self, which: Signed, value: &str) -> HeaderValue {
        let name = self.full_name(which.name());
        let mut jar = CookieJar::new();
        let cookie = self.build(name.clone(), format!("{}:{value}", which.name()));
        jar.signed_mut(&self.keys[0]).add(cookie);
        header(jar.get(&name).expect("it was put in"))
    }

    /// The header that removes a cookie.
    pub fn remove(&self, which: Signed) -> HeaderValue {
        let mut cookie = self.build(self.full_name(which.name()), String::new());
        cookie.set_max_age(time::Duration::ZERO);
        header(&cookie)
    }

    /// What stands for a password that was typed into a form: as a cookie is signed, by HMAC-SHA256 under the first key.
    /// Nobody guesses the password by it, not even with that key: the form's one-time key is in it, and is kept nowhere.
    pub fn digest(&self, act: &str, password: &SecretString) -> String {
        // The password itself comes into no text that stays in memory.
        let both = Sha256::new().chain_update(act).chain_update(":").chain_update(password.expose_secret()).finalize();
        let mut jar = CookieJar::new();
        // No cookie of ours begins like this, so that none can be made of it.
        jar.signed_mut(&self.keys[0]).add(("act", format!("act:{}", STANDARD.encode(&both[..]))));
        let signed = jar.get("act").expect("it was put in").value();
        signed[..DIGEST_CHARACTERS].to_owned()
    }

    /// The language that the person chose.
    pub fn language(&self, headers: &HeaderMap) -> Option<String> {
        Some(jar(headers).get("sandi_language")?.value().to_owned())
    }

    /// The header that notes a language.
    pub fn set_language(&self, language: &'static str) -> HeaderValue {
        let mut cookie = self.build("sandi_language".to_owned(), language.to_owned());
        cookie.set_max_age(LANGUAGE_LIFE);
        header(&cookie)
    }

    /// With the prefix of RFC 6265bis where it can be had: then no other host of the domain can set it.
    fn full_name(&self, name: &str) -> String {
        if self.secure { format!("__Host-sandi_{name}") } else { format!("sandi_{name}") }
    }

    /// Lax, not strict: a person comes from the mail, and is to be known then. For the whole host, also below a path:
    /// browsers demand that of the prefix, which keeps other hosts of the domain from setting a cookie of ours, while a
    /// path keeps nobody from anything (RFC 6265, 8.5).
    fn build(&self, name: String, value: String) -> Cookie<'static> {
        Cookie::build((name, value)).path("/").http_only(true).same_site(SameSite::Lax).secure(self.secure).build()
    }
}

fn jar(headers: &HeaderMap) -> CookieJar {
    let mut jar = CookieJar::new();
    let lists = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    for cookie in lists.flat_map(|list| Cookie::split_parse(list.to_owned())).flatten() {
        jar.add_original(cookie.into_owned());
    }
    jar
}

fn header(cookie: &Cookie) -> HeaderValue {
    HeaderValue::try_from(cookie.to_string()).expect("our cookies are printable ASCII")
}

/// Adds cookies to an answer.
pub(super) fn add(headers: &mut HeaderMap, cookies: impl IntoIterator<Item = HeaderValue>) {
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Cookies {
        let lines: Vec<String> = bytes.iter().map(|byte| STANDARD.encode([*byte; 64])).collect();
        Cookies::parse(&lines.join("\n").into(), true).unwrap()
    }

    /// What the browser sends back.
    fn sent(header: &HeaderValue) -> HeaderMap {
        let pair = header.to_str().unwrap().split(';').next().unwrap().to_owned();
        HeaderMap::from_iter([(COOKIE, pair.parse().unwrap())])
    }

    #[test]
    fn a_cookie_comes_back_as_it_was_set_and_not_as_another() {
        let cookies = keys(&[1]);
        let set = cookies.set(Signed::Visit, "nonce");
        assert_eq!(cookies.read(&sent(&set), Signed::Visit).as_deref(), Some("nonce"));

        let posing = set.to_str().unwrap().replace("sandi_visit", "sandi_session");
        assert_eq!(cookies.read(&sent(&posing.parse().unwrap()), Signed::Session), None);
    }

    #[test]
    fn a_changed_cookie_is_none() {
        let cookies = keys(&[1]);
        let changed = cookies.set(Signed::Visit, "nonce").to_str().unwrap().replace("nonce", "other");
        assert_eq!(cookies.read(&sent(&changed.parse().unwrap()), Signed::Visit), None);
    }

    #[test]
    fn a_key_is_replaced_without_a_gap() {
        let set = keys(&[1]).set(Signed::Visit, "nonce");
        assert!(keys(&[2, 1]).read(&sent(&set), Signed::Visit).is_some());
        assert!(keys(&[2]).read(&sent(&set), Signed::Visit).is_none());
    }

    #[test]
    fn the_same_password_in_the_same_form_has_one_digest_and_all_else_another() {
        let digest = |key: u8, act: &str, password: &str| keys(&[key]).digest(act, &password.into());
        let one = digest(1, "form", "ombak besar");
        assert_eq!(digest(1, "form", "ombak besar"), one);
        assert_eq!(keys(&[1, 2]).digest("form", &"ombak besar".into()), one, "the key that signs counts");
        for other in [
            digest(1, "form", "ombak besar "),
            digest(1, "form", ""),
            digest(1, "other form", "ombak besar"),
            digest(2, "form", "ombak besar"),
        ] {
            assert_ne!(other, one);
        }
        // Idempotency keys are at most 128 printable ASCII characters.
        assert!(one.len() == DIGEST_CHARACTERS && one.bytes().all(|byte| byte.is_ascii_graphic()), "{one}");
    }

    #[test]
    fn cookies_are_closed_to_scripts_other_sites_and_plain_text() {
        let set = keys(&[1]).set(Signed::Session, "x");
        let set = set.to_str().unwrap();
        for word in ["__Host-sandi_session=", "HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
            assert!(set.contains(word), "{set}");
        }
    }

    #[test]
    fn a_key_that_is_too_short_is_named_by_its_line() {
        let text = format!("{}\n{}", STANDARD.encode([1; 64]), STANDARD.encode([2; 32]));
        let error = Cookies::parse(&text.into(), true).err().unwrap();
        assert!(error.contains("line 2"), "{error}");
    }
}
