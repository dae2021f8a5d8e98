//! The programs of a world: killed, ended, started again, and what they said.

use std::{
    path::PathBuf,
    process::{Command, ExitStatus, Output},
};

use rustix::process::Signal;
use testbed::{
    process::{Process, TERMINATE},
    sandi::{self, DRAIN, numbered},
};

use super::{Program, World};

impl World {
    /// Kills a program at once, as a crash would.
    pub fn kill(&mut self, program: Program, index: usize) {
        self.slot(program, index).take().expect("it runs").kill();
    }

    /// Ends a program as its supervisor would, and gives its exit status.
    ///
    /// # Panics
    /// When it has not ended within 15 s.
    pub fn terminate(&mut self, program: Program, index: usize) -> ExitStatus {
        let mut process = self.slot(program, index).take().expect("it runs");
        process.stop(TERMINATE, DRAIN).unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Ends a program with a signal, and gives its exit status.
    ///
    /// # Panics
    /// When it has not ended within 15 s.
    pub fn end_with(&mut self, program: Program, index: usize, signal: Signal) -> ExitStatus {
        let mut process = self.slot(program, index).take().expect("it runs");
        process.stop(signal, DRAIN).unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Starts a program that was killed or ended, and waits until it is ready.
    ///
    /// # Panics
    /// When it is not ready within 30 s; with the end of its log.
    pub fn start_again(&mut self, program: Program, index: usize) {
        let process = self.launch(program, index).unwrap_or_else(|error| panic!("{error:#}"));
        *self.slot(program, index) = Some(process);
    }

    /// From now on starts the programs of another build.
    pub fn use_programs(&mut self, programs: PathBuf) {
        self.sandi.use_programs(programs);
    }

    fn launch(&self, program: Program, index: usize) -> anyhow::Result<Process> {
        match program {
            Program::Identity => {
                let mut process = self.sandi.start_identity(index)?;
                self.sandi.wait_identity(index, &mut process)?;
                Ok(process)
            }
            Program::Mailer => {
                let mut process = self.sandi.start_mailer(index)?;
                self.sandi.wait_mailer(index, &mut process)?;
                Ok(process)
            }
            Program::Gateway => {
                let mut process = self.sandi.start_gateway()?;
                self.sandi.wait_gateway(&mut process)?;
                Ok(process)
            }
        }
    }

    /// The process id of a running program.
    pub fn pid(&self, program: Program, index: usize) -> u32 {
        let process = match program {
            Program::Identity => &self.identities[index],
            Program::Mailer => &self.mailers[index],
            Program::Gateway => &self.gateway,
        };
        process.as_ref().expect("it runs").pid()
    }

    /// All that a program has logged since the world began.
    pub fn log(&self, program: Program, index: usize) -> String {
        let file = self.path("log").join(format!("{}.log", numbered(program.name(), index)));
        std::fs::read_to_string(file).unwrap_or_default()
    }

    /// Runs a command of a program with the first one's settings, and gives its output.
    ///
    /// # Errors
    /// With what the program said.
    pub fn command(&self, program: Program, arguments: &[&str]) -> anyhow::Result<String> {
        match program {
            Program::Identity => self.sandi.identity(arguments, ""),
            Program::Mailer => self.sandi.mailer(arguments, ""),
            Program::Gateway => self.sandi.gateway(arguments, ""),
        }
    }

    /// Runs a command as [`World::command`] does, and gives whether it ended well, and all that it said.
    ///
    /// # Panics
    /// When there is no such program.
    pub async fn said(&self, program: Program, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(self.sandi.plan().programs.join(program.name()));
        command.args(arguments).arg("--config").arg(self.path(&format!("{}.toml", program.name())));
        command.envs(self.sandi.environment(program));
        let output = tokio::task::spawn_blocking(move || command.output());
        let Output { status, stdout, stderr } = output.await.expect("it runs to its end").expect("it can be run");
        (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
    }

    /// What a program's admin port answers at `path`, for example `/metrics`.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn admin(&self, program: Program, index: usize, path: &str) -> testbed::http::Answer {
        let address = match program {
            Program::Identity => self.sandi.plan().identities[index].admin,
            Program::Mailer => self.sandi.plan().mailers[index],
            Program::Gateway => self.sandi.plan().gateway.expect("a gateway was asked for").admin,
        };
        let http = testbed::http::Http::new();
        http.get(&format!("http://{address}{path}")).unwrap_or_else(|error| panic!("{error:#}"))
    }

    fn slot(&mut self, program: Program, index: usize) -> &mut Option<Process> {
        match program {
            Program::Identity => &mut self.identities[index],
            Program::Mailer => &mut self.mailers[index],
            Program::Gateway => &mut self.gateway,
        }
    }

    /// The installation's files and plan.
    pub fn sandi(&self) -> &sandi::Sandi {
        &self.sandi
    }
}
