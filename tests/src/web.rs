//! A person at the web gateway without a browser: pages, cookies and forms over plain HTTP. It runs no script.

use std::{collections::BTreeMap, time::Duration};

use http::{HeaderMap, Method, Request, header};

use crate::World;

/// The longest that one answer may take.
const BOUND: Duration = Duration::from_secs(20);

/// Somebody who looks at pages. Cookies are kept, redirects are not followed.
#[derive(Clone)]
pub struct Visitor {
    agent: ureq::Agent,
    /// Scheme, host and port.
    origin: String,
    /// What all paths begin with; may be empty.
    prefix: String,
    /// The cookies, by name; change them to try.
    pub cookies: BTreeMap<String, String>,
    headers: Vec<(String, String)>,
}

/// A page.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its head.
    pub headers: HeaderMap,
    /// Its text.
    pub body: String,
}

/// A form of a page, with what stands in it already.
#[derive(Clone, Debug)]
pub struct Form {
    /// Where it is sent.
    pub action: String,
    /// Names and values.
    pub fields: Vec<(String, String)>,
}

impl World {
    /// Where the web gateway's pages are, without a slash at the end.
    ///
    /// # Panics
    /// When there is none.
    pub fn gateway_url(&self) -> String {
        self.find_gateway().expect("a gateway was asked for")
    }

    pub(crate) fn find_gateway(&self) -> Option<String> {
        self.sandi.plan().gateway.map(|web| format!("http://{}{}", web.pages, web.path))
    }

    /// Where the web gateway listens.
    ///
    /// # Panics
    /// When there is none.
    pub fn gateway_address(&self) -> std::net::SocketAddr {
        self.sandi.plan().gateway.expect("a gateway was asked for").pages
    }

    /// Somebody new at the web gateway, whose browser asks for this language.
    pub fn visitor(&self, language: &str) -> Visitor {
        Visitor::new(&self.gateway_url()).header("accept-language", language)
    }
}

impl Visitor {
    /// Somebody new at this address.
    pub fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(BOUND))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .build();
        let url: url::Url = base.parse().expect("a URL");
        Self {
            agent: config.into(),
            origin: url.origin().ascii_serialization(),
            prefix: url.path().trim_end_matches('/').to_owned(),
            cookies: BTreeMap::new(),
            headers: Vec::new(),
        }
    }

    /// Sends this header with every request.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Looks at a page.
    ///
    /// # Panics
    /// When there is no answer within 20 s.
    pub fn get(&mut self, path: &str) -> Answer {
        self.send(&Method::GET, path, None, String::new())
    }

    /// Sends fields as a browser sends a form.
    ///
    /// # Panics
    /// As [`Visitor::get`].
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(&Method::POST, path, Some("application/x-www-form-urlencoded"), body)
    }

    /// Fills in a form of a page and sends it.
    ///
    /// # Panics
    /// When the page has no such form; or as [`Visitor::get`].
    pub fn submit(&mut self, page: &Answer, form: &str, filled: &[(&str, &str)]) -> Answer {
        let Form { action, mut fields } = page.form(form);
        for (name, value) in filled {
            fields.retain(|(known, _)| known != name);
            fields.push(((*name).to_owned(), (*value).to_owned()));
        }
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(&action, &fields)
    }

    /// Logs in, and gives the first page.
    ///
    /// # Panics
    /// When the log-in is refused.
    pub fn log_in(&mut self, username: &str, password: &str) -> Answer {
        let page = self.get("/login");
        let answer = self.submit(&page, "login-form", &[("username", username), ("password", password)]);
        let home = format!("{}/", self.prefix);
        assert_eq!((answer.status, answer.location()), (303, home.as_str()), "{}", answer.body);
        self.get("/")
    }

    /// As [`Visitor::get`], for whoever goes on when nobody answers.
    ///
    /// # Errors
    /// When there is no answer within 20 s.
    pub fn try_get(&mut self, path: &str) -> Result<Answer, ureq::Error> {
        self.try_send(&Method::GET, path, None, String::new())
    }

    /// Sends any request. The path may begin with what all paths begin with, as the addresses in pages do.
    ///
    /// # Panics
    /// As [`Visitor::get`].
    pub fn send(&mut self, method: &Method, path: &str, kind: Option<&str>, body: String) -> Answer {
        self.try_send(method, path, kind, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    fn try_send(
        &mut self,
        method: &Method,
        path: &str,
        kind: Option<&str>,
        body: String,
    ) -> Result<Answer, ureq::Error> {
        let inside = !self.prefix.is_empty() && path.starts_with(&self.prefix);
        let prefix = if inside { "" } else { &self.prefix };
        let mut request = Request::builder().method(method.clone()).uri(format!("{}{prefix}{path}", self.origin));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(body).expect("a request");
        let mut response = self.agent.run(request)?;
        let headers = response.headers().clone();
        self.keep_cookies(&headers);
        let body = response.body_mut().read_to_string()?;
        Ok(Answer { status: response.status().as_u16(), headers, body })
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("a cookie is ASCII");
            let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

impl Answer {
    /// From the bytes of an answer whose connection has been closed, for example to a request that no client sends.
    ///
    /// # Panics
    /// When they are no answer.
    #[track_caller]
    pub fn read(bytes: &str) -> Self {
        let (head, body) = bytes.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {bytes}"));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").expect("a header");
            let name: http::HeaderName = name.parse().expect("a name");
            (name, value.parse().expect("a value"))
        };
        Self {
            status: status.unwrap_or_else(|| panic!("no status: {head}")),
            headers: lines.map(header).collect(),
            body: body.to_owned(),
        }
    }

    /// A header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or_default())
    }

    /// Where the browser is sent.
    pub fn location(&self) -> &str {
        self.header("location")
    }

    /// The form of that id.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn form(&self, id: &str) -> Form {
        let start = self.body.find(&format!("<form id=\"{id}\""));
        let start = start.unwrap_or_else(|| panic!("no form {id} on {}: {}", self.status, self.body));
        let form = &self.body[start..];
        let form = &form[..form.find("</form>").expect("a form ends")];
        let inputs = form.split("<input").skip(1).map(|input| &input[..input.find('>').expect("a tag ends")]);
        let inputs = inputs.filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)));
        Form { action: attribute(form, "action").expect("a form has an action"), fields: inputs.collect() }
    }

    /// The text of the element of that id, without tags.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn text(&self, id: &str) -> String {
        let at = self.body.find(&format!("id=\"{id}\""));
        let rest = &self.body[at.unwrap_or_else(|| panic!("nothing is {id} on {}: {}", self.status, self.body))..];
        let rest = &rest[rest.find('>').expect("a tag ends") + 1..];
        unescape(rest[..rest.find('<').expect("an element ends")].trim())
    }

    /// Whether the page has an element of that id.
    pub fn has(&self, id: &str) -> bool {
        self.body.contains(&format!("id=\"{id}\""))
    }

    /// An attribute of the element of that id.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn attribute(&self, id: &str, name: &str) -> String {
        let at = self.body.find(&format!("id=\"{id}\""));
        let at = at.unwrap_or_else(|| panic!("nothing is {id} on {}: {}", self.status, self.body));
        let start = self.body[..at].rfind('<').expect("an element begins");
        let tag = &self.body[start..];
        let tag = &tag[..tag.find('>').expect("a tag ends")];
        attribute(tag, name).unwrap_or_else(|| panic!("{id} has no {name}: {tag}"))
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    Some(unescape(rest.split_once('"')?.0))
}

fn unescape(text: &str) -> String {
    let named = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    named.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}
