//! What WebDriver has no command for, by Chrome's own protocol.

use anyhow::{Context, Result};
use fantoccini::wd::WebDriverCompatibleCommand;
use serde_json::{Value, json};

use super::Browser;

/// A command of the DevTools protocol, on ChromeDriver's way for it.
#[derive(Debug)]
struct Command {
    name: &'static str,
    parameters: Value,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        let body = json!({ "cmd": self.name, "params": self.parameters });
        (http::Method::POST, Some(body.to_string()))
    }
}

impl Browser {
    pub(super) async fn devtools(&self, name: &'static str, parameters: Value) -> Result<Value> {
        self.client.issue_cmd(Command { name, parameters }).await.with_context(|| name)
    }
}
