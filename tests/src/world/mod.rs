//! One whole Sandi for one test: its own database, virtual host, keys, mail server and programs.

mod builder;
mod lines;
mod programs;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use testbed::{
    postgres,
    postgres::Postgres,
    process::Process,
    rabbitmq,
    rabbitmq::RabbitMq,
    sandi::Sandi,
    smtp::{Rule, Sink},
};
use tokio::{
    runtime::{Builder as RuntimeBuilder, Runtime},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tonic::transport::Channel;

use crate::leaks;
pub use builder::Builder;
pub use testbed::sandi::settings::Program;

/// How many stand at once: each is some five processes on a machine of few cores.
const AT_ONCE: usize = 3;

/// How long after a failed test the programs may still write.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How long after a world's start its queues may still be coming up.
const QUEUES_COME_UP: Duration = Duration::from_secs(3);

/// A running Sandi. Dropping it ends its programs and removes its database, virtual host and files; after a failed test
/// the files stay, and their place is printed.
pub struct World {
    pub(crate) sandi: Sandi,
    identities: Vec<Option<Process>>,
    mailers: Vec<Option<Process>>,
    gateway: Option<Process>,
    channels: Vec<Channel>,
    sink: Sink,
    lines: Option<lines::Lines>,
    postgres: postgres::Server,
    own_postgres: Option<Postgres>,
    rabbitmq: rabbitmq::Server,
    own_rabbitmq: Option<RabbitMq>,
    /// Database and virtual host have the same name.
    name: String,
    directory: PathBuf,
    begin: Instant,
    /// What people's passwords were or were tried to be.
    pub(crate) passwords: Mutex<BTreeSet<String>>,
    _permit: OwnedSemaphorePermit,
}

/// Where sinks run, so that they answer also while a test's own thread waits for a program.
static BACKGROUND: LazyLock<Runtime> = LazyLock::new(|| {
    RuntimeBuilder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads can be made")
});

async fn permit() -> OwnedSemaphorePermit {
    static WORLDS: LazyLock<std::sync::Arc<Semaphore>> = LazyLock::new(|| Semaphore::new(AT_ONCE).into());
    std::sync::Arc::clone(&WORLDS).acquire_owned().await.expect("it is never closed")
}

impl World {
    /// One identity process and one mailer, with the programs' own defaults.
    pub async fn start() -> Self {
        Self::build().start().await
    }

    /// A world to be described first.
    pub fn build() -> Builder {
        Builder::default()
    }

    /// The mail server.
    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// Tells the mail server to do something else than accept, from now on.
    pub fn script(&self, rule: Rule) {
        self.sink.script(rule);
    }

    /// How the database server is reached by `psql` and `pg_dump`; the database is [`World::database_name`].
    pub fn postgres(&self) -> &postgres::Server {
        &self.postgres
    }

    /// The database's name.
    pub fn database_name(&self) -> &str {
        &self.name
    }

    /// The broker's management API.
    pub fn rabbitmq(&self) -> &rabbitmq::Server {
        &self.rabbitmq
    }

    /// The virtual host's name.
    pub fn vhost(&self) -> &str {
        &self.name
    }

    /// The broker of this world alone, to stop and start; it must have been asked for with [`Builder::own_broker`].
    pub fn broker_process(&mut self) -> &mut RabbitMq {
        self.own_rabbitmq.as_mut().expect("a broker of its own was not asked for")
    }

    /// The database server of this world alone; it must have been asked for with [`Builder::own_database`].
    pub fn database_process(&mut self) -> &mut Postgres {
        self.own_postgres.as_mut().expect("a database server of its own was not asked for")
    }

    /// The same, to look at.
    ///
    /// # Panics
    /// When it was not asked for.
    pub fn own_database(&self) -> &Postgres {
        self.own_postgres.as_ref().expect("a database server of its own was not asked for")
    }

    /// The connection to the identity process of that index.
    pub fn channel(&self, index: usize) -> Channel {
        self.channels[index].clone()
    }

    /// A file or folder of the installation, for example `keys/identity`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sandi.path(name)
    }
}

impl World {
    /// Notes a password, which must then stand nowhere.
    pub(crate) fn learn(&self, password: &str) {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner).insert(password.to_owned());
    }

    /// Removes the virtual host, but never while its queues come up: RabbitMQ 3.10 gives up dead-lettering for the
    /// whole node when a queue goes while its dead-letter worker starts.
    fn leave_broker(&self) {
        let (rabbitmq, name) = (self.rabbitmq.clone(), self.name.clone());
        let wait = QUEUES_COME_UP.saturating_sub(self.begin.elapsed());
        // A node that is gone has nothing to clean up.
        let remove = move || drop(rabbitmq.delete_vhost(&name));
        if wait.is_zero() {
            remove();
        } else {
            std::thread::spawn(move || {
                std::thread::sleep(wait);
                remove();
            });
        }
    }
}

impl World {
    /// Looks for what this world knew in what its programs logged, and hands it to the last test of all.
    fn leave_secrets(&self) {
        let secrets = self.secrets();
        let worlds = &crate::servers::shared().directory;
        leaks::registry::add(worlds, &secrets).expect("the registry is ours");
        let found = self.leaks_in_logs(&secrets);
        assert!(found.is_empty(), "leaks in logs:\n{}", found.join("\n"));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the programs have to say about it may be on its way into their logs.
            std::thread::sleep(LAST_WORDS);
        }
        self.identities.clear();
        self.mailers.clear();
        self.gateway = None;
        if !std::thread::panicking() {
            self.leave_secrets();
        }
        if self.own_rabbitmq.is_none() {
            self.leave_broker();
        }
        if self.own_postgres.is_none() {
            let _ = self.postgres.drop_database(&self.name);
        }
        self.own_rabbitmq = None;
        self.own_postgres = None;
        if std::thread::panicking() {
            eprintln!("settings and logs of this world: {}", self.directory.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}
