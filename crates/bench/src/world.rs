//! An installation for one part: a database and a virtual host of its own, people, and the programs.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{QueueDeclareOptions, QueuePurgeOptions},
    types::FieldTable,
};
use messaging::{
    broker::Broker,
    queues,
    topology::{self, MAILER_REQUESTS},
};
use testbed::{
    ports,
    process::Process,
    sandi::{Listen, Plan, Sandi, Servers, callers::Caller},
};
use tokio::task::block_in_place;

use crate::{bench::Bench, clients::Clients, people};

/// How long what must come about may take.
const BOUND: Duration = Duration::from_secs(120);
/// Connections of the load to each identity process.
const CONNECTIONS: usize = 4;
/// SMTP connections of the mailer, and mails that it has under way for one domain.
pub const SMTP_CONNECTIONS: usize = 8;

/// Limits so wide that nothing is left out silently, and nothing refused; the rest is as it comes.
const SETTINGS: [&str; 7] = [
    "identity.grpc.reflection=false",
    "identity.limits.caller_per_second=1000000",
    "identity.limits.address_per_minute=100000000",
    "identity.limits.mails_per_minute=1000000",
    "identity.limits.live_links=1000000",
    "identity.limits.mails_per_day=1000000",
    "identity.limits.wrong_passwords_of_strangers=100000",
];

/// What a part wishes for.
pub struct Wish {
    name: &'static str,
    identities: usize,
    mailers: usize,
    smtp: SocketAddr,
    people: u64,
    settings: Vec<String>,
}

impl Wish {
    /// One identity process, without mailer and people. The name is the database's too.
    pub fn new(name: &'static str) -> Self {
        Self { name, identities: 1, mailers: 0, smtp: ports::loopback(1), people: 0, settings: Vec::new() }
    }

    /// With so many people.
    pub fn people(self, people: u64) -> Self {
        Self { people, ..self }
    }

    /// With so many identity processes.
    pub fn identities(self, identities: usize) -> Self {
        Self { identities, ..self }
    }

    /// With a mailer that hands mails over here.
    pub fn mailer(self, smtp: SocketAddr) -> Self {
        Self { mailers: 1, smtp, ..self }
    }
}

/// What runs. Dropping it ends the programs.
pub struct World<'b> {
    bench: &'b Bench,
    wish: Wish,
    sandi: Sandi,
    identities: Vec<Option<Process>>,
    mailer: Option<Process>,
    connection: Connection,
    channel: Channel,
    /// How many people there are, numbered from 1.
    pub people: u64,
}

impl<'b> World<'b> {
    /// Makes it; nothing runs yet.
    ///
    /// # Errors
    /// When a server refuses.
    pub async fn make(bench: &'b Bench, wish: Wish) -> Result<Self> {
        let shared = &bench.ground.shared;
        let name = wish.name;
        block_in_place(|| {
            bench.ground.database(name)?;
            shared.rabbitmq.delete_vhost(name)?;
            shared.rabbitmq.create_vhost(name)?;
            if wish.people > 0 {
                people::fill(bench, name, wish.people)?;
            }
            anyhow::Ok(())
        })?;
        let url = shared.rabbitmq.administrator_url(name);
        topology::apply(&Broker::new(url.clone().into(), "bench")?).await?;
        let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let listen = || Listen { grpc: ports::loopback(ports::free()), admin: ports::loopback(ports::free()) };
        let mut settings: Vec<String> = SETTINGS.map(ToOwned::to_owned).to_vec();
        settings.push(format!("mailer.smtp.relays.0.connections={SMTP_CONNECTIONS}"));
        settings.push(format!("mailer.smtp.connections_per_domain={SMTP_CONNECTIONS}"));
        settings.extend(wish.settings.iter().cloned());
        let directory = shared.directory.join(name);
        if directory.exists() {
            fs::remove_dir_all(&directory)?;
        }
        let plan = Plan {
            directory,
            programs: shared.programs.clone(),
            servers: Servers {
                database_owner: shared.postgres.owner_url(name),
                database: shared.postgres.service_url(name),
                amqp_identity: shared.rabbitmq.identity_url(name),
                amqp_mailer: shared.rabbitmq.mailer_url(name),
            },
            smtp: wish.smtp,
            identities: (0..wish.identities).map(|_| listen()).collect(),
            mailers: (0..wish.mailers).map(|_| ports::loopback(ports::free())).collect(),
            gateway: None,
            callers: Caller::usual(),
            overrides: settings.iter().map(|setting| setting.parse()).collect::<Result<_>>()?,
            environment: Vec::new(),
        };
        let sandi = block_in_place(|| Sandi::lay_out(plan))?;
        let identities = (0..wish.identities).map(|_| None).collect();
        let people = wish.people;
        Ok(Self { bench, wish, sandi, identities, mailer: None, connection, channel, people })
    }

