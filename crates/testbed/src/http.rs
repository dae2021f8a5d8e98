//! A small blocking HTTP client for the servers' own pages.

use std::time::Duration;

use anyhow::{Context, Result};

/// The longest that one request may take.
const BOUND: Duration = Duration::from_secs(10);

/// An answer, whatever its status.
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// Whether the status is one of success.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// The client; one keeps its connections.
#[derive(Clone)]
pub struct Http {
    agent: ureq::Agent,
    authorization: Option<String>,
}

impl Http {
    /// A client without a login.
    pub fn new() -> Self {
        let config =
            ureq::Agent::config_builder().timeout_global(Some(BOUND)).http_status_as_error(false).proxy(None).build();
        Self { agent: config.into(), authorization: None }
    }

    /// A client that logs in with basic authentication.
    pub fn with_login(user: &str, password: &str) -> Self {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let login = STANDARD.encode(format!("{user}:{password}"));
        Self { authorization: Some(format!("Basic {login}")), ..Self::new() }
    }

    /// Sends a request; `body` is JSON text.
    ///
    /// # Errors
    /// When no answer comes within 10 s.
    pub fn send(&self, method: &str, url: &str, body: Option<&str>) -> Result<Answer> {
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.header("content-type", "application/json").body(body.unwrap_or_default().to_owned())?;
        let mut response = self.agent.run(request).with_context(|| format!("no answer from {url}"))?;
        Ok(Answer { status: response.status().as_u16(), body: response.body_mut().read_to_string()? })
    }

    /// Gets a page.
    ///
    /// # Errors
    /// When no answer comes within 10 s.
    pub fn get(&self, url: &str) -> Result<Answer> {
        self.send("GET", url, None)
    }
}

impl Default for Http {
    fn default() -> Self {
        Self::new()
    }
}
