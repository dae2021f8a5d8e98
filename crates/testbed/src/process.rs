//! Programs that run beside us: start, look, stop, kill. A program is known by its process id and the moment it
//! started, so that an id that the system gave to somebody else in between is never touched.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Mutex,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use crate::{http::Http, wait};

/// The signal that asks a program to end.
pub const TERMINATE: Signal = Signal::TERM;
/// The signal that ends a program at once.
pub const KILL: Signal = Signal::KILL;

/// Whether we are root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// User and group id of an account of the machine.
pub fn account(name: &str) -> Option<(u32, u32)> {
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    let fields: Vec<&str> =
        accounts.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == name)?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

/// What to start.
pub struct Start {
    name: String,
    command: Command,
    log: PathBuf,
}

impl Start {
    /// `program` with its output appended to `log`. It reads nothing from us and gets signals of its own only: a
    /// Ctrl-C in our terminal is ours to pass on.
    pub fn new(name: impl Into<String>, program: impl AsRef<OsStr>, log: impl Into<PathBuf>) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).process_group(0);
        Self { name: name.into(), command, log: log.into() }
    }

    /// Adds arguments. Never a secret: other users of the machine can read them.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of the program's environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets many variables.
    #[must_use]
    pub fn envs<I: IntoIterator<Item = (N, V)>, N: Into<OsString>, V: Into<OsString>>(mut self, all: I) -> Self {
        self.command.envs(all.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the program or its log file cannot be opened.
    pub fn spawn(mut self) -> Result<Process> {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        self.command.stdout(log.try_clone()?).stderr(log);
        let mut started = STARTED.lock().expect("no holder panics");
        if started.closed {
            bail!("nothing more is started");
        }
        let child =
            self.command.spawn().with_context(|| format!("cannot start {}", self.command.get_program().display()))?;
        let record = Record::of(&self.name, child.id(), &self.log)
            .with_context(|| format!("{} ended at once; see {}", self.name, self.log.display()))?;
        started.add(record.clone())?;
        Ok(Process { record, child: Some(child), kill_on_drop: true })
    }
}

/// All that this process started, so that an interrupted start can be undone.
static STARTED: Mutex<Started> = Mutex::new(Started { records: Vec::new(), list: None, closed: false });

struct Started {
    records: Vec<Record>,
    list: Option<PathBuf>,
    closed: bool,
}

impl Started {
    fn add(&mut self, record: Record) -> Result<()> {
        self.records.push(record);
        match &self.list {
            Some(list) => Ok(fs::write(list, serde_json::to_string(&self.records)?)?),
            None => Ok(()),
        }
    }
}

/// From now on, writes each program that is started to this file, so that another process can end it even when this
/// one was killed.
pub fn keep_list(file: impl Into<PathBuf>) {
    STARTED.lock().expect("no holder panics").list = Some(file.into());
}

/// The programs in such a file, in the order of their start; none when there is no file.
pub fn read_list(file: &Path) -> Vec<Record> {
    let text = fs::read_to_string(file).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Kills all that this process started, and starts nothing any more.
pub fn kill_all() {
    let mut started = STARTED.lock().expect("no holder panics");
    started.closed = true;
    for record in started.records.iter().rev() {
        record.signal(Signal::KILL);
    }
}

/// A running program as it is written down for a later command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// What people call it, for example `identity`.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Where it writes its output.
    pub log: PathBuf,
    /// Clock ticks from the machine's boot to its start (`/proc/PID/stat`, field 22).
    started: u64,
}

impl Record {
    fn of(name: &str, pid: u32, log: &Path) -> Option<Self> {
        let (_, started) = stat(pid)?;
        Some(Self { name: name.to_owned(), pid, log: log.to_owned(), started })
    }

    /// Whether that very program still runs.
    pub fn is_running(&self) -> bool {
        stat(self.pid).is_some_and(|(state, started)| started == self.started && !matches!(state, 'Z' | 'X'))
    }

    /// Sends a signal, unless the program has ended.
    pub fn signal(&self, signal: Signal) {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        if self.is_running() {
            // It may end in between; then there is nobody left to tell.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Asks it to end with `signal`, and kills it when it has not within `bound`. True when it ended by itself.
    pub fn stop(&self, signal: Signal, bound: Duration) -> bool {
        self.signal(signal);
        let ended = wait::until("end", bound, || Ok((!self.is_running()).then_some(()))).is_ok();
        if !ended {
            self.signal(Signal::KILL);
            let _ = wait::until("end", Duration::from_secs(5), || Ok((!self.is_running()).then_some(())));
        }
        ended
    }
}

/// State and start of a process: fields 3 and 22 of `/proc/PID/stat`, counted after the name, which may hold spaces.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// A program that we started. Dropping it kills it, unless [`Process::detach`] let it go.
pub struct Process {
    record: Record,
    child: Option<Child>,
    kill_on_drop: bool,
}

impl Process {
    /// How it is written down.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.record.pid
    }

    /// Lets it run on after us.
    pub fn detach(mut self) -> Record {
        self.kill_on_drop = false;
        self.record.clone()
    }

    /// Its exit status, once it has ended.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok().flatten()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.exit_status().is_none() && self.record.is_running()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.record.signal(signal);
    }

    /// Ends it with SIGKILL and waits for that.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
    }

    /// Asks it to end with `signal` and waits; kills it when `bound` has passed.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop(&mut self, signal: Signal, bound: Duration) -> Result<ExitStatus> {
        self.signal(signal);
        let status = wait::until("end", bound, || Ok(self.exit_status()));
        status.inspect_err(|_| self.kill()).with_context(|| format!("{} was killed", self.record.name))
    }

    /// Waits until `url` (an admin port's `/readyz`) answers 200.
    ///
    /// # Errors
    /// When the program ends before, or `bound` passes; with the last lines of its log.
    pub fn wait_ready(&mut self, url: &str, bound: Duration) -> Result<()> {
        let http = Http::new();
        let mut answer = String::from("it never answered");
        let name = self.record.name.clone();
        let outcome = wait::until(&format!("{name} is ready"), bound, || {
            if let Some(status) = self.exit_status() {
                bail!("{name} ended with {status}");
            }
            match http.get(url) {
                Ok(page) if page.is_ok() => return Ok(Some(())),
                Ok(page) => answer = page.body,
                Err(_) => {}
            }
            Ok(None)
        });
        outcome.map_err(|error| anyhow!("{error:#}; {}{}", answer.trim_end(), last_lines(&self.record.log)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.kill_on_drop {
            self.kill();
        }
    }
}

/// The last lines of a log, set off for an error message; the whole log is named.
pub fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(8)..].join("\n    ");
    format!("\n  the end of {}:\n    {tail}", log.display())
}

/// Runs a program to its end with `input` on its standard input, and gives its standard output.
///
/// # Errors
/// When it cannot be started or fails; with what it wrote to standard error.
pub fn run(command: &mut Command, input: &str) -> Result<String> {
    use std::io::Write;
    let program = command.get_program().display().to_string();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    // A program that does not want its input may close it early.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8(output.stdout)?)
}
