//! `docs/benchmarks.md` and its pictures, made from the results alone.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::{
    figure::{Figure, Goal, factor, number},
    machine::Machine,
    parts::Part,
    peers,
    plot::Plot,
    results::Results,
};

const HEAD: &str = "\
# Benchmarks

Written by `cargo xtask bench`; nothing here is edited by hand. `cargo xtask bench --list` names the parts, each of
which can be run by itself; `cargo xtask bench hash` measures one anew and makes this page from all that is known. A
machine that does other things meanwhile gives other figures.

Server, database, broker, mail sink and load share the same cores, over loopback; PostgreSQL and RabbitMQ are private
and sync to disk. Ours and its limit are measured in the same run, in turn, and the ratio is the median of the rounds'
ratios: machines drift, and what was measured a minute apart is compared, not what was measured an hour apart. Where a
latency is told the load is open-loop: calls are made when they are due, and a latency runs from then, so that a stall
counts for every call that it held up.
";

const PEERS: &str = "\
## Beside others

Django and better-auth were measured once with the same Argon2id parameters, database and mail sink, on two cores
shared in the same way, but not in the same run as ours: differences below a quarter mean nothing. Their reset requests
send the mail within the request.
";

const TABLE: &str = "\
| figure | ours | limit | ratio | target | stretch | verdict |
|---|--:|--:|--:|--:|--:|---|
";

/// Writes the page and the pictures of all parts that have run.
///
/// # Errors
/// When a file cannot be written.
pub fn write(results: &Results, page: &Path, pictures: &Path) -> Result<()> {
    fs::create_dir_all(pictures)?;
    let folder = pictures.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    fs::write(page, text(results, folder)).with_context(|| format!("cannot write {}", page.display()))?;
    let mut wanted = BTreeSet::new();
    for plot in plots(results) {
        let file = pictures.join(format!("{}.svg", plot.name));
        fs::write(&file, plot.svg())?;
        wanted.insert(file);
    }
    for entry in fs::read_dir(pictures)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "svg") && !wanted.contains(&path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn plots(results: &Results) -> impl Iterator<Item = &Plot> {
    Part::value_variants().iter().filter_map(|part| results.of(*part)).flat_map(|outcome| &outcome.plots)
}

fn text(results: &Results, folder: &str) -> String {
    let mut text = HEAD.to_owned();
    let ran = || Part::value_variants().iter().filter_map(|part| results.of(*part).map(|outcome| (*part, outcome)));
    let mut machines: Vec<&Machine> = Vec::new();
    for (_, outcome) in ran() {
        if !machines.contains(&&outcome.machine) {
            machines.push(&outcome.machine);
        }
    }
    for (index, machine) in machines.iter().enumerate() {
        let which = if machines.len() > 1 { format!(" {}", index + 1) } else { String::new() };
        let _ = write!(text, "\n| machine{which} | |\n|---|---|\n");
        for (name, value) in machine.rows() {
            let _ = writeln!(text, "| {name} | {value} |");
        }
    }
    for (part, outcome) in ran() {
        let minutes = outcome.seconds.div_ceil(60);
        let _ = write!(text, "\n## {}\n\n{} (`{}`, {}", heading(part), part.about(), part.name(), outcome.date);
        let _ = match minutes {
            1 => writeln!(text, ", a minute)"),
            _ => writeln!(text, ", {minutes} minutes)"),
        };
        if outcome.quick {
            text.push_str("\n**A quick run, with fewer and shorter rounds than a figure needs.**\n");
        }
        if machines.len() > 1 {
            let which = machines.iter().position(|machine| **machine == outcome.machine).unwrap_or_default() + 1;
            let _ = writeln!(text, "\nOn machine {which}.");
        }
        for problem in &outcome.problems {
            let _ = writeln!(text, "\n**Not measured:** {problem}");
        }
        table(&mut text, &outcome.figures);
        for plot in &outcome.plots {
            let _ = writeln!(text, "\n![{}]({folder}/{}.svg)", plot.title, plot.name);
        }
    }
    let figures = peers::figures(results);
    if !figures.is_empty() {
        text.push('\n');
        text.push_str(PEERS);
        table(&mut text, &figures);
    }
    text
}

fn table(text: &mut String, figures: &[Figure]) {
    if figures.is_empty() {
        return;
    }
    text.push('\n');
    text.push_str(TABLE);
    for figure in figures {
        let note = if figure.note.is_empty() { String::new() } else { format!("<br><sub>{}</sub>", figure.note) };
        let against = match figure.limit {
            Some(limit) => format!("{}<br><sub>{}</sub>", number(limit), figure.against),
            None => String::new(),
        };
        let goal = |goal: &Option<Goal>| goal.map(|it| it.text(figure.ratio.is_some()));
        let _ = writeln!(
            text,
            "| {}{note} | {} {}{} | {against} | {} | {} | {} | {} |",
            figure.name,
            number(figure.ours),
            figure.unit,
            spread(figure),
            figure.ratio.map(factor).unwrap_or_default(),
            goal(&figure.target).unwrap_or_default(),
            goal(&figure.stretch).unwrap_or_default(),
            figure.verdict().word(),
        );
    }
}

/// Least and most of the rounds.
fn spread(figure: &Figure) -> String {
    if figure.rounds < 2 {
        return String::new();
    }
    let (least, most) = figure.spread;
    format!("<br><sub>{} to {} in {} rounds</sub>", number(least), number(most), figure.rounds)
}

fn heading(part: Part) -> &'static str {
    match part {
        Part::Hash => "Passwords",
        Part::Requests => "Reset requests",
        Part::Relay => "Relay",
        Part::Backlog => "A long outbox",
        Part::Latency => "From the answer to the mail",
        Part::Mailer => "Mailer",
        Part::Users => "Number of users",
        Part::Statistics => "Statistics of the database",
        Part::Sustained => "For minutes",
        Part::Stale => "Old links",
        Part::Replicas => "Two processes",
        Part::Start => "Start and memory",
        Part::Wakeup => "Waking the relay",
        Part::Collector => "A collector that fails",
    }
}

