//! The merged settings, and where each came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::error::ConfigError;

/// A setting's name in steps; list indices are steps too.
pub(super) type Steps = Vec<String>;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The settings file.
    File(PathBuf),
    /// The environment variable of this name.
    Environment(String),
    /// `--set`.
    Set,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Set => f.write_str("--set"),
        }
    }
}

/// A value that came as text, and the text.
struct Given {
    origin: Origin,
    text: String,
}

#[derive(Default)]
pub(super) struct Layers {
    root: Table,
    /// The file as it was, to tell what stands in it.
    file: Option<(PathBuf, Table)>,
    given: BTreeMap<Steps, Given>,
}

impl Layers {
    pub(super) fn root(&self) -> Table {
        self.root.clone()
    }

    pub(super) fn add_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::File { path: path.into(), reason: error.to_string() })?;
        // TOML's own Display quotes the line, which may hold a secret.
        self.root = toml::from_str(&text).map_err(|error: toml::de::Error| {
            let end = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..end].iter().filter(|b| **b == b'\n').count() + 1;
            ConfigError::File {
                path: path.into(),
                reason: format!("line {line}: {}", error.message().replace('\n', ", ")),
            }
        })?;
        self.file = Some((path.into(), self.root.clone()));
        Ok(())
    }

    pub(super) fn add_environment(
        &mut self,
        prefix: &str,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(), ConfigError> {
        let prefix = format!("{prefix}__");
        let mut found = Vec::new();
        for (name, value) in environment {
            let Some(name) = name.to_str() else { continue };
            let Some(setting) = name.strip_prefix(&prefix) else {
                continue;
            };
            let origin = Origin::Environment(name.into());
            let text = value
                .into_string()
                .map_err(|_| ConfigError::Given { origin: origin.clone(), reason: "the value is not UTF-8".into() })?;
            let setting = setting.to_ascii_lowercase();
            let steps: Steps = setting.split("__").map(str::to_owned).collect();
            found.push((steps, origin, text));
        }
        // The environment has no order; a list must grow from its beginning.
        found.sort_by_key(|(steps, _, _)| {
            let key = |step: &String| (step.parse::<usize>().unwrap_or(0), step.clone());
            steps.iter().map(key).collect::<Vec<_>>()
        });
        for (steps, origin, text) in found {
            self.put(steps, origin, text)?;
        }
        Ok(())
    }

    pub(super) fn add_set(&mut self, set: &[String]) -> Result<(), ConfigError> {
        for (index, argument) in set.iter().enumerate() {
            let Some((setting, text)) = argument.split_once('=') else {
                return Err(ConfigError::Given {
                    origin: Origin::Set,
                    reason: format!("number {} is not section.key=value", index + 1),
                });
            };
            let steps = setting.trim().split('.').map(str::to_owned).collect();
            self.put(steps, Origin::Set, text.into())?;
        }
        Ok(())
    }

    fn put(&mut self, steps: Steps, origin: Origin, text: String) -> Result<(), ConfigError> {
        let refuse = |reason: &str| ConfigError::Given {
            origin: origin.clone(),
            reason: format!("{}: {reason}", steps.join(".")),
        };
        if steps.iter().any(String::is_empty) {
            return Err(refuse("not the name of a setting"));
        }
        put(&mut self.root, &steps, value_of(&text)).map_err(refuse)?;
        // What stood below is replaced, and its origin with it.
        self.given.retain(|known, _| !known.starts_with(&steps));
        self.given.insert(steps, Given { origin, text });
        Ok(())
    }

    /// Turns a value that was read as TOML back into the text that was given. False when there is
    /// no such value, or it is text already.
    pub(super) fn take_as_text(&mut self, steps: &[String]) -> bool {
        let Some(given) = self.given.get(steps) else {
            return false;
        };
        let text = Value::String(given.text.clone());
        if self.value(steps) == Some(&text) {
            return false;
        }
        put(&mut self.root, steps, text).is_ok()
    }

    pub(super) fn value(&self, steps: &[String]) -> Option<&Value> {
        find(&self.root, steps)
    }

    /// Where the value at `steps` came from: set itself or with what stands above it, or in the
    /// file, or by something below it.
    pub(super) fn origin(&self, steps: &[String]) -> Option<Origin> {
        let above = || {
            let mut lengths = (1..=steps.len()).rev();
            lengths.find_map(|length| self.given.get(&steps[..length]))
        };
        if let Some(given) = above() {
            return Some(given.origin.clone());
        }
        match &self.file {
            Some((path, table)) if find(table, steps).is_some() => Some(Origin::File(path.clone())),
            _ => {
                let mut given = self.given.iter();
                let below = given.find(|(known, _)| known.starts_with(steps))?;
                Some(below.1.origin.clone())
            }
        }
    }
}

fn find<'a>(table: &'a Table, steps: &[String]) -> Option<&'a Value> {
    let (first, rest) = steps.split_first()?;
    rest.iter().try_fold(table.get(first)?, |value, step| match value {
        Value::Table(table) => table.get(step),
        Value::Array(list) => list.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// `8`, `true`, `"text"`, `["1m", "4m"]` as TOML; anything else is a string.
fn value_of(text: &str) -> Value {
    match text.parse::<Value>() {
        Ok(Value::Datetime(_)) | Err(_) => Value::String(text.into()),
        Ok(value) => value,
    }
}

fn put(table: &mut Table, steps: &[String], value: Value) -> Result<(), &'static str> {
    let (first, rest) = steps.split_first().ok_or("not the name of a setting")?;
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return Ok(());
    }
    let next = table.entry(first.clone()).or_insert_with(|| container_for(&rest[0]));
    put_into(next, rest, value)
}

fn put_into(target: &mut Value, steps: &[String], value: Value) -> Result<(), &'static str> {
    match target {
        Value::Table(table) => put(table, steps, value),
        Value::Array(list) => {
            let (first, rest) = steps.split_first().ok_or("not the name of a setting")?;
            let index: usize = first.parse().map_err(|_| "a list; name an entry by its index")?;
            if index > list.len() {
                return Err("an entry of the list before this one is missing");
            }
            if index == list.len() {
                list.push(rest.first().map_or(Value::Integer(0), |next| container_for(next)));
            }
            match rest {
                [] => list[index] = value,
                _ => put_into(&mut list[index], rest, value)?,
            }
            Ok(())
        }
        _ => Err("stands below a value that is no section"),
    }
}

fn container_for(step: &str) -> Value {
    if step.parse::<usize>().is_ok() { Value::Array(Vec::new()) } else { Value::Table(Table::new()) }
}
