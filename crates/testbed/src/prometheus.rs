//! A private Prometheus, to see what one would see.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use url::form_urlencoded;

use crate::{
    http::Http,
    ports,
    process::{Process, Start},
};

/// The longest time a start may take.
const READY: Duration = Duration::from_secs(30);

/// A running Prometheus. Dropping it ends it.
pub struct Prometheus {
    _process: Process,
    url: String,
    http: Http,
}

impl Prometheus {
    /// Starts one with these settings and rules (YAML; the settings name the rules as `rules.yaml`), with its files in
    /// `directory`.
    ///
    /// # Errors
    /// When it is not installed, or does not come up; with the end of its log.
    pub fn start(directory: &Path, settings: &str, rules: &str) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let file = directory.join("prometheus.yaml");
        fs::write(&file, settings)?;
        fs::write(directory.join("rules.yaml"), rules)?;
        let listen = ports::loopback(ports::free()).to_string();
        let url = format!("http://{listen}");
        let mut process = Start::new("prometheus", "prometheus", directory.join("prometheus.log"))
            .args([
                format!("--config.file={}", file.display()),
                format!("--storage.tsdb.path={}", directory.join("data").display()),
                format!("--web.listen-address={listen}"),
                "--log.level=warn".to_owned(),
            ])
            .spawn()?;
        process.wait_ready(&format!("{url}/-/ready"), READY)?;
        Ok(Self { _process: process, url, http: Http::new() })
    }

    /// The names of the alerts that fire now.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn firing(&self) -> Result<BTreeSet<String>> {
        let data = self.ask("alerts")?;
        let alerts = data["alerts"].as_array().context("a list of alerts")?;
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        Ok(firing.filter_map(|alert| Some(alert["labels"]["alertname"].as_str()?.to_owned())).collect())
    }

    /// The names of all series that it has.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn names(&self) -> Result<BTreeSet<String>> {
        let data = self.ask("label/__name__/values")?;
        let names = data.as_array().context("a list of names")?;
        Ok(names.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect())
    }

    /// What an expression is now.
    ///
    /// # Errors
    /// When it is none.
    pub fn query(&self, expression: &str) -> Result<Value> {
        let query: String = form_urlencoded::byte_serialize(expression.as_bytes()).collect();
        Ok(self.ask(&format!("query?query={query}"))?["result"].take())
    }

    fn ask(&self, path: &str) -> Result<Value> {
        let answer = self.http.get(&format!("{}/api/v1/{path}", self.url))?;
        let mut said: Value = serde_json::from_str(&answer.body).with_context(|| answer.body.clone())?;
        if said["status"] != "success" {
            bail!("{path}: {}", answer.body);
        }
        Ok(said["data"].take())
    }
}
