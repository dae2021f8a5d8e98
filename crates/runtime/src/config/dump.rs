//! The settings in force, and where each came from.

use serde::Serialize;
use toml::{Table, Value};

use super::error::ConfigError;
use super::layers::{Layers, Origin, Steps};

/// Variables with names of their own, and the settings over which they win (see [`crate::telemetry`]).
const VARIABLES: [(&str, &str); 6] = [
    (LEVEL, "RUST_LOG"),
    ("telemetry.otlp_endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ("telemetry.otlp_endpoint", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    ("telemetry.otlp_endpoint", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
    ("telemetry.sample_ratio", "OTEL_TRACES_SAMPLER"),
    ("telemetry.metrics_interval", "OTEL_METRIC_EXPORT_INTERVAL"),
];
const LEVEL: &str = "log.level";

/// Where the settings came from that [`super::load_with_origins`] read.
pub struct Origins {
    layers: Layers,
    /// Those of [`VARIABLES`] that are set: the setting, the variable, what it says.
    overriding: Vec<(&'static str, &'static str, String)>,
}

impl Origins {
    pub(super) fn new(layers: Layers, variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |(setting, name)| Some((setting, name, variable(name).filter(|text| !text.is_empty())?));
        Self { layers, overriding: VARIABLES.into_iter().filter_map(set).collect() }
    }

    /// One line a setting: name, value as TOML, source. Secrets that stand in the settings themselves are masked; a
    /// setting without a value is left out.
    ///
    /// # Errors
    /// The settings cannot be written as TOML.
    pub fn dump<T: Serialize>(&self, settings: &T) -> Result<String, ConfigError> {
        let table = Table::try_from(settings)
            .map_err(|error| ConfigError::invalid("settings", format!("cannot be shown: {error}")))?;
        let mut lines = Vec::new();
        self.walk(&mut Steps::new(), &Value::Table(table), &mut lines);
        let width = lines.iter().map(|(setting, _)| setting.chars().count()).max().unwrap_or_default().min(72);
        Ok(lines.iter().map(|(setting, origin)| format!("{setting:<width$}  # {origin}\n")).collect())
    }

    fn walk(&self, steps: &mut Steps, value: &Value, lines: &mut Vec<(String, String)>) {
        match value {
            Value::Table(table) => {
                for (name, value) in table {
                    steps.push(name.clone());
                    self.walk(steps, value, lines);
                    steps.pop();
                }
            }
            Value::Array(list) if list.iter().any(Value::is_table) => {
                for (index, value) in list.iter().enumerate() {
                    steps.push(index.to_string());
                    self.walk(steps, value, lines);
                    steps.pop();
                }
            }
            value => {
                let setting = steps.join(".");
                let (value, origin) = self.in_force(&setting, steps, value);
                lines.push((format!("{setting} = {value}"), origin));
            }
        }
    }

    fn in_force(&self, setting: &str, steps: &Steps, value: &Value) -> (Value, String) {
        match self.overriding.iter().find(|(overridden, ..)| *overridden == setting) {
            Some((LEVEL, name, text)) => (Value::String(text.clone()), Origin::Environment((*name).into()).to_string()),
            // They say it in other words, and a URL may hold a secret.
            Some((_, name, _)) => (value.clone(), format!("overridden by {}", Origin::Environment((*name).into()))),
            None => {
                let origin = self.layers.origin(steps);
                (value.clone(), origin.map_or_else(|| "default".to_owned(), |origin| origin.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{LogSettings, TelemetrySettings};

    #[derive(Serialize, Default)]
    struct Settings {
        log: LogSettings,
        telemetry: TelemetrySettings,
    }

    #[test]
    fn a_variable_that_wins_over_a_setting_is_named() {
        let text = |name: &str| match name {
            "RUST_LOG" => Some("debug".to_owned()),
            "OTEL_TRACES_SAMPLER" => Some("always_off".to_owned()),
            "OTEL_METRIC_EXPORT_INTERVAL" => Some(String::new()),
            _ => None,
        };
        let dump = Origins::new(Layers::default(), text).dump(&Settings::default()).unwrap();
        let lines: Vec<String> =
            dump.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        for line in [
            "log.format = \"json\" # default",
            "log.level = \"debug\" # environment variable RUST_LOG",
            "telemetry.metrics_interval = \"15s\" # default",
            "telemetry.sample_ratio = 1.0 # overridden by environment variable OTEL_TRACES_SAMPLER",
        ] {
            assert!(lines.iter().any(|found| found == line), "{line}\n{dump}");
        }
    }
}
