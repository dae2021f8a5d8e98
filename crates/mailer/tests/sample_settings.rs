//! The annotated sample of the settings.

use std::collections::BTreeSet;

use mailer::settings::Settings;

const SAMPLE: &str = include_str!("../../../deploy/mailer.toml");

/// The sample with every default uncommented.
fn in_full() -> String {
    SAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if is_setting(setting) => setting,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_setting(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(key, value)| {
        key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            && format!("{key} = {value}").parse::<toml::Table>().is_ok()
    })
}

/// The dotted names of all settings, list indices left out.
fn names(value: &toml::Value, path: &str, names: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                self::names(value, &path, names);
            }
        }
        toml::Value::Array(list) => list.iter().for_each(|value| self::names(value, path, names)),
        _ => {
            names.insert(path.to_owned());
        }
    }
}

#[test]
fn the_sample_parses_as_it_is_and_with_every_default_uncommented() {
    toml::from_str::<Settings>(SAMPLE).unwrap();
    toml::from_str::<Settings>(&in_full()).unwrap();
}

#[test]
fn every_setting_is_in_the_sample() {
    let mut shown = BTreeSet::new();
    names(&toml::Value::Table(in_full().parse().unwrap()), "", &mut shown);
    // The field names as serde knows them: an unknown field's error lists those of its section.
    for section in ["", "amqp", "keys", "smtp", "smtp.relays", "mail", "admin", "log", "telemetry"] {
        let text = match section {
            "" => "unknown_setting = 1".to_owned(),
            "smtp.relays" => "[[smtp.relays]]\nunknown_setting = 1".to_owned(),
            section => format!("[{section}]\nunknown_setting = 1"),
        };
        let error = toml::from_str::<Settings>(&text).unwrap_err().message().to_owned();
        let known: Vec<&str> = error.split('`').skip(1).step_by(2).skip(1).collect();
        assert!(!known.is_empty(), "{error}");
        for field in known {
            let name = if section.is_empty() { field.to_owned() } else { format!("{section}.{field}") };
            let found = shown.iter().any(|shown| *shown == name || shown.starts_with(&format!("{name}.")));
            assert!(found, "{name} is not in deploy/mailer.toml");
        }
    }
}

#[test]
fn the_defaults_shown_are_the_defaults() {
    let shown: Settings = toml::from_str(&in_full()).unwrap();
    let bare: Settings = toml::from_str(SAMPLE).unwrap();
    assert_eq!(shown.development, bare.development);
    assert_eq!(shown.admin, bare.admin);
    assert_eq!(shown.log, bare.log);
    assert_eq!(shown.telemetry.sample_ratio, bare.telemetry.sample_ratio);
    assert_eq!(shown.telemetry.metrics_interval, bare.telemetry.metrics_interval);
    let (shown, bare) = (&shown.smtp.relays[0], &bare.smtp.relays[0]);
    assert_eq!((shown.port(), shown.tls, shown.connections), (bare.port(), bare.tls, bare.connections));
}
