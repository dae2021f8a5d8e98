use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use super::*;

const SAMPLE: &str = include_str!("../../../../../deploy/gateway.toml");

fn parse(text: &str) -> Settings {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Settings that are right, and the files that they point to.
fn good() -> (TempDir, Settings) {
    runtime::install_crypto();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| -> PathBuf {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut settings = Settings {
        public_url: "https://kopi.example/account".into(),
        trusted_proxies: vec!["10.0.0.0/8".into()],
        ..Settings::default()
    };
    settings.tls.certificate = Some(file("tls.crt", &own.cert.pem()));
    settings.tls.key = Some(file("tls.key", &own.signing_key.serialize_pem()));
    settings.identity.url = "https://identity.example:50051".into();
    settings.identity.token_file = file("token", "secret-token\n");
    settings.cookie.key_file = file("cookie-key", &STANDARD.encode([7; 64]));
    (directory, settings)
}

fn mistakes(settings: &Settings) -> String {
    settings.check().err().map_or_else(String::new, |failure| failure.to_string())
}

#[tokio::test]
async fn settings_that_are_right_pass() {
    let (_directory, settings) = good();
    assert_eq!(mistakes(&settings), "");
}

#[tokio::test]
async fn every_mistake_is_named_at_once_and_no_secret() {
    let (directory, mut settings) = good();
    settings.public_url = "http://kopi.example".into();
    settings.locale = "fr".into();
    settings.trusted_proxies = vec!["proxy".into()];
    settings.identity.url = "http://identity.example".into();
    settings.limits.connections = 0;
    settings.limits.connections_per_address = 0;
    settings.limits.requests_per_second = 0;
    settings.limits.request_burst = 29;
    settings.limits.body_time = Duration::ZERO;
    settings.cookie.session_life = Duration::from_secs(1);
    settings.actors.key_file = Some(directory.path().join("token"));
    let said = mistakes(&settings);
    for name in [
        "public_url",
        "locale",
        "trusted_proxies",
        "identity.url",
        "limits.connections",
        "limits.connections_per_address",
        "limits.requests_per_second",
        "limits.request_burst",
        "limits.body_time",
        "cookie.session_life",
        "actors.issuer",
        "actors.audience",
        "actors.key_file",
    ] {
        assert!(said.contains(&format!("{name}:")), "{name} in {said}");
    }
    assert!(!said.contains("secret-token"), "{said}");
}

#[tokio::test]
async fn a_path_is_plain() {
    let (_directory, mut settings) = good();
    for path in ["{id}", ":id", "a//b", "*x", "a%20b", "kopi/\u{e9}"] {
        settings.public_url = format!("https://kopi.example/{path}");
        assert!(mistakes(&settings).contains("public_url:"), "{path}");
    }
    for path in ["", "akun", "akun/", "a/b-c_d.e~f"] {
        settings.public_url = format!("https://kopi.example/{path}");
        assert_eq!(mistakes(&settings), "", "{path}");
    }
}

#[tokio::test]
async fn plain_http_is_for_proxies_and_development_only() {
    let (_directory, mut settings) = good();
    settings.tls = Default::default();
    assert_eq!(mistakes(&settings), "", "behind a proxy");
    settings.trusted_proxies.clear();
    assert!(mistakes(&settings).contains("tls.certificate:"));
    settings.development = true;
    assert_eq!(mistakes(&settings), "");
    settings.public_url = "http://127.0.0.1:8080".into();
    settings.identity.url = "http://127.0.0.1:50051".into();
    assert_eq!(mistakes(&settings), "");
    settings.identity.url = "http://192.0.2.1:50051".into();
    assert!(mistakes(&settings).contains("identity.url:"), "in the clear over a network");
}

#[test]
fn the_sample_shows_the_defaults() {
    let defaults = Settings::default();
    let mut sample = parse(&in_full());
    // Addresses and paths are examples; what has a default shows it.
    sample.public_url.clear();
    sample.trusted_proxies.clear();
    sample.tls = defaults.tls.clone();
    sample.identity = defaults.identity.clone();
    sample.cookie.key_file = PathBuf::new();
    sample.actors.key_file = None;
    sample.telemetry.otlp_endpoint = None;
    assert_eq!(format!("{sample:?}"), format!("{defaults:?}"));
}

#[test]
fn the_sample_shows_every_setting() {
    let shown: toml::Table = in_full().parse().unwrap();
    for section in ["", "tls", "identity", "cookie", "actors", "limits", "admin", "log", "telemetry"] {
        let text = if section.is_empty() { "x = 1".into() } else { format!("[{section}]\nx = 1") };
        // The names serde knows, from its own message about an unknown one.
        let error = toml::from_str::<Settings>(&text).unwrap_err().message().to_owned();
        let names = error.split_once("expected").expect("names").1;
        let table = if section.is_empty() { Some(&shown) } else { shown.get(section).and_then(toml::Value::as_table) };
        for name in names.split('`').skip(1).step_by(2) {
            assert!(table.is_some_and(|table| table.contains_key(name)), "{section}.{name} is not in the sample");
        }
    }
}

/// The sample with every default uncommented.
fn in_full() -> String {
    let line = |line: &'static str| match line.strip_prefix("# ") {
        Some(setting) if setting.parse::<toml::Table>().is_ok_and(|table| !table.is_empty()) => setting,
        _ => line,
    };
    SAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}
