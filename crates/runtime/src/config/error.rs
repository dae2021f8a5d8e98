//! What is wrong with the settings, in one line and without a value.

use std::path::{Path, PathBuf};

use serde_path_to_error::Segment;
use toml::Value;

use super::layers::{Layers, Origin, Steps};

/// Below this likeness (0 to 1) a name is no suggestion.
const ALIKE: f64 = 0.6;

/// A setting that is wrong, unknown or missing. Displays as one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The settings file cannot be read or is not TOML.
    #[error("{path}: {reason}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A name in the environment or in `--set` is no setting's.
    #[error("{origin}: {reason}")]
    Given {
        /// Where it stands.
        origin: Origin,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such setting.
    #[error("{setting}: unknown setting{from}{hint}", from = from(origin), hint = hint(nearest))]
    Unknown {
        /// Its name, dotted.
        setting: String,
        /// Where it stands.
        origin: Option<Origin>,
        /// The known name that is most like it.
        nearest: Option<String>,
    },
    /// The value is not allowed, or is missing.
    #[error("{setting}: {reason}{from}", from = from(origin))]
    Invalid {
        /// Its name, dotted.
        setting: String,
        /// Where it stands, when that is known.
        origin: Option<Origin>,
        /// What is wrong with it.
        reason: String,
    },
}

impl ConfigError {
    /// A setting whose value is refused by a rule of the program. `reason` says what would be
    /// right, and holds no secret.
    pub fn invalid(setting: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { setting: setting.into(), origin: None, reason: reason.into() }
    }

    /// The same with control characters escaped, those of names that somebody typed among them: one line, and nothing
    /// that moves a terminal.
    pub(super) fn plain(self) -> Self {
        match self {
            Self::File { path, reason } => Self::File { path, reason: escaped(&reason) },
            Self::Given { origin, reason } => Self::Given { origin, reason: escaped(&reason) },
            Self::Unknown { setting, origin, nearest } => {
                let nearest = nearest.as_deref().map(escaped);
                Self::Unknown { setting: escaped(&setting), origin, nearest }
            }
            Self::Invalid { setting, origin, reason } => {
                Self::Invalid { setting: escaped(&setting), origin, reason: escaped(&reason) }
            }
        }
    }

    pub(crate) fn secret_file(path: &Path, reason: String) -> Self {
        Self::File { path: path.into(), reason }
    }

    /// The same, with the name of the setting in front.
    pub(crate) fn of_setting(self, setting: &str) -> Self {
        Self::invalid(setting, self.to_string())
    }
}

fn escaped(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { it.escape_default().to_string() } else { it.to_string() }).collect()
}

fn from(origin: &Option<Origin>) -> String {
    match origin {
        Some(origin) => format!(" (from {origin})"),
        None => String::new(),
    }
}

fn hint(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("; did you mean {name}?"),
        None => String::new(),
    }
}

/// The setting that a decoding error is about.
pub(super) fn path_of(error: &serde_path_to_error::Error<toml::de::Error>) -> Steps {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    error.path().iter().filter_map(step).collect()
}

/// Turns serde's error into one of ours.
pub(super) fn explain(layers: &Layers, error: &serde_path_to_error::Error<toml::de::Error>) -> ConfigError {
    let steps = path_of(error);
    let message = error.inner().message().replace('\n', ", ");
    if let Some(names) = message.strip_prefix("unknown field ") {
        return unknown(layers, steps, names);
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        let name = name.trim_matches('`');
        return ConfigError::invalid(dotted(&steps, Some(name)), "not set");
    }
    ConfigError::Invalid {
        origin: layers.origin(&steps),
        reason: without_values(message, layers.value(&steps)),
        setting: dotted(&steps, None),
    }
}

/// `names` is "`given`, expected `known`", "…, expected one of `a`, `b`" or "…, there are no
/// fields".
fn unknown(layers: &Layers, mut steps: Steps, names: &str) -> ConfigError {
    let mut names = names.split('`').skip(1).step_by(2);
    let given = names.next().unwrap_or_default().to_owned();
    // The path may or may not end with the unknown key itself.
    if steps.last() == Some(&given) {
        steps.pop();
    }
    let nearest = names
        .map(|name| (likeness(name, &given), name))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| dotted(&steps, Some(name)));
    let setting = dotted(&steps, Some(&given));
    steps.push(given);
    ConfigError::Unknown { origin: layers.origin(&steps), setting, nearest }
}

/// Jaro-Winkler is good at names with a common beginning, Damerau-Levenshtein at short ones with letters swapped.
fn likeness(one: &str, other: &str) -> f64 {
    strsim::jaro_winkler(one, other).max(strsim::normalized_damerau_levenshtein(one, other))
}

fn dotted(steps: &[String], name: Option<&str>) -> String {
    let steps = steps.iter().map(String::as_str).chain(name);
    steps.collect::<Vec<_>>().join(".")
}

/// Serde quotes the value it cannot take. Any value may be a secret (or a secret in the wrong
/// place), and whoever wrote it can look it up where the error says it stands.
fn without_values(mut message: String, value: Option<&Value>) -> String {
    const HIDDEN: &str = "…";
    let mut leaves = Vec::new();
    collect_leaves(value, &mut leaves);
    for leaf in leaves {
        for quoted in [format!("{leaf:?}"), format!("`{leaf}`")] {
            message = message.replace(&quoted, HIDDEN);
        }
        // Short text is left alone: it would be found in ordinary words.
        if leaf.len() >= 6 {
            message = message.replace(&leaf, HIDDEN);
        }
    }
    message.replace(" …", "")
}

fn collect_leaves(value: Option<&Value>, leaves: &mut Vec<String>) {
    match value {
        None => {}
        Some(Value::String(text)) => leaves.push(text.clone()),
        Some(Value::Array(list)) => list.iter().for_each(|v| collect_leaves(Some(v), leaves)),
        Some(Value::Table(table)) => table.values().for_each(|value| collect_leaves(Some(value), leaves)),
        Some(other) => leaves.push(other.to_string()),
    }
}
