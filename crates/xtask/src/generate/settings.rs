//! The page of the settings, and their JSON schemas for editors and linters.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::{Map, Value as Json, json};
use toml::Value;

use super::{
    Made, read,
    samples::{self, Section},
};

const PROGRAMS: [(&str, &str, &str); 3] = [
    ("identity", "deploy/identity.toml", "docs/settings/identity.schema.json"),
    ("mailer", "deploy/mailer.toml", "docs/settings/mailer.schema.json"),
    ("gateway", "deploy/gateway.toml", "docs/settings/gateway.schema.json"),
];

const HEAD: &str = "\
<!-- Made by `cargo xtask generate` from deploy/*.toml. -->
# Settings

Each program reads a TOML file (`--config`), then the environment, then `--set section.key=value`; what comes later
wins. `PROGRAM check-config` says what is wrong, `PROGRAM config dump` what is in force and where it came from. A value
here is the default, or an example where there is none. Editors and linters take the schemas:
[identity](settings/identity.schema.json), [mailer](settings/mailer.schema.json),
[gateway](settings/gateway.schema.json).
";

/// `docs/settings.md`.
pub(super) fn page() -> Result<Made> {
    let mut text = HEAD.to_owned();
    for (program, sample, _) in PROGRAMS {
        let _ = writeln!(text, "\n## {program}\n\n| setting | default or example | |\n|---|---|---|");
        for section in samples::read(&read(sample)?)? {
            for setting in &section.settings {
                let name = place(&section, &setting.key);
                let meaning = setting.text.replace('|', "\\|");
                let _ = writeln!(text, "| `{name}` | `{}` | {meaning} |", setting.value);
            }
        }
    }
    Ok(Made { path: "docs/settings.md", text })
}

fn place(section: &Section, key: &str) -> String {
    match (section.name.as_str(), section.is_list) {
        ("", _) => key.to_owned(),
        (name, false) => format!("{name}.{key}"),
        (name, true) => format!("{name}.0.{key}"),
    }
}

/// `docs/settings/*.schema.json`.
pub(super) fn schemas() -> Result<Vec<Made>> {
    PROGRAMS.into_iter().map(|(program, sample, path)| schema(program, sample, path)).collect()
}

fn schema(program: &str, sample: &str, path: &'static str) -> Result<Made> {
    let mut root = object("");
    for section in samples::read(&read(sample)?)? {
        let table = table_of(&mut root, &section);
        for setting in &section.settings {
            table["properties"][&setting.key] = described(kind(&setting.value), &setting.text);
        }
    }
    let mut schema = Map::new();
    schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".into(), format!("Settings of {program}").into());
    if let Json::Object(root) = root {
        schema.extend(root);
    }
    Ok(Made { path, text: serde_json::to_string_pretty(&schema)? + "\n" })
}

/// The schema of a section, made on the way.
fn table_of<'a>(root: &'a mut Json, section: &Section) -> &'a mut Json {
    let mut table = root;
    let names: Vec<&str> = section.name.split('.').filter(|name| !name.is_empty()).collect();
    for (index, name) in names.iter().enumerate() {
        let is_last = index + 1 == names.len();
        let known = &mut table["properties"][name];
        if known.is_null() {
            let inner = object(if is_last { &section.text } else { "" });
            *known = if is_last && section.is_list { json!({ "type": "array", "items": inner }) } else { inner };
        }
        table = if is_last && section.is_list { &mut known["items"] } else { known };
    }
    table
}

fn object(text: &str) -> Json {
    described(json!({ "type": "object", "additionalProperties": false, "properties": {} }), text)
}

fn described(mut schema: Json, text: &str) -> Json {
    if !text.is_empty() {
        schema["description"] = text.into();
    }
    schema
}

fn kind(value: &Value) -> Json {
    match value {
        Value::Integer(_) => json!({ "type": "integer" }),
        Value::Float(_) => json!({ "type": "number" }),
        Value::Boolean(_) => json!({ "type": "boolean" }),
        Value::Array(_) => json!({ "type": "array", "items": { "type": "string" } }),
        _ => json!({ "type": "string" }),
    }
}
