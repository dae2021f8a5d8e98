//! The start itself, step by step.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path, thread, time::Duration};

use anyhow::{Result, anyhow, bail};
use launch::Line;
use serde::{Deserialize, Serialize};
use testbed::{
    postgres::{self, Postgres},
    private::write_private,
    process,
    process::{Process, Start},
    rabbitmq::{self, RabbitMq},
    sandi::{
        Listen, Plan, Sandi, Servers, Web,
        callers::Caller,
        numbered,
        settings::{Override, Program},
    },
};

use super::{
    ENVIRONMENT, LIST, Options, PASSWORDS,
    environment::{Running, environment},
    ports::Ports,
    seed,
};
use crate::{demo, install, place, shell::Environment};

/// Database and virtual host of the demo.
pub const NAME: &str = "sandi";

/// How long a mailer may take before it is left to itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// What runs.
pub struct Started {
    /// What a shell can source.
    pub environment: Environment,
    /// The ports that are ours.
    pub ports: Ports,
}

/// Starts everything in the directory.
pub fn start(directory: &Path, options: &Options) -> Result<Started> {
    let mut line = Line::new("");
    install::servers(&mut line)?;
    prepare(directory, options.keep)?;
    let ports = Ports::choose(usize::from(options.identities), usize::from(options.mailers));

    line.step("starting PostgreSQL and RabbitMQ")?;
    let (postgres, rabbitmq) = start_servers(directory, &ports)?;
    create_homes(&postgres, &rabbitmq)?;

    line.step("starting Sandi")?;
    let mailbox = start_mailbox(directory, &ports)?;
    let state = State::of(directory)?;
    let sandi = Sandi::lay_out(plan(directory, options, &ports, &postgres, &rabbitmq, &state)?)?;
    sandi.migrate()?;
    let (identities, mailers, gateway) = start_programs(&sandi, &mut line)?;
    let people = seed::seed(&sandi, &gateway_url(&sandi, &ports))?;
    line.clear()?;

    let environment = environment(&Running {
        directory,
        ports: &ports,
        postgres: postgres.server(),
        rabbitmq: rabbitmq.server(),
        sandi: &sandi,
        people: &people,
        identities: &identities,
        mailers: &mailers,
        gateway: &gateway,
    })?;
    if options.keep {
        demo::move_links(&environment)?;
    }
    // From here on they end by `down`, not with us.
    for process in identities.into_iter().chain(mailers).chain([gateway, mailbox]) {
        process.detach();
    }
    let [node, mapper] = rabbitmq.into_processes();
    for process in [postgres.into_process(), node, mapper] {
        process.detach();
    }
    Ok(Started { environment, ports })
}

/// Makes room for new data, unless the last time's is kept.
fn prepare(directory: &Path, keep: bool) -> Result<()> {
    let postgres = postgres::reachable_directory(&directory.join("postgres"))?;
    let demo = ["rabbitmq", "mailbox", "keys", "secrets", "log"].map(|name| directory.join(name));
    if !keep {
        for folder in demo.iter().chain([&postgres]) {
            remove(fs::remove_dir_all(folder))?;
        }
        for file in [ENVIRONMENT, PASSWORDS, State::FILE, "callers.toml"] {
            remove(fs::remove_file(directory.join(file)))?;
        }
        for program in [Program::Identity, Program::Mailer, Program::Gateway] {
            for index in 0..8 {
                let settings = format!("{}.toml", numbered(program.name(), index));
                remove(fs::remove_file(directory.join(settings)))?;
            }
        }
    }
    for folder in demo {
        fs::create_dir_all(folder)?;
    }
    // The mails have live links in them.
    fs::set_permissions(directory.join("mailbox"), fs::Permissions::from_mode(0o700))?;
    process::keep_list(directory.join(LIST));
    Ok(())
}

