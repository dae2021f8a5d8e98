//! The settings that both programs share.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line, for collectors.
    #[default]
    Json,
    /// One line of text, for people.
    Human,
}

/// Section `log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `json` or `human`.
    pub format: LogFormat,
    /// A level (`error` to `trace`), or levels by target: `info,identity=debug`. `RUST_LOG` wins
    /// over it.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: "info".into() }
    }
}

/// Section `telemetry`. The standard `OTEL_*` variables win over it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetrySettings {
    /// Where traces and metrics go by OTLP over gRPC, such as `http://127.0.0.1:4317`. Unset:
    /// nothing is exported, and `/metrics` can still be scraped.
    pub otlp_endpoint: Option<String>,
    /// The share of new traces that are recorded, 0.0 to 1.0. A trace that a caller began follows
    /// the caller's choice.
    pub sample_ratio: f64,
    /// How often metrics are exported.
    #[serde(with = "crate::duration")]
    pub metrics_interval: Duration,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self { otlp_endpoint: None, sample_ratio: 1.0, metrics_interval: Duration::from_secs(15) }
    }
}

/// Section `admin`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSettings {
    /// Where probes and scrapes are answered. Not for the public: it has no authentication.
    pub listen: SocketAddr,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9464)) }
    }
}
