//! The walls inside the service: SQL stands in `store` alone, tonic in `grpc` alone, the AMQP client
//! nowhere, and `domain` imports nothing of ours. And one around all crates: no span takes arguments unasked.

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
    sources(&root)
        .into_iter()
        .filter(|(path, _)| home.is_empty() || !path.starts_with(root.join(home)))
        .filter(|(_, text)| names.iter().any(|name| text.contains(name)))
        .map(|(path, _)| path)
        .collect()
}

#[test]
fn sql_stands_in_the_store_alone() {
    assert_eq!(outside("store", &["sqlx::", "SELECT ", "UPDATE ", "INSERT INTO"]), Vec::<PathBuf>::new());
}

#[test]
fn tonic_stands_in_the_grpc_edge_alone() {
    assert_eq!(outside("grpc", &["tonic::", "tonic_types", "tonic_health"]), Vec::<PathBuf>::new());
}

#[test]
fn the_amqp_client_stands_nowhere() {
    assert_eq!(outside("", &["lapin"]), Vec::<PathBuf>::new());
}

#[test]
fn the_domain_imports_nothing_of_ours() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    let ours = ["proto::", "messaging::", "runtime::", "crate::store", "crate::ops", "crate::grpc", "crate::service"];
    for (path, text) in sources(&root) {
        for name in ours {
            assert!(!text.contains(name), "{} uses {name}", path.display());
        }
    }
}

#[test]
fn operations_know_neither_the_edge_nor_the_workers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
    for (path, text) in sources(&root) {
        for name in ["crate::grpc", "crate::issuer", "crate::relay", "crate::feedback", "crate::cli"] {
            assert!(!text.contains(name), "{} uses {name}", path.display());
        }
    }
}

/// Attributes `instrument` without `skip_all`: they record every argument.
fn recording(text: &str) -> Vec<&str> {
    let attributes = text.split("#[").skip(1).map(|rest| rest.split(']').next().unwrap_or_default());
    let instruments = attributes.filter(|attribute| {
        let words = attribute.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
        words.into_iter().any(|word| word == "instrument")
    });
    instruments.filter(|attribute| !attribute.contains("skip_all")).collect()
}

#[test]
fn no_span_records_all_arguments() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let all = sources(&crates);
    assert!(all.len() > 200, "{} files are looked at", all.len());
    // This file has some to try.
    let others = all.into_iter().filter(|(path, _)| !path.ends_with("tests/walls.rs"));
    let found: Vec<_> = others.filter(|(_, text)| !recording(text).is_empty()).map(|(path, _)| path).collect();
    assert_eq!(found, Vec::<PathBuf>::new());

    for bare in ["#[instrument]", "#[tracing::instrument(level = \"debug\")]", "#[cfg_attr(x, instrument(\n err))]"] {
        assert_eq!(recording(bare).len(), 1, "{bare}");
    }
    for good in ["#[instrument(skip_all)]", "#[tracing::instrument(\n    skip_all,\n)]", "#[test] fn instrument()"] {
        assert_eq!(recording(good).len(), 0, "{good}");
    }
}

#[test]
fn nobody_waits_for_the_databases_notifications_or_sends_any() {
    let names = ["LISTEN ", "LISTEN\"", "NOTIFY", "pg_notify", "PgListener"];
    assert_eq!(outside("", &names), Vec::<PathBuf>::new());
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut read = 0;
    for file in fs::read_dir(migrations).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let text = fs::read_to_string(&file).expect("a file of SQL").to_uppercase();
        assert!(!text.contains("LISTEN") && !text.contains("NOTIFY"), "{}", file.display());
        read += 1;
    }
    assert!(read > 0, "there are migrations");
}

/// Where links are made, checked, used, ended and told of, and where people wait.
#[test]
fn what_has_an_end_asks_no_clock_but_the_databases() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let issuer = root.join("issuer.rs");
    let text = fs::read_to_string(&issuer).expect("a source file");
    let all = [sources(&root.join("ops")), sources(&root.join("store")), vec![(issuer, text)]].concat();
    for (path, text) in all {
        for name in [".clock", "clock::", "SystemTime", "now_utc", "now_local"] {
            assert!(!text.contains(name), "{} uses {name}", path.display());
        }
    }
}
