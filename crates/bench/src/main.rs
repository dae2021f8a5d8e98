//! `cargo xtask bench`: measures each part beside its limit, and writes `docs/benchmarks.md`.
//!
//! - [`load`] makes calls, [`figure`] judges what came of them, [`plot`] draws it
//! - [`ground`] and [`world`] are the servers and the installations that are measured
//! - [`parts`] are what is measured, [`results`], [`document`] and [`sizing`] what is kept of it

mod autogroup;
mod bench;
mod calls;
mod clients;
mod document;
mod events;
mod figure;
mod ground;
mod load;
mod machine;
mod parts;
mod peers;
mod people;
mod plot;
mod progress;
mod results;
mod sizing;
mod world;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use clap::{Parser, ValueEnum};
use testbed::process;
use tokio::signal::unix::{SignalKind, signal};

use bench::{Bench, Findings};
use figure::Verdict;
use ground::Ground;
use machine::Machine;
use parts::Part;
use progress::Progress;
use results::{Outcome, Results};

/// A part may take so many times as long as it should.
const PATIENCE: u32 = 4;
/// And so much besides.
const GRACE: Duration = Duration::from_secs(180);

/// Measures how fast Sandi is, each part beside its limit, and writes docs/benchmarks.md.
///
/// Builds release, starts its own PostgreSQL, RabbitMQ and mail sink, and ends them. Run by root, it switches the
/// kernel's automatic groups of processes off meanwhile (kernel.sched_autogroup_enabled). Without names all parts run, about
/// 30 minutes of them, 5 of which are one steady load. Figures mean something when the machine does nothing else. What
/// a part found stays in docs/benchmarks/results.json, so that parts can be run one by one.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Arguments {
    /// Parts to run; none: all of them.
    #[arg(value_enum, hide_possible_values = true)]
    parts: Vec<Part>,
    /// Fewer and shorter rounds, about 5 minutes for all; into target/bench, not into docs.
    #[arg(long)]
    quick: bool,
    /// Only parts without a result, or whose result has problems.
    #[arg(long)]
    missing: bool,
    /// Says which parts there are, and how long they take.
    #[arg(long)]
    list: bool,
    /// Makes the document anew from what is known, and measures nothing.
    #[arg(long)]
    document: bool,
    /// Says nothing and does nothing: whether the arguments are good.
    #[arg(long, hide = true)]
    check: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.check {
        return ExitCode::SUCCESS;
    }
    if arguments.list {
        list();
        return ExitCode::SUCCESS;
    }
    let outcome = run(&arguments);
    autogroup::restore();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            process::kill_all();
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "a person reads it")]
fn list() {
    for part in Part::value_variants() {
        println!("  {:<12} {:>4} s  {}", part.name(), part.seconds(false), part.about());
    }
}

/// Where things go.
struct Places {
    programs: PathBuf,
    servers: PathBuf,
    page: PathBuf,
    pictures: PathBuf,
    results: PathBuf,
    /// What has the table of sizes; not after quick runs.
    run_book: Option<PathBuf>,
}

impl Places {
    fn new(quick: bool) -> Result<Self> {
        let programs = std::env::current_exe()?.parent().context("a program stands somewhere")?.to_owned();
        // TARGET/release
        let target = programs.parent().context("a program is built somewhere")?.join("bench");
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").canonicalize()?;
        let run_book = (!quick).then(|| docs.with_file_name("deploy").join("README.md"));
        let under = if quick { target.join("quick") } else { docs };
        let pictures = under.join("benchmarks");
        std::fs::create_dir_all(&pictures)?;
        Ok(Self {
            programs,
            servers: target.join("servers"),
            page: under.join("benchmarks.md"),
            results: pictures.join("results.json"),
            pictures,
            run_book,
        })
    }

    /// Writes all that is made from the results.
    fn document(&self, results: &Results) -> Result<()> {
        document::write(results, &self.page, &self.pictures)?;
        self.run_book.as_deref().map_or(Ok(()), |run_book| sizing::write(results, run_book))
    }
}

