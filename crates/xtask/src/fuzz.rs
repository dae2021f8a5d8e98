//! `fuzz`: tries every decoder and parser of foreign bytes for some minutes each, and keeps what came of it in
//! `docs/security-tests.md`.

use std::{
    collections::VecDeque,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, ExitCode, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use launch::Line;

use crate::{figures, place, test::tools};

/// Longer inputs find nothing that shorter ones do not.
const INPUT_MAX: usize = 4096;
/// A target that says more than this before it ends has said the cause in the end.
const LINES_KEPT: usize = 60;
const HEAD: &str = "| target | what it reads | minutes | inputs | edges reached | corpus | found | on |\n\
                    |---|---|--:|--:|--:|--:|---|---|";

/// How long.
#[derive(clap::Args)]
pub struct Options {
    /// Minutes for each target.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Only these targets; without a name, all.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// How far libFuzzer is.
#[derive(Default, PartialEq, Debug)]
struct Status {
    inputs: String,
    edges: String,
    corpus: String,
}

/// Runs the targets in turn; failure when one found something, which then lies in `fuzz/artifacts`.
///
/// # Errors
/// When cargo-fuzz cannot be had, or nothing can be built.
pub fn fuzz(options: &Options) -> Result<ExitCode> {
    let program = tools::linter("cargo-fuzz")?;
    let folder = place::top().join("fuzz");
    // The versions that are tested and deployed.
    fs::copy(place::top().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let all = targets(&folder)?;
    if let Some(unknown) = options.targets.iter().find(|name| !all.contains(name)) {
        bail!("there is no target {unknown}; there are {}", all.join(", "));
    }
    let chosen: Vec<&String> =
        all.iter().filter(|name| options.targets.is_empty() || options.targets.contains(name)).collect();
    let mut found = Vec::new();
    for (index, target) in chosen.iter().enumerate() {
        let title = format!("fuzzing {target}, {} of {}", index + 1, chosen.len());
        let (good, status) = run(&program, &folder, target, options.minutes, &title)?;
        eprintln!("{target}: {} inputs, {} edges{}", status.inputs, status.edges, if good { "" } else { ", FOUND" });
        let row = format!(
            "| {target} | {} | {} | {} | {} | {} | {} | {} |",
            about(&folder, target)?,
            options.minutes,
            status.inputs,
            status.edges,
            status.corpus,
            if good { "nothing" } else { "**something**" },
            figures::stamp(),
        );
        figures::keep("fuzz", HEAD, &[row], false)?;
        if !good {
            found.push(target.as_str());
        }
    }
    if found.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("xtask: found something: {}; make a seed of it in fuzz/seeds", found.join(", "));
    Ok(ExitCode::FAILURE)
}

/// The targets are the folders of seeds.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder.join("seeds"))?;
    let mut names: Vec<String> =
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<Result<_>>()?;
    names.sort();
    Ok(names)
}

/// What the target's first line says of it.
fn about(folder: &Path, target: &str) -> Result<String> {
    let text = fs::read_to_string(folder.join("fuzz_targets").join(format!("{target}.rs")))?;
    let line = text.lines().next().and_then(|line| line.strip_prefix("//! ")).context("a target says what it reads")?;
    Ok(line.trim_end_matches('.').to_owned())
}

/// Whether nothing was found, and how far it came.
fn run(program: &Path, folder: &Path, target: &str, minutes: f64, title: &str) -> Result<(bool, Status)> {
    let corpus = folder.join("corpus").join(target);
    fs::create_dir_all(&corpus)?;
    let seconds = (minutes * 60.0).round() as u64;
    // The sanitizers need a nightly compiler; without `unsafe` there is little for them to find.
    let mut child = Command::new(program)
        .args(["run", "--release", "--sanitizer", "none", target])
        .args([&corpus, &folder.join("seeds").join(target)])
        .args(["--", &format!("-max_total_time={seconds}"), &format!("-max_len={INPUT_MAX}"), "-timeout=20"])
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(place::top())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{} cannot be started", program.display()))?;
    let output = BufReader::new(child.stderr.take().context("it is piped")?);
    let (sender, lines) = channel();
    thread::spawn(move || output.split(b'\n').map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let (mut line, mut state, mut last) = (Line::new(title), String::new(), None);
    let mut said = VecDeque::new();
    loop {
        match lines.recv_timeout(Duration::from_secs(1)) {
            Ok(text) => {
                let text = String::from_utf8_lossy(&text).trim().to_owned();
                if let Some(status) = Status::read(&text) {
                    state = format!("{} inputs, {} edges", status.inputs, status.edges);
                    last = Some(status);
                } else if text.starts_with("Compiling") {
                    state.clone_from(&text);
                }
                said.push_back(text);
                if said.len() > LINES_KEPT {
                    said.pop_front();
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        line.show(&state)?;
    }
    line.clear()?;
    let good = child.wait()?.success();
    if !good {
        eprintln!("{}", said.make_contiguous().join("\n"));
    }
    Ok((good, last.with_context(|| format!("{target} did not run"))?))
}

impl Status {
    /// From a line such as `#8192 pulse cov: 120 ft: 400 corp: 12/3Kb lim: 80 exec/s: 4096 rss: 50Mb`.
    fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |name| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1));
        let inputs = words.first()?.strip_prefix('#')?.to_owned();
        let (edges, corpus) = (after("cov:")?, after("corp:")?.split('/').next()?);
        Some(Self { inputs, edges: (*edges).to_owned(), corpus: corpus.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_told_from_other_lines() {
        let line = "#8192\tDONE   cov: 120 ft: 400 corp: 12/3Kb lim: 80 exec/s: 4096 rss: 50Mb";
        let [inputs, edges, corpus] = ["8192", "120", "12"].map(str::to_owned);
        assert_eq!(Status::read(line), Some(Status { inputs, edges, corpus }));
        assert_eq!(Status::read("INFO: seed corpus: files: 12"), None);
        assert_eq!(Status::read("#0\tREAD units: 5"), None);
    }
}
