//! The three programs: their settings files, keys and callers in one directory, and starting them.
//!
//! ```text
//! DIRECTORY/identity.toml identity-2.toml mailer.toml gateway.toml callers.toml
//!           keys/identity/ keys/mailer/ keys/actors/ secrets/ log/
//! ```

pub mod actors;
pub mod callers;
pub mod settings;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    private::write_private,
    process,
    process::{Process, Start},
    random,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use callers::Caller;
use settings::{Override, Program};

/// The longest time a program may take to become ready.
const READY: Duration = Duration::from_secs(30);
/// The longest time a program may take to end after SIGTERM.
pub const DRAIN: Duration = Duration::from_secs(15);

/// What an installation is made from.
pub struct Plan {
    /// Where its files go.
    pub directory: PathBuf,
    /// Where the programs `identity`, `mailer` and `gateway` stand.
    pub programs: PathBuf,
    /// The database and the broker.
    pub servers: Servers,
    /// Where the mailer hands mails over.
    pub smtp: SocketAddr,
    /// One entry for each identity process.
    pub identities: Vec<Listen>,
    /// One admin address for each mailer process.
    pub mailers: Vec<SocketAddr>,
    /// Where the web gateway listens, if there is one.
    pub gateway: Option<Web>,
    /// Who may call.
    pub callers: Vec<Caller>,
    /// Settings over the ones that follow from the above.
    pub overrides: Vec<Override>,
    /// Variables of the programs' environment, for example `RUST_LOG`; with a program, of that one's alone.
    pub environment: Vec<(Option<Program>, String, String)>,
}

/// URLs with their passwords.
#[derive(Clone)]
pub struct Servers {
    /// The database for its owner.
    pub database_owner: String,
    /// The database for the identity service.
    pub database: String,
    /// The virtual host for the identity service.
    pub amqp_identity: String,
    /// The virtual host for the mailer.
    pub amqp_mailer: String,
}

/// Where an identity process listens.
#[derive(Clone, Copy, Debug)]
pub struct Listen {
    /// The calls.
    pub grpc: SocketAddr,
    /// Probes and metrics.
    pub admin: SocketAddr,
}

/// Where the web gateway listens.
#[derive(Clone, Copy, Debug)]
pub struct Web {
    /// The pages.
    pub pages: SocketAddr,
    /// Probes and metrics.
    pub admin: SocketAddr,
    /// What all paths begin with, such as `/akun`; may be empty.
    pub path: &'static str,
}

/// An installation whose files are written.
pub struct Sandi {
    plan: Plan,
}

impl Sandi {
    /// Writes settings, secrets and callers, makes keys where there are none yet, and lets each side know the other's
    /// public keys.
    ///
    /// # Errors
    /// When a file cannot be written, or an override does not fit.
    pub fn lay_out(plan: Plan) -> Result<Self> {
        let sandi = Self { plan };
        for folder in ["secrets", "keys/identity", "keys/mailer", "log"] {
            fs::create_dir_all(sandi.path(folder))?;
        }
        sandi.write_secrets()?;
        callers::write(&sandi.path("callers.toml"), &sandi.plan.callers)?;
        for (index, listen) in sandi.plan.identities.iter().enumerate() {
            let settings = settings::identity(&sandi.plan, *listen)?;
            fs::write(sandi.settings_file(Program::Identity, index), settings)?;
        }
        for (index, admin) in sandi.plan.mailers.iter().enumerate() {
            let settings = settings::mailer(&sandi.plan, *admin)?;
            fs::write(sandi.settings_file(Program::Mailer, index), settings)?;
        }
        if let Some(web) = sandi.plan.gateway {
            sandi.write_gateway_secrets()?;
            fs::write(sandi.settings_file(Program::Gateway, 0), settings::gateway(&sandi.plan, web)?)?;
        }
        actors::lay_out(&sandi.plan.directory)?;
        sandi.make_keys()?;
        Ok(sandi)
    }

    /// What it was made from.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// From now on starts, and runs commands of, the programs that stand there.
    pub fn use_programs(&mut self, programs: PathBuf) {
        self.plan.programs = programs;
    }

    /// A file of the installation.
    pub fn path(&self, name: &str) -> PathBuf {
        self.plan.directory.join(name)
    }

    /// A token that says that this user is there, as the web gateway signs them.
    ///
    /// # Errors
    /// When the gateway's key cannot be read.
    pub fn actor_token(&self, user_id: &str, life: Duration) -> Result<String> {
        actors::token(&self.plan.directory, user_id, life)
    }

    /// Applies the migrations.
    ///
    /// # Errors
    /// With what `identity migrate` said.
    pub fn migrate(&self) -> Result<()> {
        self.identity(&["migrate"], "").context("identity migrate").map(drop)
    }

    /// Runs a command of the identity program with the first one's settings, and gives its output.
    ///
    /// # Errors
    /// With what the program said.
    pub fn identity(&self, arguments: &[&str], input: &str) -> Result<String> {
        self.command(Program::Identity, arguments, input)
    }

