//! The last of the tests: nothing secret that any of them knew rests in the servers that they shared.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use e2e::{
    leaks::{Kind, Scanner, Secret, registry},
    shared,
};

/// So many bytes of each folder, the newest files first: servers keep old files for long.
const BYTES: u64 = 200 * 1024 * 1024;

/// All files below a folder, the newest first.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            // Servers remove files while we look.
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                folders.push(entry.path());
            } else if about.is_file() {
                found.push((about.modified().ok(), entry.path()));
            }
        }
    }
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

/// What stands below a folder, once for each kind and file.
fn leaks(folder: &Path, secrets: &[Secret], kinds: &[Kind]) -> Vec<String> {
    let chosen: Vec<Secret> = secrets.iter().filter(|secret| kinds.contains(&secret.kind)).cloned().collect();
    let scanner = Scanner::of_common_forms(&chosen);
    let (mut left, mut found) = (BYTES, Vec::new());
    for file in files(folder) {
        let content = std::fs::read(&file).unwrap_or_default();
        let Some(rest) = left.checked_sub(content.len() as u64) else { continue };
        left = rest;
        let mut seen = BTreeSet::new();
        for hit in scanner.find_as_it_is(&content) {
            if seen.insert(format!("{:?}", hit.kind)) {
                found.push(format!("{}: {:?} as {}: …{}…", file.display(), hit.kind, hit.form, hit.around));
            }
        }
    }
    found
}

#[test]
fn nothing_that_the_tests_knew_rests_in_clear_in_the_servers_they_shared() {
    const SECRETS: [Kind; 3] = [Kind::Token, Kind::Password, Kind::Credential];
    const PERSONAL: [Kind; 4] = [Kind::Token, Kind::Password, Kind::Credential, Kind::Address];
    let shared = shared();
    let top = shared.directory.parent().expect("it stands in a folder").to_owned();
    let mut secrets = registry::read(&shared.directory);
    let planted = Secret::new(Kind::Token, "burung-kenari-di-ujung-jalan-4711");
    secrets.push(planted.clone());
    let places: [(PathBuf, &[Kind]); 3] = [
        (shared.postgres.directory.join("data"), &SECRETS[..]),
        (top.join("rabbitmq"), &PERSONAL[..]),
        (top.join("log"), &SECRETS[..]),
    ];
    for (folder, kinds) in places {
        assert!(!files(&folder).is_empty(), "there are files in {}", folder.display());
        let found = leaks(&folder, &secrets, kinds);
        assert!(found.is_empty(), "{} leaks of {} secrets:\n{}", found.len(), secrets.len(), found.join("\n"));
    }
    // What is there is found.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("log"), [b"x", &planted.bytes[..], b"y"].concat()).expect("it is ours");
    assert_eq!(leaks(folder.path(), &secrets, &SECRETS).len(), 1);
}
