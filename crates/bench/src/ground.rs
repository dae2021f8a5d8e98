//! The servers that all parts stand on: a private PostgreSQL and RabbitMQ with fsync on, as `cargo xtask up` has them.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use testbed::{
    ports, postgres,
    process::{self, Process, Start},
    shared::{self, Shared, TEMPLATE},
    wait,
};
use url::Url;

/// The programs that run, so that a later run can end what this one could not.
const LIST: &str = "processes.json";
/// Filling millions of rows shall not be what checkpoints are about.
const POSTGRES_SETTINGS: [&str; 2] = ["max_wal_size = '4GB'", "checkpoint_timeout = '15min'"];
/// Where Debian puts programs of administrators.
const SBIN: &str = "/usr/sbin";

/// What runs. Dropping it ends it.
pub struct Ground {
    /// How to reach the servers, and where the programs stand.
    pub shared: Shared,
    _processes: [Process; 3],
    _lock: File,
}

impl Ground {
    /// Starts both servers on empty data in `directory`, and makes the database that every part copies.
    ///
    /// # Errors
    /// When a server is missing or does not come up, or when another run is using the directory.
    pub fn start(directory: &Path, programs: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let lock = File::create(directory.join("lock"))?;
        if lock.try_lock().is_err() {
            bail!("another `cargo xtask bench` runs");
        }
        for left_behind in process::read_list(&directory.join(LIST)) {
            left_behind.stop(process::KILL, Duration::from_secs(5));
        }
        shared::wipe(directory)?;
        process::keep_list(directory.join(LIST));
        let (shared, processes) = shared::start(directory, programs.to_owned(), true)?;
        for setting in POSTGRES_SETTINGS {
            shared.postgres.query("postgres", &format!("ALTER SYSTEM SET {setting}"))?;
        }
        shared.postgres.query("postgres", "SELECT pg_reload_conf()")?;
        shared.migrate_template().context("the migrations")?;
        Ok(Self { shared, _processes: processes, _lock: lock })
    }

    /// A database with the migrations applied, in place of one of that name.
    ///
    /// # Errors
    /// With what the server said.
    pub fn database(&self, name: &str) -> Result<()> {
        self.shared.postgres.drop_database(name)?;
        self.shared.postgres.create_database(name, Some(TEMPLATE))
    }

    /// Removes what the parts so far have left, so that nobody tidies it up beside the next one.
    ///
    /// # Errors
    /// When a server refuses.
    pub fn tidy(&self) -> Result<()> {
        let all = format!(
            "SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', '{TEMPLATE}') AND NOT datistemplate"
        );
        for name in self.sql("postgres", &all)?.lines() {
            self.shared.postgres.drop_database(name)?;
            self.shared.rabbitmq.delete_vhost(name)?;
        }
        self.sql("postgres", "CHECKPOINT").map(drop)
    }

    /// Runs statements in a database, as the superuser.
    ///
    /// # Errors
    /// With what the server said.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        self.shared.postgres.query(database, sql)
    }

    /// The rate of pgbench with this script, in transactions a second.
    ///
    /// # Errors
    /// When pgbench is not there, or says no rate.
    pub fn pgbench(&self, database: &str, script: &str, clients: usize, run: usize, time: Duration) -> Result<f64> {
        let url = Url::parse(&self.shared.postgres.service_url(database))?;
        let bin = postgres::programs().context("PostgreSQL is not installed")?;
        let file = self.shared.directory.join("pgbench.sql");
        fs::write(&file, script)?;
        let mut pgbench = Command::new(bin.join("pgbench"));
        pgbench
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--define=n=0"])
            .args([format!("--client={clients}"), format!("--time={}", time.as_secs().max(1))])
            .args([format!("--define=run={run}"), format!("--file={}", file.display()), database.to_owned()])
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", url.port().unwrap_or_default().to_string())
            .env("PGUSER", url.username())
            .env("PGPASSWORD", url.password().unwrap_or_default());
        let said = process::run(&mut pgbench, "").context("pgbench")?;
        let tps = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        tps.with_context(|| format!("pgbench said no rate: {said}"))
    }

    /// Postfix's smtp-sink, which accepts mails and throws them away, and where it listens.
    ///
    /// # Errors
    /// When it is not installed, or does not come up.
    pub fn smtp_sink(&self) -> Result<(Process, SocketAddr)> {
        let program = smtp_sink_program().context("smtp-sink is missing. Install with:  apt-get install postfix")?;
        let address = ports::loopback(ports::free());
        let log = self.shared.directory.with_file_name("log").join("smtp-sink.log");
        let process = Start::new("smtp-sink", program, log)
            // Root must say who it is to be.
            .args(if process::is_root() { &["-u", "nobody"][..] } else { &[] })
            .args([address.to_string(), "1000".to_owned()])
            .spawn()?;
        let up = || Ok(TcpStream::connect(address).ok().map(drop));
        wait::until("smtp-sink listens", Duration::from_secs(5), up)?;
        Ok((process, address))
    }
}

fn smtp_sink_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).chain([PathBuf::from(SBIN)]);
    folders.map(|folder| folder.join("smtp-sink")).find(|program| program.exists())
}
