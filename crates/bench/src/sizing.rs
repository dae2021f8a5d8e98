//! The table of sizes in the run book, made from the results: what was measured, and what follows for a machine.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};

use crate::{
    figure::{Figure, number},
    parts::Part,
    results::{Outcome, Results},
};

const BEGIN: &str = "<!-- from here on written by `cargo xtask bench` -->\n";
const END: &str = "<!-- to here -->\n";
/// What one hash needs while it runs: `passwords.memory_kib`, as it is without a setting.
const BUFFER_MIB: f64 = 19.0;

/// A row: what is asked, where the answer was measured, and the rule.
struct Row {
    what: &'static str,
    part: Part,
    figure: &'static str,
    /// The answer, from the figure and the cores of the machine.
    answer: fn(&Figure, f64) -> String,
    rule: &'static str,
}

const ROWS: [Row; 9] = [
    Row {
        what: "log-ins and set passwords",
        part: Part::Hash,
        figure: "VerifyPassword, 64 callers",
        answer: |figure, cores| format!("{} a second and core", number(figure.ours / cores)),
        rule: "cores of all identity processes: those of the busiest second divided by this, and one more for all else",
    },
    Row {
        what: "reset requests accepted",
        part: Part::Requests,
        figure: "RequestReset accepted, 64 callers",
        answer: |figure, cores| format!("{} a second on {cores} cores", number(figure.ours)),
        rule: "no reason for more processes; database and load had the same cores",
    },
    Row {
        what: "the same, each with a link made, sealed and published",
        part: Part::Requests,
        figure: "RequestReset accepted, 16 callers, every name an account",
        answer: |figure, cores| format!("{} a second on {cores} cores", number(figure.ours)),
        rule: "more cores for the database first",
    },
    Row {
        what: "events that the relay publishes from a backlog",
        part: Part::Relay,
        figure: "Relay from a full outbox",
        answer: |figure, cores| format!("{} a second on {cores} cores", number(figure.ours)),
        rule: "after the broker was away: what waits divided by this is how long it takes",
    },
    Row {
        what: "mails of one mailer, to a mail server that answers at once",
        part: Part::Mailer,
        figure: "Mailer, from the queue to smtp-sink",
        answer: |figure, _| format!("{} a second", number(figure.ours)),
        rule: "two mailers; a slow server allows `smtp.relays[].connections` divided by the seconds that it takes for a \
               mail, for each mailer: more of either when `mailer.requests` grows while the relay is up",
    },
    Row {
        what: "memory of identity at rest",
        part: Part::Start,
        figure: "Idle resident memory, identity, hash buffers aside",
        answer: |figure, _| format!("{} MiB", number(figure.ours)),
        rule: "hash buffers are given back after a minute without a hash",
    },
    Row {
        what: "memory of identity under ten times the log-ins it can do, hash buffers aside",
        part: Part::Hash,
        figure: "Largest resident memory under overload",
        answer: |figure, cores| format!("{} MiB", number(figure.ours - BUFFER_MIB * cores)),
        rule: "limit of the container: this, and `passwords.threads` (one a core) x `passwords.memory_kib` (19 MiB), and \
               a quarter more",
    },
    Row {
        what: "memory of the mailer at rest",
        part: Part::Start,
        figure: "Idle resident memory, mailer",
        answer: |figure, _| format!("{} MiB", number(figure.ours)),
        rule: "limit of the container: twice this",
    },
    Row {
        what: "from the start of identity to its first answer",
        part: Part::Start,
        figure: "Cold start to the first RPC answered",
        answer: |figure, _| format!("{} ms", number(figure.ours)),
        rule: "a roll-out waits for drains (10 s at most), not for starts",
    },
];

/// Puts the table into the run book, between its marks.
///
/// # Errors
/// When the file or its marks are missing, or it cannot be written.
pub fn write(results: &Results, run_book: &Path) -> Result<()> {
    let text = fs::read_to_string(run_book).with_context(|| format!("cannot read {}", run_book.display()))?;
    let marks = || format!("{} has no marks of the table of sizes", run_book.display());
    let (before, rest) = text.split_once(BEGIN).with_context(marks)?;
    let (_, after) = rest.split_once(END).with_context(marks)?;
    fs::write(run_book, format!("{before}{BEGIN}{}{END}{after}", table(results)))?;
    Ok(())
}

fn table(results: &Results) -> String {
    let mut text = "| how much | measured | so |\n|---|--:|---|\n".to_owned();
    for row in &ROWS {
        let measured = results.of(row.part).and_then(|outcome| answer(row, outcome));
        let measured = measured.unwrap_or_else(|| format!("not yet: `cargo xtask bench {}`", row.part.name()));
        let _ = writeln!(text, "| {} | {measured} | {} |", row.what, row.rule);
    }
    text
}

fn answer(row: &Row, outcome: &Outcome) -> Option<String> {
    let figure = outcome.figures.iter().find(|figure| figure.name == row.figure)?;
    let cores = outcome.machine.cores() as f64;
    Some((row.answer)(figure, cores))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
    }

    #[test]
    fn the_run_book_has_the_sizes_that_were_measured() {
        let results = Results::read(&file("docs/benchmarks/results.json")).expect("they can be read");
        let text = fs::read_to_string(file("deploy/README.md")).expect("it is there");
        let (_, rest) = text.split_once(BEGIN).expect("the table begins");
        let (found, _) = rest.split_once(END).expect("it ends");
        assert_eq!(found, table(&results), "`cargo xtask bench --document` writes it anew");
    }

    #[test]
    fn what_was_not_measured_says_so() {
        let text = table(&Results::default());
        assert!(text.contains("| not yet: `cargo xtask bench relay` |"), "{text}");
    }
}
