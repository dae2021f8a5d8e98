//! The programs with the settings, the environment, the secrets and the certificates of the containers.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use e2e::{World, program, world::Program};
use testbed::{
    http::Http,
    ports,
    process::{Process, Start},
};

use super::{deploy, set_up};

/// What compose puts into the environment of a service, with the folder of its secrets as it is here.
fn environment(service: &str, secrets: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(deploy("compose.yaml")).expect("it is there");
    let (_, section) = text.split_once(&format!("\n  {service}:\n")).expect("there is such a service");
    let lines = section.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    let pairs = lines.filter_map(|line| line.trim().split_once(": ")).filter(|(name, _)| name.starts_with("SANDI_"));
    let secrets = secrets.join(service).display().to_string();
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').replace("/etc/sandi/all", &secrets))).collect()
}

/// A service on free ports. Gives the one of its own work, if it has one, and that of its state.
fn start(world: &World, service: &str, secrets: &Path, changes: &[(&str, String)]) -> (Process, u16, u16) {
    let (port, admin) = (ports::free(), ports::free());
    let name = |setting: &str| format!("SANDI_{}__{setting}", service.to_uppercase());
    let mut variables = environment(service, secrets);
    variables.insert(name("ADMIN__LISTEN"), format!("127.0.0.1:{admin}"));
    for (setting, value) in changes {
        variables.insert(name(setting), value.replace("PORT", &port.to_string()));
    }
    let settings = deploy(&format!("kubernetes/base/settings/{service}.toml")).display().to_string();
    let log = world.path(&format!("log/{service}-container.log"));
    let started = Start::new(format!("{service}-container"), program(service), log)
        .args(["serve", "--config", &settings])
        .envs(variables)
        .spawn();
    (started.expect("it starts"), port, admin)
}

#[tokio::test]
async fn all_three_programs_work_together_with_the_settings_of_the_containers() {
    let mut world = World::build().mailers(0).start().await;
    world.kill(Program::Identity, 0);
    let folder = tempfile::tempdir().expect("a folder can be made");
    set_up(folder.path());
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("it is written");
    file("identity/database-url", &world.postgres().service_url(world.database_name()));
    file("identity/amqp-url", &world.rabbitmq().identity_url(world.vhost()));
    file("mailer/amqp-url", &world.rabbitmq().mailer_url(world.vhost()));
    // They speak TLS to servers elsewhere; here these are on the same machine, in clear.
    let development = ("DEVELOPMENT", "true".to_owned());
    let bound = Duration::from_secs(30);

    let listen = ("GRPC__LISTEN", "127.0.0.1:PORT".to_owned());
    let (mut identity, grpc, admin) = start(&world, "identity", folder.path(), &[listen, development.clone()]);
    identity.wait_ready(&format!("http://127.0.0.1:{admin}/readyz"), bound).expect("identity is ready");
    // With a certificate of its own in place of that of compose's mail server.
    file("mailer/ca.crt", &world.sink().encrypt("localhost").expect("a name"));
    let host = ("SMTP__RELAYS__0__HOST", "localhost".to_owned());
    let port = ("SMTP__RELAYS__0__PORT", world.sink().address().port().to_string());
    let (mut mailer, _, admin) = start(&world, "mailer", folder.path(), &[host, port, development]);
    mailer.wait_ready(&format!("http://127.0.0.1:{admin}/readyz"), bound).expect("the mailer is ready");
    let listen = ("LISTEN", "127.0.0.1:PORT".to_owned());
    let url = ("IDENTITY__URL", format!("https://localhost:{grpc}"));
    let (mut gateway, _, admin) = start(&world, "gateway", folder.path(), &[listen, url]);
    // Which it is once identity has answered, over TLS and with the gateway's token.
    gateway.wait_ready(&format!("http://127.0.0.1:{admin}/readyz"), bound).expect("the gateway is ready");
    let said = Http::new().get(&format!("http://127.0.0.1:{admin}/healthz")).expect("it answers");
    assert!(said.body.contains("identity"), "{}", said.body);
}
