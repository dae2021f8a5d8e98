//! Reads the samples of the settings (`deploy/*.toml`), which tests hold complete: what there is to set, its default
//! or an example, and what it means.

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

/// A table of settings.
pub(super) struct Section {
    /// Dotted; empty at the top.
    pub(super) name: String,
    /// Whether it may be there several times.
    pub(super) is_list: bool,
    /// What the sample says of it.
    pub(super) text: String,
    /// Its settings, in order.
    pub(super) settings: Vec<Setting>,
}

/// One setting.
pub(super) struct Setting {
    /// Without the section.
    pub(super) key: String,
    /// The default, or an example.
    pub(super) value: Value,
    /// What the sample says of it.
    pub(super) text: String,
}

/// Reads a sample. Its first comment, up to an empty line, is about the file and left out.
pub(super) fn read(sample: &str) -> Result<Vec<Section>> {
    let mut sections = vec![Section { name: String::new(), is_list: false, text: String::new(), settings: Vec::new() }];
    let body = sample.split_once("\n\n").context("no comment at the head")?.1;
    let mut text: Vec<&str> = Vec::new();
    for line in body.lines().map(str::trim) {
        let comment = line.strip_prefix('#').map(str::trim);
        let last = sections.last_mut().context("there is one")?;
        if let Some(setting) = setting(comment.unwrap_or(line)) {
            last.settings.push(Setting { text: text.join(" "), ..setting });
            text.clear();
        } else if let Some(comment) = comment {
            text.push(comment);
        } else if line.starts_with('[') {
            let name = line.trim_matches(['[', ']']).to_owned();
            sections.push(Section {
                name,
                is_list: line.starts_with("[["),
                text: text.join(" "),
                settings: Vec::new(),
            });
            text.clear();
        } else if line.is_empty() {
            text.clear();
        } else {
            bail!("not understood: {line}");
        }
    }
    Ok(sections)
}

/// `key = value`, if that is what it is and not a sentence.
fn setting(line: &str) -> Option<Setting> {
    let (key, _) = line.split_once(" = ")?;
    if !key.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_' || letter.is_ascii_digit()) {
        return None;
    }
    let mut table: Table = line.parse().ok()?;
    Some(Setting { key: key.to_owned(), value: table.remove(key)?, text: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_from_sentences() {
        let sample = "# About the file.\n\n# Whether.\nflag = false\n\n[one]\n# How long. Use = freely.\n# wait = \"2s\"\n\n\
                      # Several.\n[[one.more]]\nnumber = 3\n";
        let sections = read(sample).unwrap();
        let names: Vec<_> = sections.iter().map(|section| (section.name.as_str(), section.is_list)).collect();
        assert_eq!(names, [("", false), ("one", false), ("one.more", true)]);
        assert_eq!(sections[1].settings[0].text, "How long. Use = freely.");
        assert_eq!(sections[1].settings[0].value, Value::String("2s".to_owned()));
        assert_eq!(sections[2].text, "Several.");
    }
}
