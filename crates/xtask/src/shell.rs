//! `target/up/env`: lines that a shell can source.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use testbed::private::write_private;

/// Names and values.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Adds one.
    pub fn set(&mut self, name: impl Into<String>, value: impl ToString) {
        self.0.insert(name.into(), value.to_string());
    }

    /// The value of one.
    ///
    /// # Errors
    /// When it is not there.
    pub fn get(&self, name: &str) -> Result<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.with_context(|| format!("{name} is not known; start again with `cargo xtask up`"))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Writes them for the owner's eyes only: there are tokens among them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let lines = self.all().map(|(name, value)| format!("export {name}={}\n", quoted(value)));
        write_private(file, &lines.collect::<String>())
    }

    /// Reads what [`Environment::write`] wrote.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let pairs = text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        Ok(Self(pairs.map(|(name, value)| (name.to_owned(), unquoted(value))).collect()))
    }
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    inner.unwrap_or(value).replace(r"'\''", "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_and_a_shell_reads_the_same() {
        let folder = testbed::random::hex::<4>();
        let file = std::env::temp_dir().join(format!("env-{folder}"));
        let value = "it's $HOME `x` \"y\" \\";
        let mut environment = Environment::default();
        environment.set("SANDI_X", value);
        environment.write(&file).unwrap();
        assert_eq!(Environment::read(&file).unwrap().get("SANDI_X").unwrap(), value);
        let shell = std::process::Command::new("sh")
            .args(["-c", ". \"$0\"; printf %s \"$SANDI_X\"", file.to_str().unwrap()])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(shell.stdout).unwrap(), value);
        fs::remove_file(file).unwrap();
    }
}
