//! What a test may wish for before its world starts.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
    time::Instant,
};

use testbed::{
    ports, postgres,
    postgres::Postgres,
    process::Process,
    rabbitmq,
    rabbitmq::RabbitMq,
    random,
    sandi::{Listen, Plan, Sandi, Servers, Web, callers::Caller, settings::Program},
    shared::{Shared, TEMPLATE},
    smtp::Sink,
};
use tonic::transport::{Channel, Endpoint};

use super::{BACKGROUND, World, lines::Lines, permit};
use crate::servers::shared;

/// A world to be.
pub struct Builder {
    identities: usize,
    mailers: usize,
    /// What the paths of the web gateway begin with, if there is one.
    gateway: Option<&'static str>,
    callers: Vec<Caller>,
    settings: Vec<String>,
    environment: Vec<(Option<Program>, String, String)>,
    own_broker: bool,
    own_database: bool,
    small_disk: Option<u32>,
    programs: Option<PathBuf>,
    proxies: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            identities: 1,
            mailers: 1,
            gateway: None,
            callers: callers(),
            settings: Vec::new(),
            environment: Vec::new(),
            own_broker: false,
            own_database: false,
            small_disk: None,
            programs: None,
            proxies: false,
        }
    }
}

/// The servers that a world stands on.
struct Ground {
    postgres: postgres::Server,
    own_postgres: Option<Postgres>,
    rabbitmq: rabbitmq::Server,
    own_rabbitmq: Option<RabbitMq>,
}

/// A laid-out installation whose programs run.
struct Running {
    sandi: Sandi,
    identities: Vec<Option<Process>>,
    mailers: Vec<Option<Process>>,
    gateway: Option<Process>,
}

/// The usual ones. The gateway's word about people is believed as well, so that a test need not sign tokens.
fn callers() -> Vec<Caller> {
    let gateway = |caller: Caller| if caller.name == "gateway" { caller.and("assert-actor") } else { caller };
    Caller::usual().into_iter().map(gateway).collect()
}

impl Builder {
    /// How many identity processes; 0 starts none, and they can be started later only if there is one to start.
    #[must_use]
    pub fn identities(mut self, count: usize) -> Self {
        self.identities = count;
        self
    }

    /// How many mailers.
    #[must_use]
    pub fn mailers(mut self, count: usize) -> Self {
        self.mailers = count;
        self
    }

    /// The web gateway too; the links of this world's organisations then lead to it.
    #[must_use]
    pub fn gateway(self) -> Self {
        self.gateway_below("")
    }

    /// As [`Builder::gateway`], with all paths below one, such as `/akun`.
    #[must_use]
    pub fn gateway_below(mut self, path: &'static str) -> Self {
        self.gateway = Some(path);
        self
    }

    /// A setting as on the command line: `identity.resets.self_service_life=2s`.
    #[must_use]
    pub fn set(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }

    /// Limits so wide that no request is silently left out.
    #[must_use]
    pub fn wide_limits(self) -> Self {
        self.set("identity.limits.mails_per_minute=100000")
            .set("identity.limits.live_links=100000")
            .set("identity.limits.mails_per_day=100000")
            .set("identity.limits.caller_per_second=100000")
            .set("identity.limits.address_per_minute=100000")
            .set("identity.limits.wrong_passwords=100000")
            .set("identity.limits.wrong_passwords_of_strangers=100000")
            .set("gateway.limits.requests_per_second=100000")
            .set("gateway.limits.request_burst=100000")
    }

    /// A caller beside the usual three.
    #[must_use]
    pub fn caller(mut self, name: &str, scopes: &[&str]) -> Self {
        self.callers.push(Caller::new(name, scopes));
        self
    }

    /// What the programs log, for example `trace`.
    #[must_use]
    pub fn log(self, filter: &str) -> Self {
        self.environment("RUST_LOG", filter)
    }