#[tokio::main]
async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let places = Places::new(arguments.quick)?;
    let mut results = Results::read(&places.results)?;
    let wanted: Vec<Part> = Part::value_variants()
        .iter()
        .copied()
        .filter(|part| arguments.parts.is_empty() || arguments.parts.contains(part))
        .filter(|part| !arguments.missing || results.of(*part).is_none_or(|outcome| !outcome.problems.is_empty()))
        .collect();
    if arguments.document {
        places.document(&results)?;
        return Ok(ExitCode::SUCCESS);
    }
    tokio::spawn(end_on_signal()?);
    let progress = Progress::start(wanted.iter().map(|part| part.seconds(arguments.quick)).sum());
    if let Err(error) = autogroup::switch_off() {
        progress
            .say(&format!("  automatic groups of processes stay on ({error}): calls beside hashes will look slower"));
    }
    progress.part("starting PostgreSQL and RabbitMQ", 0);
    let ground = tokio::task::block_in_place(|| Ground::start(&places.servers, &places.programs))?;
    let machine = Machine::look(&ground);
    let bench = Arc::new(Bench { ground, progress: Arc::clone(&progress), quick: arguments.quick });
    progress.say(&document::head());
    for part in &wanted {
        let (begin, expected) = (Instant::now(), part.seconds(arguments.quick));
        progress.part(&part.name(), expected);
        let outcome = one(*part, &bench, Duration::from_secs(expected) * PATIENCE + GRACE).await;
        let outcome = outcome.unwrap_or_else(|error| Findings {
            problems: vec![format!("it broke off: {error:#}")],
            ..Findings::default()
        });
        for problem in &outcome.problems {
            progress.say(&format!("  {}: {problem}", part.name()));
        }
        let outcome = Outcome::new(&machine, arguments.quick, begin.elapsed().as_secs(), outcome);
        progress.say(&document::lines(&outcome.figures));
        results.put(*part, outcome);
        results.write(&places.results)?;
        places.document(&results)?;
        tokio::task::block_in_place(|| bench.ground.tidy())?;
    }
    progress.end();
    drop(bench);
    Ok(close(&results, &wanted, &places))
}

/// Runs a part; a panic or a standstill is an error of its own.
async fn one(part: Part, bench: &Arc<Bench>, bound: Duration) -> Result<Findings> {
    let bench = Arc::clone(bench);
    let mut task = tokio::spawn(async move { part.run(&bench).await });
    match tokio::time::timeout(bound, &mut task).await {
        Ok(Ok(findings)) => findings,
        Ok(Err(error)) => Err(anyhow!("{error}")),
        Err(_) => {
            task.abort();
            let _ = task.await;
            Err(anyhow!("not done within {} s", bound.as_secs()))
        }
    }
}

/// Says how it went; failure where something was missed or not measured.
#[expect(clippy::print_stdout, reason = "a person reads it")]
fn close(results: &Results, wanted: &[Part], places: &Places) -> ExitCode {
    let (mut stretch, mut met, mut missed, mut problems) = (0, 0, 0, 0);
    let ours: Vec<_> = wanted.iter().filter_map(|part| results.of(*part)).collect();
    let beside = peers::figures(results);
    print!("{}", document::lines(&beside));
    for figure in ours.iter().flat_map(|outcome| &outcome.figures).chain(&beside) {
        match figure.verdict() {
            Verdict::Stretch => stretch += 1,
            Verdict::Met => met += 1,
            Verdict::Missed => missed += 1,
            Verdict::Context => {}
        }
    }
    problems += ours.iter().map(|outcome| outcome.problems.len()).sum::<usize>();
    let page = places.page.file_name().unwrap_or_default().display();
    let folder = places.page.parent().and_then(Path::file_name).unwrap_or_default().display();
    println!(
        "\n{} met, {stretch} of them beyond; {missed} missed, {problems} problems; {folder}/{page}",
        met + stretch
    );
    if missed + problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ctrl-C, SIGTERM and a closed terminal end all that was started.
fn end_on_signal() -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        process::kill_all();
        autogroup::restore();
        std::process::exit(130);
    })
}
