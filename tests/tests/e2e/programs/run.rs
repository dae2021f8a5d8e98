//! Running a program to its end.

use std::{
    io::{Read, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use e2e::{World, world::Program};

/// Far more than any command takes.
const BOUND: Duration = Duration::from_secs(30);

/// A program to be run.
pub struct Run {
    command: Command,
    input: String,
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// None: by a signal, ours when it did not end by itself.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub took: Duration,
}

/// The settings file of the first program of that kind.
pub fn settings_file(world: &World, program: Program) -> PathBuf {
    world.path(&format!("{}.toml", program.name()))
}

impl Run {
    /// The program without arguments, in an environment without settings.
    pub fn of(world: &World, program: Program) -> Self {
        let mut command = Command::new(world.sandi().plan().programs.join(program.name()));
        command.env_clear().current_dir("/");
        Self { command, input: String::new() }
    }

    /// The program with the settings that it runs with in this world.
    pub fn set_up(world: &World, program: Program, command: &[&str]) -> Self {
        let file = settings_file(world, program);
        Self::of(world, program).args(command).args(&["--config", file.to_str().expect("a path of ours is text")])
    }

    /// With these arguments more.
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// With a setting over the file.
    pub fn set(self, setting: &str) -> Self {
        self.args(&["--set", setting])
    }

    /// With a variable in its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// With this on its standard input.
    pub fn input(mut self, text: &str) -> Self {
        text.clone_into(&mut self.input);
        self
    }

    /// Runs it to its end; one that does not end is killed.
    pub fn go(mut self) -> Ended {
        let begin = Instant::now();
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the program is built");
        let (out, err) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
        let (out, err) = (thread::spawn(|| read(out)), thread::spawn(|| read(err)));
        // A program that does not want its input may close it early.
        let _ = child.stdin.take().expect("it is piped").write_all(self.input.as_bytes());
        let code = wait(&mut child);
        let took = begin.elapsed();
        Ended { code, out: out.join().expect("it is read"), err: err.join().expect("it is read"), took }
    }
}

fn wait(child: &mut Child) -> Option<i32> {
    let end = Instant::now() + BOUND;
    loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            return status.code();
        }
        if Instant::now() > end {
            let _ = child.kill();
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn read(mut from: impl Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).expect("a pipe is readable");
    String::from_utf8_lossy(&bytes).into_owned()
}
