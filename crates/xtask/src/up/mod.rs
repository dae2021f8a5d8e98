//! `up`: a whole Sandi on this machine.

mod environment;
mod ports;
mod screen;
mod seed;
mod start;

use std::{
    fs::File,
    path::Path,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use testbed::{process, process::Record, sandi::settings::Override};

use crate::{down, language::Language, place, signals};

pub use seed::{ADMIN, PASSWORD, USER};
pub use start::build;

/// The programs that run, in the order of their start.
pub const LIST: &str = "processes.json";
/// What a shell can source.
pub const ENVIRONMENT: &str = "env";
/// Passwords that demo commands set.
pub const PASSWORDS: &str = "demo.json";

/// How to start.
#[derive(clap::Args)]
pub struct Options {
    /// Leave it running and come back to the shell.
    #[arg(long)]
    detach: bool,
    /// Keep the data of the last time.
    #[arg(long)]
    keep: bool,
    /// Override a setting, for example `identity.limits.live_links=3`.
    #[arg(long, value_name = "PROGRAM.SECTION.KEY=VALUE")]
    set: Vec<Override>,
    /// How many identity processes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    identities: u8,
    /// How many mailers; without one, mails wait in the broker.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=8))]
    mailers: u8,
}

/// Set once everything runs, so that a signal before it undoes the start, and one after it ends it in order.
static READY: AtomicBool = AtomicBool::new(false);
/// Set by a signal after that.
static STOP: AtomicBool = AtomicBool::new(false);

/// Starts everything and prints the screen; unless detached, stays until Ctrl-C and ends all.
#[expect(clippy::print_stdout, reason = "a person reads it")]
pub fn up(directory: &Path, options: &Options) -> Result<ExitCode> {
    std::fs::create_dir_all(directory)?;
    let directory = &directory.canonicalize()?;
    start::build()?;
    let began = Instant::now();
    signals::watch(on_signal)?;
    let lock = lock(directory)?;
    if down::stop(directory)? > 0 {
        eprintln!(
            "{}",
            Language::of_environment().pick("yang berjalan dihentikan", "stopped the one that was running")
        );
    }
    let started = match start::start(directory, options) {
        Ok(started) => started,
        Err(error) => {
            process::kill_all();
            return Err(error);
        }
    };
    started.environment.write(&directory.join(ENVIRONMENT))?;
    let programs = process::read_list(&directory.join(LIST));
    READY.store(true, Ordering::SeqCst);
    drop(lock);
    print!("{}", screen::text(&started, directory, began.elapsed(), options.detach));
    if !options.detach {
        stay(directory, &programs)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Stays until a signal, or until another command has stopped everything.
#[expect(clippy::print_stdout, reason = "a person reads it")]
fn stay(directory: &Path, programs: &[Record]) -> Result<()> {
    let mut ended: Vec<u32> = Vec::new();
    while !STOP.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(200));
        let taken_over =
            process::read_list(&directory.join(LIST)).first().is_none_or(|record| record.pid != programs[0].pid);
        if taken_over {
            println!("stopped by another command");
            return Ok(());
        }
        for record in programs {
            if !ended.contains(&record.pid) && !record.is_running() {
                ended.push(record.pid);
                println!("{} ({}) has ended; its log: {}", record.name, record.pid, place::short(&record.log));
            }
        }
    }
    println!("{}", Language::of_environment().pick("berhenti ...", "stopping ..."));
    down::stop(directory)?;
    Ok(())
}

/// One start at a time in a directory.
fn lock(directory: &Path) -> Result<File> {
    let file = directory.join("lock");
    let lock = File::create(&file).with_context(|| format!("cannot write {}", file.display()))?;
    if lock.try_lock().is_err() {
        bail!("another `cargo xtask up` is starting; wait for it");
    }
    Ok(lock)
}

/// A signal before all is ready undoes the start; the first one after that ends it in order, a second one at once.
fn on_signal() {
    let first = READY.load(Ordering::SeqCst) && !STOP.swap(true, Ordering::SeqCst);
    if !first {
        process::kill_all();
        std::process::exit(130);
    }
}
