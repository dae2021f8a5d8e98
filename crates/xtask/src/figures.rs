//! The tables of figures that the heavy runs keep in `docs/security-tests.md`.

use std::{collections::BTreeMap, fs, process::Command};

use anyhow::{Context, Result};
use time::OffsetDateTime;

use crate::place;

const DOCUMENT: &str = "docs/security-tests.md";

/// Puts rows of a Markdown table where the document has a place for `name`, each in place of the row that begins with
/// the same cell. Rows of what was not measured this time stay, if `all` does not say that these are all there are.
///
/// # Errors
/// When the document has no such place.
pub fn keep(name: &str, head: &str, rows: &[String], all: bool) -> Result<()> {
    let file = place::top().join(DOCUMENT);
    let text = fs::read_to_string(&file).with_context(|| format!("{DOCUMENT} cannot be read"))?;
    let (begin, end) = (format!("<!-- {name}: written by `cargo xtask {name}` -->"), format!("<!-- {name} ends -->"));
    let no_place = || format!("{DOCUMENT} has no place for the table of {name}");
    let (before, rest) = text.split_once(&begin).with_context(no_place)?;
    let (old, after) = rest.split_once(&end).with_context(no_place)?;
    let table = table(if all { "" } else { old }, head, rows);
    fs::write(&file, format!("{before}{begin}\n\n{table}\n{end}{after}"))?;
    Ok(())
}

/// When and of what a figure is: the day, and the commit.
#[expect(clippy::disallowed_methods, reason = "a page says when it was written")]
pub fn stamp() -> String {
    let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(place::top()).output();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let day = OffsetDateTime::now_utc().date();
    if commit.is_empty() { day.to_string() } else { format!("{day}, {commit}") }
}

/// The old table's rows, some of them in a new form, and new ones.
fn table(old: &str, head: &str, rows: &[String]) -> String {
    let mut new: BTreeMap<&str, &str> = rows.iter().map(|row| (first_cell(row), row.as_str())).collect();
    // The first two lines are the head.
    let kept = old.lines().filter(|line| line.starts_with('|')).skip(2);
    let mut lines: Vec<&str> = kept.map(|row| new.remove(first_cell(row)).unwrap_or(row)).collect();
    lines.extend(rows.iter().map(String::as_str).filter(|row| new.contains_key(first_cell(row))));
    format!("{head}\n{}\n", lines.join("\n"))
}

fn first_cell(row: &str) -> &str {
    row.split('|').nth(1).unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_the_place_of_the_one_of_its_name_and_the_others_stay() {
        let head = "| what | n |\n|---|---|";
        let first = table("\n\n", head, &["| a | 1 |".to_owned(), "| b | 2 |".to_owned()]);
        assert_eq!(first, "| what | n |\n|---|---|\n| a | 1 |\n| b | 2 |\n");
        let second = table(&format!("\n\n{first}\n"), head, &["| c | 3 |".to_owned(), "| a | 4 |".to_owned()]);
        assert_eq!(second, "| what | n |\n|---|---|\n| a | 4 |\n| b | 2 |\n| c | 3 |\n");
    }
}