/// The table as it stands on a terminal: name, ours, limit, ratio, target, stretch, verdict.
pub fn lines(figures: &[Figure]) -> String {
    let mut text = String::new();
    for figure in figures {
        let goal = |goal: &Option<Goal>| goal.map(|it| it.text(figure.ratio.is_some()));
        let name: String = figure.name.chars().take(66).collect();
        let _ = writeln!(
            text,
            "  {name:<66} {:>9} {:<9} {:>9} {:>7} {:>8} {:>8}  {}",
            number(figure.ours),
            figure.unit,
            figure.limit.map(number).unwrap_or_default(),
            figure.ratio.map(factor).unwrap_or_default(),
            goal(&figure.target).unwrap_or_default(),
            goal(&figure.stretch).unwrap_or_default(),
            figure.verdict().word(),
        );
    }
    text
}

/// The head of [`lines`].
pub fn head() -> String {
    format!(
        "  {:<66} {:>9} {:<9} {:>9} {:>7} {:>8} {:>8}  {}\n",
        "figure", "ours", "", "limit", "ratio", "target", "stretch", "verdict"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bench::Findings, results::Outcome};

    #[test]
    fn a_part_that_broke_off_says_so_and_the_others_have_their_rows() {
        let mut results = Results::default();
        let machine = Machine::default();
        let figure = Figure::against("Relay", "events/s", &[80.0], "bare", &[100.0]).at_least(0.7);
        let findings = Findings { figures: vec![figure], ..Findings::default() };
        results.put(Part::Relay, Outcome::new(&machine, false, 61, findings));
        let broken = Findings { problems: vec!["cannot open /home/me/x\nall of it".to_owned()], ..Findings::default() };
        results.put(Part::Hash, Outcome::new(&machine, false, 5, broken));
        let text = text(&results, "benchmarks");
        assert!(text.contains("**Not measured:** cannot open …\n"), "{text}");
        assert!(text.contains("| Relay | 80.0 events/s | 100<br><sub>bare</sub> | 80 % | ≥ 70 % |  | met |"), "{text}");
    }
}
