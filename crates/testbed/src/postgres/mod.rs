//! A private PostgreSQL: its own data, its own port on loopback, passwords drawn anew for each data directory.
//!
//! Run by root it becomes the user `postgres`, because the server refuses to run as root.

mod account;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::{private::write_private, process, process::Process, random, wait};

use account::Account;
pub use account::{reachable_directory, small_disk_is_possible};

/// The role that owns the databases and runs the migrations.
pub const OWNER: &str = "sandi_owner";
/// The role that the identity service works with.
pub const SERVICE: &str = "sandi_identity";
/// The longest time a start or an orderly stop may take.
const BOUND: Duration = Duration::from_secs(30);

/// Where and how to run it.
pub struct Options {
    /// Holds the data and the passwords; made when absent, used again when it holds a server's data.
    pub directory: PathBuf,
    /// The server's own log.
    pub log: PathBuf,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// Whether the data must outlive a crash of the machine. Tests do without.
    pub durable: bool,
    /// Puts the data on a disk of its own, of so many MiB, that only the server sees and that is gone with it. For
    /// root alone ([`small_disk_is_possible`]).
    pub small_disk: Option<u32>,
}

/// A running server.
pub struct Postgres {
    process: Process,
    server: Server,
    durable: bool,
    small_disk: Option<u32>,
}

/// How to reach a running server, also from another process.
#[derive(Clone, Serialize, Deserialize)]
pub struct Server {
    port: u16,
    bin: PathBuf,
    passwords: Passwords,
    /// Where the data lies.
    pub directory: PathBuf,
}

#[derive(Clone, Serialize, Deserialize)]
struct Passwords {
    superuser: String,
    owner: String,
    service: String,
}

impl Postgres {
    /// Starts a server on the directory and makes sure of the two roles.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, or does not come up within 30 s; with the end of its log.
    pub fn start(options: Options) -> Result<Self> {
        let bin = programs().context("PostgreSQL is not installed")?;
        let account = Account::current(&options.directory)?;
        fs::create_dir_all(&options.directory)?;
        let passwords = Passwords::of(&options.directory)?;
        let data = options.directory.join("data");
        if !data.join("PG_VERSION").exists() {
            account.initialise(&bin, &data, &passwords.superuser)?;
        }
        let server = Server { port: options.port, bin, passwords, directory: options.directory };
        let (durable, small_disk) = (options.durable, options.small_disk);
        let process = server.launch(&account, &options.log, durable, small_disk)?;
        let mut postgres = Self { process, server, durable, small_disk };
        postgres.wait_ready()?;
        postgres.server.make_roles()?;
        Ok(postgres)
    }

    /// How to reach it.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Takes all the room there is on its small disk, or gives it back.
    ///
    /// # Errors
    /// When it has none of its own.
    pub fn fill_disk(&self, full: bool) -> Result<()> {
        self.small_disk.context("it shares the machine's disk")?;
        // The disk as the server sees it.
        let data = self.server.directory.join("data");
        let place = PathBuf::from(format!("/proc/{}/root{}", self.process.pid(), data.display())).join("filler");
        if !full {
            return Ok(fs::remove_file(place)?);
        }
        // A new file of the write-ahead log, as large as it will be, so that it is not the first to find no room: that
        // ends the server.
        self.server
            .query("postgres", "SELECT pg_switch_wal(); SELECT pg_logical_emit_message(true, 'a', 'new file')")?;
        let mut filler = fs::File::create(place)?;
        for size in [1 << 20, 1 << 12] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
        Ok(())
    }

    /// The program, to write down or to let go.
    pub fn into_process(self) -> Process {
        self.process
    }

    /// Stops it in order: running statements are broken off, the data is clean.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop(&mut self) -> Result<()> {
        self.process.stop(STOP, BOUND).map(drop)
    }

    /// Kills it at once, as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same data and port; a small disk is again as it was before its first start.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn restart(&mut self) -> Result<()> {
        let account = Account::current(&self.server.directory)?;
        let log = self.process.record().log.clone();
        self.process = self.server.launch(&account, &log, self.durable, self.small_disk)?;
        self.wait_ready()
    }

    fn wait_ready(&mut self) -> Result<()> {
        let log = self.process.record().log.clone();
        wait::until("PostgreSQL answers", BOUND, || {
            if let Some(status) = self.process.exit_status() {
                bail!("PostgreSQL ended with {status}");
            }
            Ok(self.server.query("postgres", "SELECT 1").ok().map(drop))
        })
        .map_err(|error| anyhow!("{error:#}{}", process::last_lines(&log)))
    }
}

