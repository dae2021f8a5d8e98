//! One request of a browser: who, from where, in which language.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{HeaderValue, LOCATION, USER_AGENT};
use http::request::Parts;
use http::{Method, StatusCode};
use runtime::Random;
use secrecy::SecretString;
use serde::Deserialize;

use super::cookies::{self, Signed};
use super::{App, Language, Session};
use crate::identity::{Identity, Requester};
use crate::server::{Allowance, Via};
use crate::texts::{Texts, texts};

/// The contract takes no more.
const USER_AGENT_BYTES: usize = 512;

/// A visit.
pub struct Visit {
    /// What the pages work with.
    pub app: Arc<App>,
    /// The identity service, as far as this visit may ask it.
    pub identity: Identity,
    /// The language, as far as it is known before anybody is asked.
    pub language: Language,
    /// Whether that is the person's or the browser's wish, and not our default.
    pub wished: bool,
    /// Who is logged in, if our cookie says so; the service may know better.
    pub session: Option<Session>,
    /// Our path, without what all paths begin with.
    pub path: String,
    nonce: String,
    ip: IpAddr,
    user_agent: String,
    cookies: Vec<HeaderValue>,
}

/// What any page takes in its query.
#[derive(Deserialize, Default)]
struct Choice {
    lang: Option<String>,
}

impl Visit {
    /// Reads it from the head of a request.
    pub fn of(parts: &Parts, app: &Arc<App>) -> Self {
        let headers = &parts.headers;
        let now = app.clock.now().unix_timestamp();
        let keys = app.cookies.current();
        let session = keys.read(headers, Signed::Session);
        let session = session.and_then(|text| Session::read(&text, now, app.session_life));
        let mut cookies = Vec::new();

        let choice = Query::<Choice>::try_from_uri(&parts.uri).unwrap_or_default();
        let chosen = choice.0.lang.as_deref().and_then(Language::of);
        if let Some(language) = chosen {
            cookies.push(keys.set_language(language.tag()));
        }
        let noted = || keys.language(headers).as_deref().and_then(Language::of);
        let wish = chosen.or_else(noted).or_else(|| Language::accepted(headers));

        let nonce = match (&session, keys.read(headers, Signed::Visit)) {
            (Some(session), _) => session.nonce.clone(),
            (None, Some(nonce)) => nonce,
            (None, None) => {
                let nonce = draw(&*app.random);
                // A check of the link by a machine needs no cookie.
                if parts.method != Method::HEAD {
                    cookies.push(keys.set(Signed::Visit, &nonce));
                }
                nonce
            }
        };
        let user_agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self {
            language: wish.unwrap_or(app.language),
            wished: wish.is_some(),
            session,
            path: parts.uri.path().strip_prefix(app.base.prefix()).unwrap_or_default().to_owned(),
            nonce,
            ip: parts.extensions.get::<Via>().map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |via| via.ip),
            user_agent: user_agent.chars().take(USER_AGENT_BYTES).collect(),
            cookies,
            identity: app.identity.within(parts.extensions.get::<Allowance>().cloned()),
            app: app.clone(),
        }
    }

    /// What is said in this language.
    pub fn texts(&self) -> &'static Texts {
        texts(self.language)
    }

    /// What every form carries, and no other site can know.
    pub fn csrf(&self) -> &str {
        &self.nonce
    }

    /// A one-time key for a form, so that sending it twice is one act.
    pub fn act(&self) -> String {
        draw(&*self.app.random)
    }

    /// The key of a call that sets a password, from its form's one-time key. When an answer was lost and the form comes
    /// again, the same password is the same act. Another one is another act: the service does not compare passwords, and
    /// would answer as if this one had been set.
    pub fn act_with(&self, act: &str, password: &SecretString) -> String {
        self.app.cookies.current().digest(act, password)
    }

    /// Who asks, for the identity service.
    pub fn requester(&self) -> Requester {
        Requester {
            ip: self.ip.to_string(),
            user_agent: self.user_agent.clone(),
            locale: self.language.tag().to_owned(),
        }
    }

    /// Notes the language that the person chose in a form.
    pub fn choose(&mut self, language: Language) {
        (self.language, self.wished) = (language, true);
        self.cookies.push(self.app.cookies.current().set_language(language.tag()));
    }

    /// Speaks the organisation's language from here on, if nobody wished for another.
    pub fn speak(&mut self, locale: &str) {
        if let Some(language) = Language::of(locale).filter(|_| !self.wished) {
            self.language = language;
        }
    }

    /// Logs a person in: forms of before are over.
    pub fn begin(&mut self, session: &Session) {
        self.nonce.clone_from(&session.nonce);
        let keys = self.app.cookies.current();
        self.cookies.push(keys.set(Signed::Session, &session.to_text()));
        self.cookies.push(keys.remove(Signed::Visit));
    }

    /// Logs the person out.
    pub fn end(&mut self) {
        self.session = None;
        self.cookies.push(self.app.cookies.current().remove(Signed::Session));
    }

    /// The answer, with the cookies that this visit sets.
    pub fn answer(self, status: StatusCode, page: String) -> Response {
        let mut response = (status, axum::response::Html(page)).into_response();
        cookies::add(response.headers_mut(), self.cookies);
        response
    }

    /// Sends the browser to another page of ours.
    pub fn go(self, path: &str) -> Response {
        let place = HeaderValue::try_from(self.app.base.path(path)).expect("our paths are printable ASCII");
        let mut response = StatusCode::SEE_OTHER.into_response();
        response.headers_mut().insert(LOCATION, place);
        cookies::add(response.headers_mut(), self.cookies);
        response
    }
}

impl FromRequestParts<Arc<App>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self::of(parts, app))
    }
}

/// 128 random bits, 22 characters.
pub fn draw(random: &dyn Random) -> String {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}
