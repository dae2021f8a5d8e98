//! `target/up/env`.

use std::{path::Path, time::Duration};

use anyhow::Result;
use testbed::{
    ports::Port,
    postgres,
    process::Process,
    rabbitmq,
    sandi::{Sandi, numbered, settings::Program},
};

use super::{
    ports::Ports,
    seed::{self, People},
    start::{NAME, gateway_url},
};
use crate::shell::Environment;

/// How long the admin's token of the demo lives.
const ACTOR_TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the names speak of.
pub struct Running<'a> {
    pub directory: &'a Path,
    pub ports: &'a Ports,
    pub postgres: &'a postgres::Server,
    pub rabbitmq: &'a rabbitmq::Server,
    pub sandi: &'a Sandi,
    pub people: &'a People,
    pub identities: &'a [Process],
    pub mailers: &'a [Process],
    pub gateway: &'a Process,
}

/// The names that the outside relies on.
pub fn environment(running: &Running) -> Result<Environment> {
    let Running { directory, ports, postgres, rabbitmq, sandi, people, .. } = running;
    let overrides = &sandi.plan().overrides;
    let set = |program, name: &str| overrides.iter().rev().find_map(|it| it.text_of(program, name));
    let mut environment = Environment::default();

    for (index, port) in ports.grpc.iter().enumerate() {
        let address = set(Program::Identity, "grpc.listen").filter(|_| index == 0);
        let address = address.map_or_else(|| port.address().to_string(), ToOwned::to_owned);
        environment.set(suffixed("SANDI_GRPC_ADDR", index), format!("http://{address}"));
    }
    let metrics = |port: &Port| format!("http://{}/metrics", port.address());
    for (index, (process, admin)) in running.identities.iter().zip(&ports.identity_admin).enumerate() {
        environment.set(suffixed("SANDI_PID_IDENTITY", index), process.pid());
        environment.set(suffixed("SANDI_METRICS_IDENTITY", index), metrics(admin));
    }
    for (index, (process, admin)) in running.mailers.iter().zip(&ports.mailer_admin).enumerate() {
        environment.set(suffixed("SANDI_PID_MAILER", index), process.pid());
        environment.set(suffixed("SANDI_METRICS_MAILER", index), metrics(admin));
    }
    environment.set("SANDI_GATEWAY_URL", gateway_url(sandi, ports));
    environment.set("SANDI_PID_GATEWAY", running.gateway.pid());
    environment.set("SANDI_METRICS_GATEWAY", metrics(&ports.gateway_admin));
    for caller in &sandi.plan().callers {
        environment.set(format!("SANDI_TOKEN_{}", caller.name.to_uppercase()), &caller.token);
    }
    environment.set("SANDI_ACTOR_TOKEN_ADMIN", sandi.actor_token(&people.admin, ACTOR_TOKEN_LIFE)?);
    let database = set(Program::Identity, "database.migrate_url").or_else(|| set(Program::Identity, "database.url"));
    environment.set("SANDI_DATABASE_URL", database.map_or_else(|| postgres.owner_url(NAME), ToOwned::to_owned));
    let amqp = |program, own: String| set(program, "amqp.url").map_or(own, ToOwned::to_owned);
    environment.set("SANDI_AMQP_URL", rabbitmq.administrator_url(NAME));
    environment.set("SANDI_AMQP_URL_IDENTITY", amqp(Program::Identity, rabbitmq.identity_url(NAME)));
    environment.set("SANDI_AMQP_URL_MAILER", amqp(Program::Mailer, rabbitmq.mailer_url(NAME)));
    environment.set("SANDI_RABBITMQ_MANAGEMENT_URL", rabbitmq.management_url());
    environment.set("SANDI_SMTP_ADDR", ports.smtp.address());
    environment.set("SANDI_MAILBOX_DIR", directory.join("mailbox").display());
    environment.set("SANDI_MAILBOX_URL", format!("http://{}", ports.page.address()));
    environment.set("SANDI_LOG_DIR", directory.join("log").display());
    environment.set("SANDI_KEYS_DIR", directory.join("keys").display());
    environment.set("SANDI_DEMO_ORGANIZATION_ID", &people.organization);
    environment.set("SANDI_DEMO_ADMIN", seed::ADMIN);
    environment.set("SANDI_DEMO_ADMIN_ID", &people.admin);
    environment.set("SANDI_DEMO_USER", seed::USER);
    environment.set("SANDI_DEMO_USER_ID", &people.user);
    environment.set("SANDI_DEMO_NO_ADDRESS", seed::WITHOUT_ADDRESS);
    environment.set("SANDI_DEMO_PASSWORD", seed::PASSWORD);
    Ok(environment)
}

/// `NAME`, `NAME_2`, `NAME_3` …
fn suffixed(name: &str, index: usize) -> String {
    numbered(name, index).replace('-', "_")
}
