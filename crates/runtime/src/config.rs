//! Settings: a TOML file, the environment over it, `--set` over both.
//!
//! Ours rather than the `config` crate: that one cannot tell where a value came from, splits
//! list indices in another way, and echoes values (and so secrets) in its errors.
//!
//! - environment: `SANDI_IDENTITY__SECTION__KEY`, each `__` one step down, any case
//! - `--set section.key=value`
//! - lists by index: `SANDI_MAILER__SMTP__RELAYS__0__HOST`, `--set smtp.relays.0.host=…`
//! - a value is read as TOML if it is TOML (`8`, `true`, `["1m", "4m"]`), else as a string
//!
//! Settings types use `#[serde(deny_unknown_fields)]`: an unknown key is then refused with the
//! nearest known name.

mod dump;
mod error;
mod layers;

use std::ffi::OsString;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

pub use dump::Origins;
pub use error::ConfigError;
use layers::Layers;

pub use crate::duration::{self, durations};
pub use crate::secret::{read_secret, url_from};
pub use crate::settings::{AdminSettings, LogFormat, LogSettings, TelemetrySettings};
pub use layers::Origin;

/// Where settings are read from, weakest first.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Such as `SANDI_IDENTITY`: names that begin with it and `__` are settings.
    pub env_prefix: &'static str,
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// The values of `--set`, each `section.key=value`.
    pub set: Vec<String>,
}

/// Reads the settings, and keeps where each came from.
///
/// # Errors
/// As [`load`].
pub fn load_with_origins<T: DeserializeOwned>(sources: &Sources) -> Result<(T, Origins), ConfigError> {
    let mut layers = read(sources, std::env::vars_os())?;
    let settings = decode(&mut layers)?;
    Ok((settings, Origins::new(layers, |name| std::env::var(name).ok())))
}

/// Reads the settings.
///
/// # Errors
/// One line that names the setting and where it came from; never a value, because it might be a
/// secret.
pub fn load<T: DeserializeOwned>(sources: &Sources) -> Result<T, ConfigError> {
    load_from(sources, std::env::vars_os())
}

fn load_from<T: DeserializeOwned>(
    sources: &Sources,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<T, ConfigError> {
    let decoded = read(sources, environment).and_then(|mut layers| decode(&mut layers));
    decoded.map_err(ConfigError::plain)
}

fn read(sources: &Sources, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Layers, ConfigError> {
    let mut layers = Layers::default();
    if let Some(path) = &sources.file {
        layers.add_file(path)?;
    }
    layers.add_environment(sources.env_prefix, environment)?;
    layers.add_set(&sources.set)?;
    Ok(layers)
}

/// `--set product_name=2024` is a number to TOML, but a name to us: before giving up, what came
/// as text is tried as text. When that is wrong too, the first complaint is the better one.
fn decode<T: DeserializeOwned>(layers: &mut Layers) -> Result<T, ConfigError> {
    let mut first: Option<(layers::Steps, ConfigError)> = None;
    loop {
        let error = match serde_path_to_error::deserialize(layers.root()) {
            Ok(settings) => return Ok(settings),
            Err(error) => error,
        };
        let steps = error::path_of(&error);
        if let Some((known, complaint)) = first
            && known == steps
        {
            return Err(complaint);
        }
        let complaint = error::explain(layers, &error);
        if !layers.take_as_text(&steps) {
            return Err(complaint);
        }
        first = Some((steps, complaint));
    }
}

#[cfg(test)]
mod tests;
