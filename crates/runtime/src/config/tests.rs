use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Sources, load_from};
use crate::settings::LogSettings;

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    product_name: String,
    log: LogSettings,
    grpc: Grpc,
    amqp: Amqp,
    smtp: Smtp,
    resets: Resets,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Grpc {
    listen: Option<SocketAddr>,
    reflection: bool,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Amqp {
    url: Option<SecretString>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Smtp {
    relays: Vec<Relay>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Relay {
    host: String,
    #[serde(default)]
    port: u16,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Resets {
    #[serde(with = "crate::durations")]
    retry_gaps: Vec<Duration>,
}

/// Loads from the text of a file, pairs of the environment, and `--set` arguments.
fn load(file: &str, environment: &[(&str, &str)], set: &[&str]) -> Result<Settings, (String, PathBuf)> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sandi.toml");
    fs::write(&path, file).unwrap();
    let sources = Sources {
        env_prefix: "SANDI_TEST",
        file: Some(path.clone()),
        set: set.iter().map(|&argument| argument.into()).collect(),
    };
    let environment = environment.iter().map(|&(name, value)| (OsString::from(name), OsString::from(value)));
    load_from(&sources, environment).map_err(|error| (error.to_string(), path))
}

fn refusal(file: &str, environment: &[(&str, &str)], set: &[&str]) -> String {
    let (error, path) = load(file, environment, set).err().expect("refused");
    assert!(!error.contains('\n'), "one line: {error}");
    error.replace(path.to_str().unwrap(), "FILE")
}

#[test]
fn set_wins_over_the_environment_and_that_over_the_file() {
    let file = "product_name = 'file'\nlog.level = 'warn'\ngrpc.listen = '127.0.0.1:1'";
    let settings = load(
        file,
        &[
            ("SANDI_TEST__PRODUCT_NAME", "environment"),
            ("SANDI_TEST__GRPC__LISTEN", "127.0.0.1:2"),
            ("SANDI_TEST_PID", "not a setting"),
            ("SANDI_OTHER__LOG__LEVEL", "not ours"),
        ],
        &["grpc.listen=127.0.0.1:3", "grpc.reflection=true"],
    )
    .ok()
    .unwrap();
    assert_eq!(settings.log.level, "warn");
    assert_eq!(settings.product_name, "environment");
    assert_eq!(settings.grpc.listen.unwrap().port(), 3);
    assert!(settings.grpc.reflection);
}

#[test]
fn lists_are_set_by_index_or_whole() {
    let settings = load(
        "[[smtp.relays]]\nhost = 'a'\nport = 25",
        &[
            ("SANDI_TEST__SMTP__RELAYS__1__HOST", "b"),
            ("SANDI_TEST__SMTP__RELAYS__1__PORT", "587"),
            ("SANDI_TEST__RESETS__RETRY_GAPS", r#"["1s", "2s"]"#),
        ],
        &["smtp.relays.0.port=26", "resets.retry_gaps.1=3s"],
    )
    .ok()
    .unwrap();
    let relays: Vec<_> = settings.smtp.relays.iter().map(|relay| (relay.host.as_str(), relay.port)).collect();
    assert_eq!(relays, [("a", 26), ("b", 587)]);
    let gaps = [1, 3].map(Duration::from_secs);
    assert_eq!(settings.resets.retry_gaps, gaps);
    assert_eq!(
        refusal("", &[], &["smtp.relays.1.host=x"]),
        "--set: smtp.relays.1.host: an entry of the list before this one is missing"
    );
}

#[test]
fn a_list_grows_to_more_than_ten_entries_in_the_environment() {
    let names: Vec<String> = (0..12).map(|index| format!("SANDI_TEST__RESETS__RETRY_GAPS__{index}")).collect();
    let environment: Vec<_> = names.iter().map(|name| (name.as_str(), "1s")).collect();
    let settings = load("", &environment, &[]).ok().unwrap();
    assert_eq!(settings.resets.retry_gaps.len(), 12);
}

#[test]
fn text_that_looks_like_a_number_is_text_where_text_is_wanted() {
    for text in ["2024", "true", "1979-05-27", "1.50", "007", "", "1#2"] {
        let set = format!("product_name={text}");
        let settings = load("", &[], &[&set]).ok().unwrap();
        assert_eq!(settings.product_name, text);
    }
    let settings = load("", &[], &["amqp.url=12345"]).ok().unwrap();
    assert_eq!(settings.amqp.url.unwrap().expose_secret(), "12345");
}

#[test]
fn an_unknown_setting_is_refused_with_the_nearest_name_and_its_origin() {
    assert_eq!(
        refusal("[grpc]\nlisten_on = 1", &[], &[]),
        "grpc.listen_on: unknown setting (from FILE); did you mean grpc.listen?"
    );
    assert_eq!(
        refusal("", &[("SANDI_TEST__GRCP__LISTEN", "x")], &[]),
        "grcp: unknown setting (from environment variable SANDI_TEST__GRCP__LISTEN); \
         did you mean grpc?"
    );
    assert_eq!(
        refusal("", &[], &["smtp.relays.0.hots=x"]),
        "smtp.relays.0.hots: unknown setting (from --set); did you mean smtp.relays.0.host?"
    );
    assert_eq!(refusal("zzz = 1", &[], &[]), "zzz: unknown setting (from FILE)");
}

#[test]
fn a_wrong_value_is_refused_by_name_and_origin() {
    assert_eq!(
        refusal("", &[], &["smtp.relays.0.host=a", "smtp.relays.0.port=99999"]),
        "smtp.relays.0.port: invalid value: integer, expected u16 (from --set)"
    );
    assert_eq!(
        refusal("", &[("SANDI_TEST__GRPC__LISTEN", "here")], &[]),
        "grpc.listen: invalid socket address syntax \
         (from environment variable SANDI_TEST__GRPC__LISTEN)"
    );
    assert_eq!(
        refusal("log.format = 'xml'", &[], &[]),
        "log.format: unknown variant, expected `json` or `human` (from FILE)"
    );
    assert_eq!(refusal("[[smtp.relays]]\nport = 1", &[], &[]), "smtp.relays.0.host: not set");
}

#[test]
fn a_name_that_is_none_is_refused() {
    assert_eq!(
        refusal("", &[("SANDI_TEST__", "x")], &[]),
        "environment variable SANDI_TEST__: : not the name of a setting"
    );
    assert_eq!(refusal("", &[], &["grpc.listen"]), "--set: number 1 is not section.key=value");
    assert_eq!(
        refusal("product_name = 'x'", &[], &["product_name.first=1"]),
        "--set: product_name.first: stands below a value that is no section"
    );
}

#[test]
fn a_broken_or_missing_file_is_named_with_the_line() {
    let error = refusal("[grpc]\nlisten = = 1", &[], &[]);
    assert!(error.starts_with("FILE: line 2: "), "{error}");
    let sources = Sources { env_prefix: "SANDI_TEST", file: Some("/nowhere/sandi.toml".into()), set: Vec::new() };
    let error = load_from::<Settings>(&sources, []).err().unwrap();
    assert!(error.to_string().starts_with("/nowhere/sandi.toml: "));
}

#[test]
fn no_error_shows_a_value() {
    const URL: &str = "amqp://sandi:kopi-susu@broker/sandi";
    let quoted = format!("'{URL}'");
    for file in [
        format!("amqp = {quoted}"),
        format!("amqp.url = [{quoted}]"),
        format!("amqp.url = {{ value = {quoted} }}"),
        format!("amqp.url = {quoted} {quoted}"),
        format!("amqp.url = {URL}"),
        format!("amqp.urls = {quoted}"),
        format!("log.format = {quoted}"),
        format!("grpc.listen = {quoted}"),
        format!("grpc.reflection = {quoted}"),
        format!("smtp.relays = {quoted}"),
        format!("[[smtp.relays]]\nhost = 'x'\nport = {quoted}"),
        format!("resets.retry_gaps = [{quoted}]"),
    ] {
        let error = refusal(&file, &[], &[]);
        assert!(!error.contains("kopi-susu"), "{error}");
    }
    for set in [format!("amqp={URL}"), format!("grpc.listen={URL}"), format!("amqp.url.password={URL}"), URL.into()] {
        let error = refusal("amqp.url = 'x'", &[], &[&set]);
        assert!(!error.contains("kopi-susu"), "{error}");
    }
    assert!(!refusal("smtp.relays = 9876543", &[], &[]).contains("9876543"));
}

#[test]
fn a_name_with_control_characters_is_told_in_one_plain_line() {
    let sources = Sources { env_prefix: "SANDI_IDENTITY", file: None, set: vec!["a\n\u{1b}[2J=1".to_owned()] };
    let error = load_from::<Settings>(&sources, std::iter::empty()).err().expect("it is refused").to_string();
    assert!(error.contains("unknown setting") && !error.contains(char::is_control), "{error:?}");
}
