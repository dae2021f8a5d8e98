//! The servers that the tests share.

use std::{
    fs,
    fs::File,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, anyhow};
use launch::Line;
use testbed::{process, process::Process, shared, shared::Shared};

use crate::{install, place, signals, up::LIST};

/// Held while one run uses the servers.
pub struct Lock(#[expect(dead_code, reason = "closing it unlocks")] File);

/// Takes the lock, once no other run has it.
///
/// # Errors
/// When its file cannot be made.
pub fn lock() -> Result<Lock> {
    let directory = place::test();
    fs::create_dir_all(&directory)?;
    let file = File::create(directory.join("lock"))?;
    if file.try_lock().is_err() {
        eprintln!("another `cargo xtask test` runs; waiting for it");
        file.lock()?;
    }
    Ok(Lock(file))
}

/// Servers that are starting, or run already.
pub struct Servers {
    directory: PathBuf,
    keep: bool,
    starting: Starting,
    lock: Lock,
}

enum Starting {
    Kept(Box<Shared>),
    Anew(JoinHandle<Result<(Shared, [Process; 3])>>),
}

/// Servers that run. Dropping them ends them, unless they are kept.
pub struct Ready {
    directory: PathBuf,
    _processes: Option<[Process; 3]>,
    _lock: Lock,
}

impl Servers {
    /// Begins to start them, or takes those that an earlier run kept.
    pub fn start(lock: Lock, keep: bool) -> Result<Self> {
        let directory = place::test();
        let ours = directory.clone();
        signals::watch(move || {
            process::kill_all();
            end_programs(&ours);
            std::process::exit(130);
        })?;
        let starting = match running(&directory) {
            Some(shared) => Starting::Kept(Box::new(shared)),
            None => {
                install::servers(&mut Line::new(""))?;
                wipe(&directory)?;
                process::keep_list(directory.join(LIST));
                let directory = directory.clone();
                Starting::Anew(thread::spawn(move || shared::start(&directory, place::programs(), false)))
            }
        };
        Ok(Self { directory, keep, starting, lock })
    }

    /// Waits until they run, and prepares the database that tests copy.
    pub fn ready(self) -> Result<Ready> {
        let (shared, processes) = match self.starting {
            Starting::Kept(shared) => (*shared, None),
            Starting::Anew(starting) => {
                let (shared, processes) = starting.join().map_err(|_| anyhow!("a server's start broke off"))??;
                (shared, Some(processes))
            }
        };
        let processes = processes.and_then(|processes| match self.keep {
            false => Some(processes),
            true => {
                processes.map(Process::detach).iter().for_each(drop);
                None
            }
        });
        let ready = Ready { directory: self.directory, _processes: processes, _lock: self.lock };
        shared.migrate_template().context("the migrations")?;
        shared.write(&ready.file())?;
        Ok(ready)
    }
}

impl Ready {
    /// What the tests read.
    pub fn file(&self) -> PathBuf {
        self.directory.join("servers.json")
    }
}

/// What an earlier run left running on purpose.
fn running(directory: &Path) -> Option<Shared> {
    let programs = process::read_list(&directory.join(LIST));
    let all = programs.len() == 3 && programs.iter().all(process::Record::is_running);
    all.then(|| Shared::read(&directory.join("servers.json")).ok())?
}

/// Ends the programs that tests and the demo started and could not end themselves, because they were killed.
fn end_programs(directory: &Path) {
    let worlds = fs::read_dir(directory.join("worlds")).into_iter().flatten().flatten().map(|entry| entry.path());
    let lists = worlds.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    for list in lists.chain([directory.join("demo").join(LIST)]) {
        for record in process::read_list(&list) {
            record.signal(process::KILL);
        }
    }
}

/// Ends what a broken-off run left behind, and removes its data.
fn wipe(directory: &Path) -> Result<()> {
    end_programs(directory);
    crate::down::stop(directory)?;
    shared::wipe(directory)
}
