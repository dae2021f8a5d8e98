//! `protections`: takes each protection away, one after the other, and sees whether the tests named for it fail.
//!
//! `tests/protections.toml` says what is taken away and how; the figures go into `docs/security-tests.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader},
    process::{ExitCode, Stdio},
};

use anyhow::{Context, Result, bail};
use launch::Line;
use serde::Deserialize;

use crate::{figures, place, worktree::Worktree};

const FILE: &str = "tests/protections.toml";
const HEAD: &str = "| taken away | of | tests that then failed | on |\n|---|---|---|---|";

/// Which.
#[derive(clap::Args)]
pub struct Options {
    /// Only those that have this in their names or requirements; the others keep their rows. May be given several times.
    #[arg(value_name = "WORD")]
    words: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    protection: Vec<Protection>,
}

/// One means of a requirement, and how it is taken away.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Protection {
    /// A row of SECURITY.md.
    requirement: String,
    /// What is gone then, in words.
    taken: String,
    /// Where.
    file: String,
    /// What stands there.
    find: String,
    /// What is put in its place.
    put: String,
    /// Words in the names of the tests that must notice.
    tests: Vec<String>,
    /// The file of tests, or `unit`.
    #[serde(default = "end_to_end")]
    suite: String,
}

fn end_to_end() -> String {
    "e2e".to_owned()
}

/// What came of one.
enum Outcome {
    /// These tests failed.
    Noticed(BTreeSet<String>),
    /// None did.
    Missed,
    /// No test ran.
    Broken(String),
}

/// Takes them away in turn, in a copy of the last commit.
///
/// # Errors
/// When the list cannot be read, or the copy not be made.
pub fn protections(options: &Options) -> Result<ExitCode> {
    let all = read()?;
    let chosen = |it: &&Protection| {
        options.words.is_empty()
            || options.words.iter().any(|word| it.taken.contains(word) || it.requirement.contains(word))
    };
    let chosen: Vec<&Protection> = all.iter().filter(chosen).collect();
    if chosen.is_empty() {
        bail!("{FILE} has none with such a word");
    }
    let copy = Worktree::of("HEAD", "protections")?;
    try_with_all_in_place(&copy, &chosen)?;
    let mut bad = 0;
    for (index, it) in chosen.iter().enumerate() {
        let outcome = it.take_away(&copy, &format!("{} of {}: {}", index + 1, chosen.len(), it.taken))?;
        let cell = match &outcome {
            Outcome::Noticed(tests) => tests.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join(" "),
            Outcome::Missed => "**none**".to_owned(),
            Outcome::Broken(said) => {
                eprintln!("{said}");
                "**no test ran**".to_owned()
            }
        };
        bad += usize::from(!matches!(outcome, Outcome::Noticed(_)));
        eprintln!("{}: {cell}", it.taken);
        let row = format!("| {} | {} | {cell} | {} |", it.taken, it.requirement, figures::stamp());
        figures::keep("protections", HEAD, &[row], false)?;
    }
    eprintln!("{} were noticed, {bad} were not", chosen.len() - bad);
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A test that fails anyway notices nothing.
fn try_with_all_in_place(copy: &Worktree, chosen: &[&Protection]) -> Result<()> {
    let mut suites: BTreeMap<&str, BTreeSet<&String>> = BTreeMap::new();
    for it in chosen {
        suites.entry(&it.suite).or_default().extend(&it.tests);
    }
    for (suite, tests) in suites {
        match run(copy, suite, tests, &format!("all in place: {suite}"))? {
            Outcome::Missed => eprintln!("all in place: {suite} passes"),
            // Once more, by themselves: a machine under load may have been too slow.
            Outcome::Noticed(tests) => match run(copy, suite, &tests, &format!("once more: {suite}"))? {
                Outcome::Missed => eprintln!("all in place: {suite} passes, some at the second try"),
                _ => bail!("with all protections in place these fail: {}", Vec::from_iter(tests).join(", ")),
            },
            Outcome::Broken(said) => bail!("with all protections in place no test of {suite} ran:\n{said}"),
        }
    }
    Ok(())
}

fn read() -> Result<Vec<Protection>> {
    let text = fs::read_to_string(place::top().join(FILE)).with_context(|| format!("{FILE} cannot be read"))?;
    let file: File = toml::from_str(&text).with_context(|| FILE.to_owned())?;
    Ok(file.protection)
}

impl Protection {
    /// The file without the protection.
    fn changed(&self, text: &str) -> Result<String> {
        let found = text.matches(&self.find).count();
        if found != 1 {
            bail!("{}: {} has {found} times what would be taken away, and not once", self.taken, self.file);
        }
        Ok(text.replacen(&self.find, &self.put, 1))
    }

    fn take_away(&self, copy: &Worktree, title: &str) -> Result<Outcome> {
        let file = copy.source.join(&self.file);
        let text = fs::read_to_string(&file).with_context(|| format!("{} cannot be read", self.file))?;
        fs::write(&file, self.changed(&text)?)?;
        let outcome = run(copy, &self.suite, &self.tests, title);
        fs::write(&file, text)?;
        outcome
    }
}

/// Runs the tests of a suite that have one of the words in their names.
fn run<'a>(copy: &Worktree, suite: &str, words: impl IntoIterator<Item = &'a String>, title: &str) -> Result<Outcome> {
    let mut command = copy.cargo();
    match suite {
        "e2e" => command.args(["xtask", "test"]),
        "unit" => command.args(["test", "--workspace", "--lib", "--"]),
        file => command.args(["test", "--workspace", "--test", file, "--"]),
    };
    let (reader, writer) = std::io::pipe()?;
    let mut child = command.args(words).stderr(Stdio::from(writer.try_clone()?)).stdout(writer).spawn()?;
    // Its ends of the pipe, else ours would never end.
    drop(command);
    let mut line = Line::new(title);
    let mut said = Vec::new();
    for text in BufReader::new(reader).split(b'\n') {
        let text = String::from_utf8_lossy(&text?).trim_end().to_owned();
        line.show(&text)?;
        said.push(text);
    }
    line.clear()?;
    child.wait()?;
    Ok(understand(&said))
}