/// The signal for PostgreSQL's fast shutdown.
pub const STOP: Signal = Signal::INT;

impl Server {
    /// The URL of a database for its owner.
    pub fn owner_url(&self, database: &str) -> String {
        self.url(OWNER, &self.passwords.owner, database)
    }

    /// The URL of a database for the identity service.
    pub fn service_url(&self, database: &str) -> String {
        self.url(SERVICE, &self.passwords.service, database)
    }

    fn url(&self, user: &str, password: &str, database: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes a database that the owner's role owns, as a copy of `template` if one is named.
    ///
    /// # Errors
    /// When the name is taken, or the template is in use.
    pub fn create_database(&self, name: &str, template: Option<&str>) -> Result<()> {
        let template = template.unwrap_or("template0");
        self.query("postgres", &format!("CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}"))?;
        Ok(())
    }

    /// Drops a database and the sessions on it; none of that name is fine.
    ///
    /// # Errors
    /// When the server is away.
    pub fn drop_database(&self, name: &str) -> Result<()> {
        self.query("postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
        Ok(())
    }

    /// Runs statements as the superuser and gives the rows as unaligned text.
    ///
    /// # Errors
    /// With what the server said.
    pub fn query(&self, database: &str, sql: &str) -> Result<String> {
        let port = self.port.to_string();
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", database])
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"])
            .env("PGPASSWORD", &self.passwords.superuser)
            .env("PGCONNECT_TIMEOUT", "5");
        process::run(&mut psql, sql)
    }

    /// A dump of a database as SQL text.
    ///
    /// # Errors
    /// With what `pg_dump` said.
    pub fn dump(&self, database: &str) -> Result<String> {
        let port = self.port.to_string();
        let mut dump = Command::new(self.bin.join("pg_dump"));
        dump.args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", database])
            .env("PGPASSWORD", &self.passwords.superuser);
        process::run(&mut dump, "")
    }

    fn make_roles(&self) -> Result<()> {
        let mut sql = String::new();
        for (role, password) in [(OWNER, &self.passwords.owner), (SERVICE, &self.passwords.service)] {
            sql += &format!(
                "SELECT 'CREATE ROLE {role}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec\n\
                 ALTER ROLE {role} LOGIN PASSWORD '{password}';\n"
            );
        }
        self.query("postgres", &sql)?;
        Ok(())
    }

    fn launch(&self, account: &Account, log: &Path, durable: bool, small_disk: Option<u32>) -> Result<Process> {
        let data = self.directory.join("data");
        let durability = if durable { "on" } else { "off" };
        let mut settings = vec![
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            // Loopback is enough, and a socket's path may be too long.
            "unix_socket_directories=".to_owned(),
            "max_connections=300".to_owned(),
            "timezone=UTC".to_owned(),
            "log_timezone=UTC".to_owned(),
        ];
        for name in ["fsync", "full_page_writes"] {
            settings.push(format!("{name}={durability}"));
        }
        let postgres = self.bin.join("postgres");
        let start = match small_disk {
            None => account.start("postgres", &postgres, log),
            Some(mib) => account.start_on_small_disk("postgres", &postgres, log, &data, mib),
        };
        let start = start.args([Path::new("-D"), &data]);
        settings.into_iter().fold(start, |start, setting| start.args(["-c", &setting])).spawn()
    }
}

impl Passwords {
    /// Those of the directory: the data knows them, so they live as long.
    fn of(directory: &Path) -> Result<Self> {
        let file = directory.join("passwords.json");
        if let Ok(text) = fs::read_to_string(&file) {
            return Ok(serde_json::from_str(&text)?);
        }
        let passwords = Self { superuser: random::secret(), owner: random::secret(), service: random::secret() };
        write_private(&file, &serde_json::to_string(&passwords)?)?;
        Ok(passwords)
    }
}

/// Where the server's programs stand: Debian's newest version, else those that `PATH` names.
pub fn programs() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = debian
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("postgres").exists())
        .max();
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|bin| bin.join("postgres").exists() && bin.join("initdb").exists())
    };
    newest.map(|(_, bin)| bin).or_else(on_path)
}