    /// Runs a command of the mailer with the first one's settings, and gives its output.
    ///
    /// # Errors
    /// With what the program said.
    pub fn mailer(&self, arguments: &[&str], input: &str) -> Result<String> {
        self.command(Program::Mailer, arguments, input)
    }

    /// Runs a command of the gateway, and gives its output.
    ///
    /// # Errors
    /// With what the program said.
    pub fn gateway(&self, arguments: &[&str], input: &str) -> Result<String> {
        self.command(Program::Gateway, arguments, input)
    }

    fn command(&self, program: Program, arguments: &[&str], input: &str) -> Result<String> {
        let mut command = Command::new(self.plan.programs.join(program.name()));
        command.args(arguments).arg("--config").arg(self.settings_file(program, 0)).envs(self.environment(program));
        process::run(&mut command, input)
    }

    /// Starts the identity process of that index (from 0); it may not be ready yet.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn start_identity(&self, index: usize) -> Result<Process> {
        self.start(Program::Identity, index)
    }

    /// Starts the mailer of that index (from 0); it may not be ready yet.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn start_mailer(&self, index: usize) -> Result<Process> {
        self.start(Program::Mailer, index)
    }

    /// Starts the web gateway; it may not be ready yet.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn start_gateway(&self) -> Result<Process> {
        self.start(Program::Gateway, 0)
    }

    /// The variables that a program is given.
    pub fn environment(&self, program: Program) -> impl Iterator<Item = (String, String)> {
        let own = self.plan.environment.iter().filter(move |(of, ..)| of.is_none_or(|of| of == program));
        own.map(|(_, name, value)| (name.clone(), value.clone()))
    }

    fn start(&self, program: Program, index: usize) -> Result<Process> {
        let name = numbered(program.name(), index);
        let log = self.path("log").join(format!("{name}.log"));
        Start::new(name, self.plan.programs.join(program.name()), log)
            .args(["serve".as_ref(), "--config".as_ref(), self.settings_file(program, index).as_os_str()])
            .envs(self.environment(program))
            .spawn()
    }

    /// Waits until the identity process of that index takes calls.
    ///
    /// # Errors
    /// When it ends before, or is not ready within 30 s; with the end of its log.
    pub fn wait_identity(&self, index: usize, process: &mut Process) -> Result<()> {
        let admin = self.plan.identities[index].admin;
        process.wait_ready(&format!("http://{admin}/readyz"), READY)
    }

    /// Waits until the mailer of that index takes mails.
    ///
    /// # Errors
    /// As [`Sandi::wait_identity`].
    pub fn wait_mailer(&self, index: usize, process: &mut Process) -> Result<()> {
        let admin = self.plan.mailers[index];
        process.wait_ready(&format!("http://{admin}/readyz"), READY)
    }

    /// Waits until the web gateway shows pages.
    ///
    /// # Errors
    /// As [`Sandi::wait_identity`]; and when the plan has none.
    pub fn wait_gateway(&self, process: &mut Process) -> Result<()> {
        let web = self.plan.gateway.context("there is no gateway in the plan")?;
        process.wait_ready(&format!("http://{}/readyz", web.admin), READY)
    }

    fn settings_file(&self, program: Program, index: usize) -> PathBuf {
        self.path(&format!("{}.toml", numbered(program.name(), index)))
    }

    fn write_secrets(&self) -> Result<()> {
        let servers = &self.plan.servers;
        for (name, secret) in [
            ("database-owner-url", &servers.database_owner),
            ("database-url", &servers.database),
            ("amqp-identity-url", &servers.amqp_identity),
            ("amqp-mailer-url", &servers.amqp_mailer),
        ] {
            write_private(&self.path("secrets").join(name), &format!("{secret}\n"))?;
        }
        Ok(())
    }

    /// The token of its caller, and a key for its cookies, which is kept so that sessions are.
    fn write_gateway_secrets(&self) -> Result<()> {
        let caller = self.plan.callers.iter().find(|caller| caller.name == "gateway");
        let token = &caller.context("no caller is named gateway")?.token;
        write_private(&self.path("secrets/gateway-token"), &format!("{token}\n"))?;
        let key = self.path("secrets/gateway-cookie-key");
        if key.exists() {
            Ok(())
        } else {
            write_private(&key, &format!("{}\n", STANDARD.encode(random::bytes::<64>())))
        }
    }

    fn make_keys(&self) -> Result<()> {
        for (own, other) in [("identity", "mailer"), ("mailer", "identity")] {
            let folder = self.path("keys").join(own);
            if with_extension(&folder, "key")?.is_empty() {
                let directory = folder.display().to_string();
                self.identity(&["keys", "generate", "--role", own, "--directory", &directory], "")
                    .context("identity keys generate")?;
            }
            for public in with_extension(&folder, "pub")? {
                let name = public.file_name().unwrap_or_default();
                fs::copy(&public, self.path("keys").join(other).join(name))?;
            }
        }
        Ok(())
    }
}

/// `identity`, `identity-2`, `identity-3` …
pub fn numbered(name: &str, index: usize) -> String {
    match index {
        0 => name.to_owned(),
        _ => format!("{name}-{}", index + 1),
    }
}

fn with_extension(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let paths = entries.into_iter().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|it| it == extension)).collect())
}
