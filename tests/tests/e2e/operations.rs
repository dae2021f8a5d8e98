//! What an SRE is woken by, and where it leads.

mod alerts;

use std::{collections::BTreeSet, fs, path::Path};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_alert_leads_to_a_heading_of_the_run_book() {
    let book = file("deploy/README.md");
    let plain = |heading: &str| {
        let kept = heading
            .to_lowercase()
            .chars()
            .filter(|letter| letter.is_alphanumeric() || " -".contains(*letter))
            .collect::<String>();
        kept.replace(' ', "-")
    };
    let headings: BTreeSet<String> = book
        .lines()
        .filter(|line| line.starts_with("##"))
        .map(|line| plain(line.trim_start_matches('#').trim()))
        .collect();
    let rules = file("deploy/prometheus/rules.yaml");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let places: Vec<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("runbook_url: deploy/README.md#")).collect();
    assert_eq!(alerts.len(), places.len(), "each has one");
    for place in places {
        assert!(headings.contains(place), "no heading {place}");
    }
    for alert in alerts {
        assert!(book.contains(&format!("`{alert}`")), "{alert} is not in the run book's list");
    }
}