fn remove(outcome: io::Result<()>) -> io::Result<()> {
    outcome.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// PostgreSQL and RabbitMQ side by side.
fn start_servers(directory: &Path, ports: &Ports) -> Result<(Postgres, RabbitMq)> {
    let log = directory.join("log");
    let postgres = || {
        Postgres::start(postgres::Options {
            directory: postgres::reachable_directory(&directory.join("postgres"))?,
            log: log.join("postgres.log"),
            port: ports.postgres.number,
            durable: true,
            small_disk: None,
        })
    };
    let rabbitmq = || {
        RabbitMq::start(rabbitmq::Options {
            directory: directory.join("rabbitmq"),
            log: log.join("rabbitmq"),
            amqp: ports.amqp.number,
            management: ports.management.number,
        })
    };
    thread::scope(|scope| {
        let postgres = scope.spawn(postgres);
        let rabbitmq = rabbitmq();
        let postgres = postgres.join().map_err(|_| anyhow!("PostgreSQL's start broke off"))?;
        Ok((postgres?, rabbitmq?))
    })
}

/// Builds all there is, as `cargo xtask` does.
pub fn build() -> Result<()> {
    let status = launch::build("building", &["--workspace"])?;
    if !status.success() {
        bail!("it does not build");
    }
    Ok(())
}

fn create_homes(postgres: &Postgres, rabbitmq: &RabbitMq) -> Result<()> {
    let exists = format!("SELECT 1 FROM pg_database WHERE datname = '{NAME}'");
    if postgres.server().query("postgres", &exists)?.is_empty() {
        postgres.server().create_database(NAME, None)?;
    }
    rabbitmq.server().create_vhost(NAME)
}

fn start_mailbox(directory: &Path, ports: &Ports) -> Result<Process> {
    let (smtp, page) = (ports.smtp.address().to_string(), ports.page.address().to_string());
    let folder = directory.join("mailbox").display().to_string();
    let program = place::programs().join("xtask");
    let mut process = Start::new("mailbox", program, directory.join("log/mailbox.log"))
        .args(["mailbox", "--smtp", &smtp, "--page", &page, "--folder", &folder])
        .spawn()?;
    process.wait_ready(&format!("http://{page}/"), Duration::from_secs(10))?;
    Ok(process)
}

fn plan(
    directory: &Path,
    options: &Options,
    ports: &Ports,
    postgres: &Postgres,
    rabbitmq: &RabbitMq,
    state: &State,
) -> Result<Plan> {
    let (database, broker) = (postgres.server(), rabbitmq.server());
    Ok(Plan {
        directory: directory.to_owned(),
        programs: place::programs(),
        servers: Servers {
            database_owner: database.owner_url(NAME),
            database: database.service_url(NAME),
            amqp_identity: broker.identity_url(NAME),
            amqp_mailer: broker.mailer_url(NAME),
        },
        smtp: ports.smtp.address(),
        identities: ports
            .grpc
            .iter()
            .zip(&ports.identity_admin)
            .map(|(grpc, admin)| Listen { grpc: grpc.address(), admin: admin.address() })
            .collect(),
        mailers: ports.mailer_admin.iter().map(|port| port.address()).collect(),
        gateway: Some(Web { pages: ports.gateway.address(), admin: ports.gateway_admin.address(), path: "" }),
        callers: state.callers.clone(),
        overrides: overrides(&options.set)?,
        environment: Vec::new(),
    })
}

/// The demo's own settings, then the given ones over them.
fn overrides(given: &[Override]) -> Result<Vec<Override>> {
    // Wide, so that no command of the demo has to wait for the one before.
    let own = [
        "identity.limits.mails_per_minute=1000",
        "identity.limits.live_links=1000",
        "identity.limits.mails_per_day=100000",
        "identity.limits.address_per_minute=100000",
        // A token in a shell has nobody who makes it anew.
        "identity.actors.max_life=168h",
        "gateway.support_contact=bantuan@kopi.example",
    ];
    let mut all = own.iter().map(|text| text.parse()).collect::<Result<Vec<Override>>>()?;
    all.extend(given.iter().cloned());
    let given_is = |name| given.iter().any(|it| it.is(Program::Identity, name));
    let migrates_elsewhere = given_is("database.migrate_url") || given_is("database.migrate_url_file");
    for name in ["database.url", "database.url_file"] {
        // A database of one's own is also the one to migrate.
        if let Some(url) =
            given.iter().find_map(|it| it.text_of(Program::Identity, name)).filter(|_| !migrates_elsewhere)
        {
            let owner = name.replace("url", "migrate_url");
            all.push(format!("identity.{owner}={url}").parse()?);
        }
    }
    Ok(all)
}

/// All at once: they do not need each other to become ready.
fn start_programs(sandi: &Sandi, line: &mut Line) -> Result<(Vec<Process>, Vec<Process>, Process)> {
    let plan = sandi.plan();
    let mut identities =
        (0..plan.identities.len()).map(|index| sandi.start_identity(index)).collect::<Result<Vec<_>>>()?;
    let mut mailers = (0..plan.mailers.len()).map(|index| sandi.start_mailer(index)).collect::<Result<Vec<_>>>()?;
    let mut gateway = sandi.start_gateway()?;
    for (index, process) in identities.iter_mut().enumerate() {
        sandi.wait_identity(index, process)?;
    }
    sandi.wait_gateway(&mut gateway)?;
    for (admin, process) in plan.mailers.iter().zip(&mut mailers) {
        let ready = process.wait_ready(&format!("http://{admin}/readyz"), PATIENCE);
        // With a mail server or a broker that is away it waits for them: that can be looked at.
        if let Err(error) = ready {
            if !process.is_running() {
                return Err(error);
            }
            line.clear()?;
            eprintln!("{error:#}\n");
        }
    }
    Ok((identities, mailers, gateway))
}

/// Where people find the pages, and where links lead.
pub fn gateway_url(sandi: &Sandi, ports: &Ports) -> String {
    let given = |name| sandi.plan().overrides.iter().rev().find_map(|it| it.text_of(Program::Gateway, name));
    let listen = || given("listen").map_or_else(|| ports.gateway.address().to_string(), ToOwned::to_owned);
    given("public_url").map_or_else(|| format!("http://{}", listen()), |url| url.trim_end_matches('/').to_owned())
}

/// What outlives a restart with `--keep`, beyond the servers' data.
#[derive(Serialize, Deserialize)]
struct State {
    callers: Vec<Caller>,
}

impl State {
    const FILE: &str = "state.json";

    fn of(directory: &Path) -> Result<Self> {
        let file = directory.join(Self::FILE);
        if let Ok(text) = fs::read_to_string(&file) {
            return Ok(serde_json::from_str(&text)?);
        }
        let state = Self { callers: Caller::usual() };
        write_private(&file, &serde_json::to_string(&state)?)?;
        Ok(state)
    }
}