    /// A variable of the programs' environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((None, name.to_owned(), value.to_owned()));
        self
    }

    /// A variable of one program's environment.
    #[must_use]
    pub fn environment_of(mut self, program: Program, name: &str, value: &str) -> Self {
        self.environment.push((Some(program), name.to_owned(), value.to_owned()));
        self
    }

    /// A RabbitMQ that no other test uses, so that it may be stopped. Costs about 6 s.
    #[must_use]
    pub fn own_broker(mut self) -> Self {
        self.own_broker = true;
        self
    }

    /// A PostgreSQL that no other test uses, so that it may be stopped. Costs about 2 s.
    #[must_use]
    pub fn own_database(mut self) -> Self {
        self.own_database = true;
        self
    }

    /// As [`Builder::own_database`], on a disk of its own of so many MiB, at least 100.
    #[must_use]
    pub fn small_disk(mut self, mib: u32) -> Self {
        self.small_disk = Some(mib);
        self.own_database()
    }

    /// Programs of another build, and a database with the migrations of theirs.
    #[must_use]
    pub fn programs(mut self, programs: PathBuf) -> Self {
        self.programs = Some(programs);
        self
    }

    /// A proxy between the identity service and each of the broker and the database, to disturb that line.
    #[must_use]
    pub fn proxies(mut self) -> Self {
        self.proxies = true;
        self
    }

    /// Starts it, and waits until every program is ready.
    ///
    /// # Panics
    /// When something does not come up.
    pub async fn start(self) -> World {
        let permit = permit().await;
        let shared = shared();
        let sink = BACKGROUND
            .spawn(Sink::start(ports::loopback(0), None))
            .await
            .expect("the sink's start runs to its end")
            .expect("the sink starts");
        let name = format!("w{}", random::hex::<5>());
        let directory = shared.directory.join(&name);
        let (ground_name, ground_directory, smtp) = (name.clone(), directory.clone(), sink.address());
        let (ground, lines, running) = tokio::task::spawn_blocking(move || {
            let ground = Ground::prepare(shared, &self, &ground_name, &ground_directory)?;
            let mut plan = self.plan(shared, &ground, &ground_name, &ground_directory, smtp)?;
            let lines = self.proxies.then(|| Lines::between(&mut plan.servers)).transpose()?;
            let running = run(plan, ground.own_postgres.is_some() || self.programs.is_some())?;
            anyhow::Ok((ground, lines, running))
        })
        .await
        .expect("the start runs to its end")
        .unwrap_or_else(|error| panic!("the world does not start: {error:#}"));
        let Running { sandi, identities, mailers, gateway } = running;
        let channels = sandi.plan().identities.iter().map(channel).collect();
        World {
            sandi,
            identities,
            mailers,
            gateway,
            channels,
            sink,
            lines,
            postgres: ground.postgres,
            own_postgres: ground.own_postgres,
            rabbitmq: ground.rabbitmq,
            own_rabbitmq: ground.own_rabbitmq,
            name,
            directory,
            begin: Instant::now(),
            passwords: Mutex::default(),
            _permit: permit,
        }
    }

    fn plan(
        &self,
        shared: &Shared,
        ground: &Ground,
        name: &str,
        directory: &Path,
        smtp: std::net::SocketAddr,
    ) -> anyhow::Result<Plan> {
        let listen = || Listen { grpc: ports::loopback(ports::free()), admin: ports::loopback(ports::free()) };
        Ok(Plan {
            directory: directory.join("sandi"),
            programs: self.programs.clone().unwrap_or_else(|| shared.programs.clone()),
            servers: Servers {
                database_owner: ground.postgres.owner_url(name),
                database: ground.postgres.service_url(name),
                amqp_identity: ground.rabbitmq.identity_url(name),
                amqp_mailer: ground.rabbitmq.mailer_url(name),
            },
            smtp,
            identities: (0..self.identities).map(|_| listen()).collect(),
            mailers: (0..self.mailers).map(|_| ports::loopback(ports::free())).collect(),
            gateway: self.gateway.map(|path| {
                let port = || ports::loopback(ports::free());
                Web { pages: port(), admin: port(), path }
            }),
            callers: self.callers.clone(),
            overrides: self.settings.iter().map(|setting| setting.parse()).collect::<anyhow::Result<_>>()?,
            environment: self.environment.clone(),
        })
    }
}

impl Ground {
    fn prepare(shared: &Shared, wishes: &Builder, name: &str, directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let own_postgres = wishes.own_database.then(|| {
            Postgres::start(postgres::Options {
                directory: postgres::reachable_directory(&directory.join("postgres"))?,
                log: directory.join("postgres.log"),
                port: ports::free(),
                durable: false,
                small_disk: wishes.small_disk,
            })
        });
        let own_rabbitmq = wishes.own_broker.then(|| {
            RabbitMq::start(rabbitmq::Options {
                directory: directory.join("rabbitmq"),
                log: directory.join("rabbitmq-log"),
                amqp: ports::free(),
                management: ports::free(),
            })
        });
        let (own_postgres, own_rabbitmq) = (own_postgres.transpose()?, own_rabbitmq.transpose()?);
        let ground = Self {
            postgres: own_postgres.as_ref().map_or(&shared.postgres, Postgres::server).clone(),
            rabbitmq: own_rabbitmq.as_ref().map_or(&shared.rabbitmq, RabbitMq::server).clone(),
            own_postgres,
            own_rabbitmq,
        };
        let template = (ground.own_postgres.is_none() && wishes.programs.is_none()).then_some(TEMPLATE);
        copy_database(&ground.postgres, name, template)?;
        ground.rabbitmq.create_vhost(name)?;
        Ok(ground)
    }
}

/// Copies one at a time: PostgreSQL refuses a template that another copy is being made of.
fn copy_database(postgres: &postgres::Server, name: &str, template: Option<&str>) -> anyhow::Result<()> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    postgres.create_database(name, template)
}

/// Starts all programs, then waits for all: they do not need each other to become ready.
fn run(plan: Plan, migrate: bool) -> anyhow::Result<Running> {
    let sandi = Sandi::lay_out(plan)?;
    if migrate {
        sandi.migrate()?;
    }
    let count = (sandi.plan().identities.len(), sandi.plan().mailers.len());
    let mut identities = (0..count.0).map(|index| sandi.start_identity(index)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut mailers = (0..count.1).map(|index| sandi.start_mailer(index)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut gateway = sandi.plan().gateway.map(|_| sandi.start_gateway()).transpose()?;
    for (index, process) in identities.iter_mut().enumerate() {
        sandi.wait_identity(index, process)?;
    }
    for (index, process) in mailers.iter_mut().enumerate() {
        sandi.wait_mailer(index, process)?;
    }
    if let Some(process) = &mut gateway {
        sandi.wait_gateway(process)?;
    }
    let (identities, mailers) = (identities.into_iter().map(Some).collect(), mailers.into_iter().map(Some).collect());
    Ok(Running { sandi, identities, mailers, gateway })
}

fn channel(listen: &Listen) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", listen.grpc)).expect("an address is a URL");
    endpoint.connect_timeout(std::time::Duration::from_secs(5)).connect_lazy()
}