    /// Makes it and starts all its programs.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start(bench: &'b Bench, wish: Wish) -> Result<Self> {
        let mut world = Self::make(bench, wish).await?;
        for index in 0..world.identities.len() {
            world.start_identity(index)?;
        }
        if world.wish.mailers > 0 {
            world.start_mailer()?;
        }
        Ok(world)
    }

    /// The name of its database.
    pub fn name(&self) -> &'static str {
        self.wish.name
    }

    /// The installation.
    pub fn sandi(&self) -> &Sandi {
        &self.sandi
    }

    /// Starts an identity process and waits until it takes calls.
    ///
    /// # Errors
    /// When it does not come up; with the end of its log.
    pub fn start_identity(&mut self, index: usize) -> Result<()> {
        let process = block_in_place(|| {
            let mut process = self.sandi.start_identity(index)?;
            self.sandi.wait_identity(index, &mut process)?;
            anyhow::Ok(process)
        })?;
        self.identities[index] = Some(process);
        Ok(())
    }

    /// Starts the mailer and waits until it takes mails.
    ///
    /// # Errors
    /// When it does not come up; with the end of its log.
    pub fn start_mailer(&mut self) -> Result<()> {
        let process = block_in_place(|| {
            let mut process = self.sandi.start_mailer(0)?;
            self.sandi.wait_mailer(0, &mut process)?;
            anyhow::Ok(process)
        })?;
        self.mailer = Some(process);
        Ok(())
    }

    /// Starts the mailer without waiting for it.
    ///
    /// # Errors
    /// When its program is not there.
    pub fn spawn_mailer(&mut self) -> Result<()> {
        self.mailer = Some(self.sandi.start_mailer(0)?);
        Ok(())
    }

    /// Ends an identity process in order.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop_identity(&mut self, index: usize) -> Result<()> {
        stop(self.identities[index].take())
    }

    /// Ends the mailer in order.
    ///
    /// # Errors
    /// When it had to be killed.
    pub fn stop_mailer(&mut self) -> Result<()> {
        stop(self.mailer.take())
    }

    /// The process id of a running identity process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn identity_pid(&self, index: usize) -> Result<u32> {
        Ok(self.identities[index].as_ref().context("the identity service does not run")?.pid())
    }

    /// The process id of the running mailer.
    ///
    /// # Errors
    /// When it does not run.
    pub fn mailer_pid(&self) -> Result<u32> {
        Ok(self.mailer.as_ref().context("the mailer does not run")?.pid())
    }

    /// Writes the settings anew with these over the others; for programs that start from now on.
    ///
    /// # Errors
    /// When a setting does not fit.
    pub fn set(&mut self, settings: &[&str]) -> Result<()> {
        let old = self.sandi.plan();
        let mut overrides = old.overrides.clone();
        for setting in settings {
            overrides.push(setting.parse()?);
        }
        let plan = Plan {
            directory: old.directory.clone(),
            programs: old.programs.clone(),
            servers: old.servers.clone(),
            smtp: old.smtp,
            identities: old.identities.clone(),
            mailers: old.mailers.clone(),
            gateway: None,
            callers: old.callers.clone(),
            overrides,
            environment: Vec::new(),
        };
        self.sandi = block_in_place(|| Sandi::lay_out(plan))?;
        Ok(())
    }

    /// Callers of the identity processes of these indices, in turn.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn clients(&self, identities: &[usize]) -> Result<Clients> {
        let plan = self.sandi.plan();
        let addresses: Vec<SocketAddr> = identities.iter().map(|index| plan.identities[*index].grpc).collect();
        Clients::connect(&addresses, &plan.callers, CONNECTIONS).await
    }

    /// Runs statements in its database, as the superuser.
    ///
    /// # Errors
    /// With what the server said.
    pub fn sql(&self, sql: &str) -> Result<String> {
        block_in_place(|| self.bench.ground.sql(self.wish.name, sql))
    }

    /// Runs a query for one number.
    ///
    /// # Errors
    /// With what the server said.
    pub fn count(&self, sql: &str) -> Result<u64> {
        Ok(self.sql(sql)?.trim().parse()?)
    }

    /// Empties what requests led to, so that each round begins alike.
    ///
    /// # Errors
    /// With what a server said.
    pub async fn clear(&self) -> Result<()> {
        // One by one: the issuer, which may still work, locks some of them in an order of its own.
        self.sql(
            "TRUNCATE reset_requests; TRUNCATE resets; TRUNCATE outbox; TRUNCATE delivery_attempts;
             TRUNCATE audit_events; TRUNCATE idempotency_keys;",
        )?;
        self.purge().await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(())
    }

    /// Waits until issuer and relay have nothing to do, or gives up after a while.
    ///
    /// # Errors
    /// With what the server said.
    pub async fn rest(&self) -> Result<()> {
        let begin = Instant::now();
        let due = "SELECT (SELECT count(*) FROM reset_requests WHERE due_time <= now())
                   + (SELECT count(*) FROM outbox WHERE due_time <= now())";
        while self.count(due)? > 0 && begin.elapsed() < BOUND {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Empties all queues.
    ///
    /// # Errors
    /// With what the broker said.
    pub async fn purge(&self) -> Result<()> {
        for queue in queues::ALL {
            self.channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await?;
        }
        Ok(())
    }

    /// How many messages of a queue are in nobody's hands.
    ///
    /// # Errors
    /// With what the broker said.
    pub async fn depth_of(&self, queue: &str) -> Result<u64> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = self.channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
        Ok(found.message_count().into())
    }

    /// How many mails wait for the mailer.
    ///
    /// # Errors
    /// With what the broker said.
    pub async fn depth(&self) -> Result<u64> {
        self.depth_of(MAILER_REQUESTS).await
    }

    /// Waits until the depth of the mailer's queue is as wanted, and tells when that was seen.
    ///
    /// # Errors
    /// When it is not within two minutes.
    pub async fn depth_until(&self, wanted: impl Fn(u64) -> bool) -> Result<Instant> {
        let begin = Instant::now();
        loop {
            let depth = self.depth().await?;
            let now = Instant::now();
            if wanted(depth) {
                return Ok(now);
            }
            if now - begin > BOUND {
                bail!("not within {} s; the queue holds {depth} messages", BOUND.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A channel to the broker with the administrator's rights.
    ///
    /// # Errors
    /// With what the broker said.
    pub async fn channel(&self) -> Result<Channel> {
        Ok(self.connection.create_channel().await?)
    }

    /// The URL of its database for the service's role.
    pub fn database_url(&self) -> &str {
        &self.sandi.plan().servers.database
    }
}

fn stop(process: Option<Process>) -> Result<()> {
    let Some(mut process) = process else { return Ok(()) };
    block_in_place(|| process.stop(testbed::process::TERMINATE, testbed::sandi::DRAIN)).map(drop)
}