fn understand(said: &[String]) -> Outcome {
    let lines = || said.iter().map(String::as_str);
    let failed = |line: &str| Some(line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?.to_owned());
    let failed: BTreeSet<String> = lines().filter_map(failed).collect();
    let ran =
        lines().any(|line| line.starts_with("test result: ok.") && !line.starts_with("test result: ok. 0 passed"));
    match (failed.is_empty(), ran) {
        (false, _) => Outcome::Noticed(failed),
        (true, true) => Outcome::Missed,
        (true, false) => Outcome::Broken(said.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_taken_away_stands_once_in_its_file() {
        for it in read().unwrap() {
            let text = fs::read_to_string(place::top().join(&it.file)).unwrap();
            it.changed(&text).unwrap();
            assert!(!it.tests.is_empty(), "{}", it.taken);
        }
    }

    #[test]
    fn every_requirement_has_one_that_is_taken_away_but_that_of_others_code() {
        let text = fs::read_to_string(place::top().join("SECURITY.md")).unwrap();
        let (_, table) = text.split_once("| requirement | means |").unwrap();
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let mut rows: BTreeSet<&str> = rows.map(|row| row.split('|').nth(1).unwrap().trim()).collect();
        assert!(rows.remove("A dependency with a known weakness is noticed"));
        let all = read().unwrap();
        let taken: BTreeSet<&str> = all.iter().map(|it| it.requirement.as_str()).collect();
        assert_eq!(taken, rows);
    }

    #[test]
    fn a_test_that_failed_is_told_from_one_that_did_not_run() {
        let noticed = lines("test a::b ... FAILED\ntest a::c ... ok\ntest result: FAILED. 1 passed; 1 failed;");
        assert!(
            matches!(understand(&noticed), Outcome::Noticed(tests) if tests == BTreeSet::from(["a::b".to_owned()]))
        );
        let missed = lines("test a::b ... ok\ntest result: ok. 1 passed; 0 failed;");
        assert!(matches!(understand(&missed), Outcome::Missed));
        let broken = lines("error[E0425]: cannot find value\nxtask: it does not build");
        assert!(matches!(understand(&broken), Outcome::Broken(_)));
        let none = lines("test result: ok. 0 passed; 0 failed;");
        assert!(matches!(understand(&none), Outcome::Broken(_)));
    }
}
