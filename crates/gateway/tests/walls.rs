//! The walls: the gateway knows the contract and what all programs share, nothing of the others; tonic stands in
//! `identity` alone; pages make no address from a request, and no call that nobody pays for.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            found.extend(sources(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&entry).expect("a source file");
            found.push((entry, text));
        }
    }
    found
}

/// Files outside `home` that name one of these.
fn outside(home: &str, names: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found = sources(&root).into_iter().filter(|(path, _)| home.is_empty() || !path.starts_with(root.join(home)));
    found.filter(|(_, text)| names.iter().any(|name| text.contains(name))).map(|(path, _)| path).collect()
}

#[test]
fn the_gateway_depends_on_the_contract_and_the_runtime_alone() {
    let manifest = include_str!("../Cargo.toml");
    for other in ["identity", "mailer", "messaging", "sqlx", "lapin"] {
        assert!(!manifest.lines().any(|line| line.starts_with(other)), "{other}");
    }
}

#[test]
fn tonic_stands_in_the_client_alone() {
    let allowed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/identity.rs");
    let found = outside("identity", &["tonic::", "tonic_types", "tonic_health"]);
    assert_eq!(found.into_iter().filter(|path| *path != allowed).collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

#[test]
fn nobody_asks_a_request_for_our_name() {
    assert_eq!(outside("", &["header::HOST", "x-forwarded-host", "Host("]), Vec::<PathBuf>::new());
}

#[test]
fn every_call_of_a_page_is_paid_for() {
    assert_eq!(outside("web", &["app.identity"]), Vec::<PathBuf>::new(), "pages ask the service of their visit");
}
