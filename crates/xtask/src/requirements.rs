//! docs/requirements.md names tests that are there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::place;

/// The folders below which the path of a test begins, and that path: `a::b` is of `tests/tests/e2e`, `crate: a::b` of
/// another crate.
fn begins(test: &str) -> (Vec<PathBuf>, &str) {
    let top = place::top();
    match test.split_once(": ") {
        None => (vec![top.join("tests/tests/e2e")], test),
        Some(("e2e", path)) => (vec![top.join("tests/tests")], path),
        Some((name, path)) => (["src", "tests"].map(|folder| top.join("crates").join(name).join(folder)).into(), path),
    }
}

/// Whether a file below the folder, at the end of as much of the path as there are files, has the function as a test.
fn is_defined(folder: &Path, path: &str) -> bool {
    let parts: Vec<&str> = path.split("::").collect();
    let Some((function, modules)) = parts.split_last() else { return false };
    (0..=modules.len()).rev().any(|count| {
        let (files, inline) = modules.split_at(count);
        let file = files.iter().fold(folder.to_owned(), |file, module| file.join(module));
        let names = if files.is_empty() {
            [folder.join("lib.rs"), folder.join("main.rs")]
        } else {
            [file.with_extension("rs"), file.join("mod.rs")]
        };
        names.iter().filter_map(|name| fs::read_to_string(name).ok()).any(|text| {
            inline.iter().all(|module| text.contains(&format!("mod {module} {{"))) && has_test(&text, function)
        })
    })
}

/// Whether a text has a function of that name with an attribute that makes it a test.
fn has_test(text: &str, function: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = |line: &str| line.trim_start_matches("async ").starts_with(&format!("fn {function}("));
    let is_test = |line: &str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    let attributes = |index: usize| lines[..index].iter().rev().take_while(|line| line.starts_with("#["));
    (0..lines.len()).any(|index| begins(lines[index]) && attributes(index).any(|line| is_test(line)))
}

/// The tests that a table's rows name.
fn named(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| id |"));
    rows.flat_map(|row| {
        let id = row[2..].split(' ').next().unwrap_or_default();
        let quoted = row.split('`').skip(1).step_by(2);
        quoted.filter(|quoted| quoted.contains("::")).map(move |test| (id, test))
    })
}

#[test]
fn every_test_that_a_requirement_names_is_there() {
    let text = fs::read_to_string(place::top().join("docs/requirements.md")).unwrap();
    assert!(named(&text).count() > 200);
    let is_missing = |(_, test): &(&str, &str)| {
        let (folders, path) = begins(test);
        !folders.iter().any(|folder| is_defined(folder, path))
    };
    let missing: Vec<_> = named(&text).filter(is_missing).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    let folder = place::top().join("crates/xtask/src");
    assert!(is_defined(&folder, "requirements::a_test_that_is_not_there_is_missed"));
    assert!(is_defined(&folder, "protections::tests::what_is_taken_away_stands_once_in_its_file"));
    assert!(!is_defined(&folder, "requirements::has_test"), "no test");
    assert!(!is_defined(&folder, "protections::what_is_taken_away"), "not its name");
    assert!(!is_defined(&folder, "nowhere::a_test_that_is_not_there_is_missed"));
    assert_eq!(named("| a | b |\n| X-1 | says | `m::f`; `file` |").collect::<Vec<_>>(), [("X-1", "m::f")]);
}
