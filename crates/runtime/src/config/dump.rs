//! The settings in force, and where each came from.

use serde::Serialize;
use toml::{Table, Value};

use super::error::ConfigError;
use super::layers::{Layers, Steps};

/// Where the settings came from that [`super::load_with_origins`] read.
pub struct Origins(pub(super) Layers);

impl Origins {
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
                let origin = self.0.origin(steps).map_or_else(|| "default".to_owned(), |origin| origin.to_string());
                lines.push((format!("{} = {value}", steps.join(".")), origin));
            }
        }
    }
}
