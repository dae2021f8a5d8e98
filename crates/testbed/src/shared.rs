//! One PostgreSQL and one RabbitMQ that many tests use side by side, each with a database and a virtual host of its
//! own. Whoever starts the tests starts the servers and names a file in [`VARIABLE`]; the tests read it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};

use crate::{
    ports,
    postgres::{self, Postgres},
    private::write_private,
    process::Process,
    rabbitmq::{self, RabbitMq},
    sandi::{Listen, Plan, Sandi, Servers},
};

/// The environment variable with the file's path.
pub const VARIABLE: &str = "SANDI_TEST_SERVERS";
/// The database with the migrations applied, from which each test's own is copied.
pub const TEMPLATE: &str = "sandi_template";

/// What the tests need to know.
#[derive(Clone, Serialize, Deserialize)]
pub struct Shared {
    /// The database server.
    pub postgres: postgres::Server,
    /// The broker.
    pub rabbitmq: rabbitmq::Server,
    /// Where `identity` and `mailer` stand.
    pub programs: PathBuf,
    /// Where tests put their files.
    pub directory: PathBuf,
}

/// Removes what earlier servers left in `directory`.
///
/// # Errors
/// The file system's.
pub fn wipe(directory: &Path) -> Result<()> {
    let data = postgres::reachable_directory(&directory.join("postgres"))?;
    for folder in [data, directory.join("rabbitmq"), directory.join("worlds"), directory.join("log")] {
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// The two servers, started side by side in `directory`. Unless the database is `durable`, its data is not safe from a
/// crash of the machine.
///
/// # Errors
/// When one of them does not come up.
pub fn start(directory: &Path, programs: PathBuf, durable: bool) -> Result<(Shared, [Process; 3])> {
    let log = directory.join("log");
    fs::create_dir_all(&log)?;
    let database = {
        let (wanted, log) = (directory.join("postgres"), log.join("postgres.log"));
        thread::spawn(move || {
            Postgres::start(postgres::Options {
                directory: postgres::reachable_directory(&wanted)?,
                log,
                port: ports::free(),
                durable,
                small_disk: None,
            })
        })
    };
    let broker = RabbitMq::start(rabbitmq::Options {
        directory: directory.join("rabbitmq"),
        log: log.join("rabbitmq"),
        amqp: ports::free(),
        management: ports::free(),
    })?;
    let database = database.join().map_err(|_| anyhow!("PostgreSQL's start broke off"))??;
    let shared = Shared {
        postgres: database.server().clone(),
        rabbitmq: broker.server().clone(),
        programs,
        directory: directory.join("worlds"),
    };
    fs::create_dir_all(&shared.directory)?;
    let [node, mapper] = broker.into_processes();
    Ok((shared, [node, mapper, database.into_process()]))
}

impl Shared {
    /// Makes [`TEMPLATE`] anew with the migrations of now.
    ///
    /// # Errors
    /// With what `identity migrate` said.
    pub fn migrate_template(&self) -> Result<()> {
        self.postgres.drop_database(TEMPLATE)?;
        self.postgres.create_database(TEMPLATE, None)?;
        let directory = self.directory.join("template");
        let nowhere = ports::loopback(1);
        let plan = Plan {
            directory,
            programs: self.programs.clone(),
            servers: Servers {
                database_owner: self.postgres.owner_url(TEMPLATE),
                database: self.postgres.service_url(TEMPLATE),
                amqp_identity: self.rabbitmq.identity_url("none"),
                amqp_mailer: self.rabbitmq.mailer_url("none"),
            },
            smtp: nowhere,
            identities: vec![Listen { grpc: nowhere, admin: nowhere }],
            mailers: Vec::new(),
            gateway: None,
            callers: Vec::new(),
            overrides: Vec::new(),
            environment: Vec::new(),
        };
        Sandi::lay_out(plan)?.migrate()
    }

    /// Writes the file that [`VARIABLE`] names.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        write_private(file, &serde_json::to_string(self)?)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(serde_json::from_str(&text)?)
    }
}
