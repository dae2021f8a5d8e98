//! The rules of `deploy/` with a minute made a second, and what they and the dashboards name.

use std::{collections::BTreeSet, fs, net::SocketAddr, path::Path};

use serde_json::Value;

use super::file;

/// Windows and waits are so many times shorter.
const WINDOWS: u64 = 60;
/// Ages that are waited for are so many times lower: not as low as the windows, or every breath of a busy machine would
/// be a fault.
const AGES: f64 = 20.0;
/// The metrics whose values are such ages, in seconds.
const OF_AGES: [&str; 3] =
    ["sandi_requests_oldest_seconds", "sandi_outbox_oldest_seconds", "sandi_reset_acceptance_seconds"];

/// How Prometheus scrapes these jobs.
pub fn settings(jobs: &[(&str, SocketAddr)]) -> String {
    let head = "global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 500ms }\n\
                rule_files: [rules.yaml]\n\
                scrape_configs:\n";
    let job = |(name, address): &(&str, SocketAddr)| {
        format!("  - job_name: {name}\n    static_configs: [{{ targets: [\"{address}\"] }}]\n")
    };
    head.to_owned() + &jobs.iter().map(job).collect::<String>()
}

/// The rules, quicker.
pub fn rules(text: &str) -> String {
    text.lines().map(|line| rule(line) + "\n").collect()
}

fn rule(line: &str) -> String {
    if let Some((before, wait)) = line.split_once("for: ").filter(|(before, _)| before.trim().is_empty()) {
        return format!("{before}for: {}", shorter(wait.trim()));
    }
    let mut made = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        let (window, after) = after.split_once(']').unwrap_or((after, ""));
        let is_window = window.ends_with(['s', 'm', 'h']) && window.starts_with(|first: char| first.is_ascii_digit());
        let window = if is_window { shorter(window) } else { window.to_owned() };
        made = format!("{made}{before}[{window}]");
        rest = after;
    }
    made.push_str(rest);
    match made.rsplit_once("> ") {
        Some((before, age)) if OF_AGES.iter().any(|metric| line.contains(metric)) => {
            let age: f64 = age.trim().parse().expect("an age is compared with a number");
            format!("{before}> {}", age / AGES)
        }
        _ => made,
    }
}

/// A duration of Prometheus, shorter: `5m` is `5000ms`.
fn shorter(duration: &str) -> String {
    let (number, unit) = duration.split_at(duration.len() - 1);
    let number: u64 = number.parse().expect("a duration is a number and a unit");
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => panic!("{duration} is no duration"),
    };
    format!("{}ms", number * seconds * 1000 / WINDOWS)
}

/// The names of the alerts.
pub fn alerts(rules: &str) -> Vec<String> {
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(ToOwned::to_owned).collect()
}

/// Every expression of rules and dashboards, as Grafana would send it.
pub fn expressions() -> Vec<String> {
    let mut found = Vec::new();
    let rules = file("deploy/prometheus/rules.yaml");
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((before, first)) = line.split_once("expr:") else { continue };
        let mut expression = first.trim_start_matches([' ', '|']).to_owned();
        // What stands further in belongs to it.
        while let Some(next) = lines.next_if(|next| next.len() - next.trim_start().len() > before.len()) {
            expression = format!("{expression} {}", next.trim());
        }
        found.push(expression);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/grafana/dashboards");
    for entry in fs::read_dir(folder).expect("there are dashboards") {
        let text = fs::read_to_string(entry.expect("a file").path()).expect("it can be read");
        collect(&serde_json::from_str(&text).expect("it is JSON"), &mut found);
    }
    assert!(found.len() > 60, "{} expressions", found.len());
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(expression)) = fields.get("expr") {
                found.push(expression.replace("$__rate_interval", "1m").replace("$__range", "1h"));
            }
            fields.values().for_each(|value| collect(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

/// The metrics that an expression names: words with a prefix of ours, outside of braces and quotes.
pub fn metrics(expression: &str) -> BTreeSet<String> {
    const PREFIXES: [&str; 6] = ["sandi", "rpc_server", "db_client", "http_server", "messaging", "up"];
    let mut outside = String::new();
    let mut depth = 0;
    for letter in expression.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 0 => outside.push(letter),
            _ => {}
        }
    }
    let words = outside.split(|letter: char| !(letter.is_ascii_alphanumeric() || "_:".contains(letter)));
    let named = words.filter(|word| {
        let prefix = |prefix: &&str| {
            word.strip_prefix(*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', ':']))
        };
        PREFIXES.iter().any(prefix)
    });
    // A label after `by` is none.
    named.filter(|word| !LABELS.contains(word)).map(ToOwned::to_owned).collect()
}

/// Labels that begin like metrics.
const LABELS: [&str; 2] = ["db_client_connection_state", "rpc_server"];

#[test]
fn a_minute_becomes_a_second_and_nothing_else_changes() {
    for (line, quick) in [
        ("        for: 5m", "        for: 5000ms"),
        ("        for: 30s", "        for: 500ms"),
        ("  sum(rate(x_total{code=~\"A|B\"}[1h])) > 10", "  sum(rate(x_total{code=~\"A|B\"}[60000ms])) > 10"),
        (
            "  expr: max(sandi_outbox_oldest_seconds{job=\"identity\"}) > 60",
            "  expr: max(sandi_outbox_oldest_seconds{job=\"identity\"}) > 3",
        ),
        ("  max by (queue) (x{queue=~\".+[.]parked\"}) > 0", "  max by (queue) (x{queue=~\".+[.]parked\"}) > 0"),
        ("      - record: sandi:call_failures:ratio_rate5m", "      - record: sandi:call_failures:ratio_rate5m"),
    ] {
        assert_eq!(rule(line), quick);
    }
}
