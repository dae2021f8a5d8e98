//! The programs with the settings, the environment, the secrets and the certificates of the containers.

use std::{collections::BTreeMap, fs, net::Ipv4Addr, path::Path, sync::Arc, time::Duration};

use e2e::{Person, World, people::PASSWORD, program, web::Visitor, world::Program};
use proto::identity::v1::Role;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use testbed::{
    http::Http,
    ports,
    process::{Process, Start},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;

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

/// For visitors, who speak no TLS: passes what it hears in clear on to that port of `localhost`, which must have a
/// certificate of the authority. Gives its own port.
async fn in_clear(to: u16, authority: &Path) -> u16 {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).expect("it is one")).expect("it is an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("there are some")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((mut plain, _)) = listener.accept().await {
            let connector = connector.clone();
            tokio::spawn(async move {
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await.expect("it listens");
                let name = ServerName::try_from("localhost").expect("a name");
                let mut encrypted = connector.connect(name, server).await.expect("its certificate is good");
                let _ = copy_bidirectional(&mut plain, &mut encrypted).await;
            });
        }
    });
    port
}

#[test]
fn the_gateways_token_alone_makes_no_admin_also_on_volumes_of_an_earlier_version() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    set_up(folder.path());
    let made = ["identity/callers.toml", "identity/actors.jwks", "gateway/actors.pem"];
    let files = || made.map(|name| fs::read_to_string(folder.path().join(name)).expect("it is made"));
    let first = files();
    let callers = first[0].clone();
    let gateway = callers.split("[[callers]]").find(|caller| caller.contains("name = \"gateway\""));
    assert!(gateway.is_some_and(|caller| !caller.contains("assert-actor")), "{callers}");
    set_up(folder.path());
    assert_eq!(files(), first, "a second run changes nothing");

    let before = callers.replace("\"forward-requester\"]", "\"forward-requester\", \"assert-actor\"]");
    assert_ne!(before, callers);
    fs::write(folder.path().join(made[0]), before).expect("it is written");
    for name in &made[1..] {
        fs::remove_file(folder.path().join(name)).expect("it was there");
    }
    set_up(folder.path());
    let after = files();
    assert_eq!(after[0], callers, "the scope is gone, and nothing else");
    assert!(after[1] != first[1] && after[2] != first[2], "the key is a new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_three_programs_work_together_with_the_settings_of_the_containers() {
    let mut world = World::build().mailers(0).start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("sari").role(Role::Owner)).await;
    world.user(&kopi, Person::named("budi")).await;
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
    let (mut gateway, pages, admin) = start(&world, "gateway", folder.path(), &[listen, url]);
    // Which it is once identity has answered, over TLS and with the gateway's token.
    gateway.wait_ready(&format!("http://127.0.0.1:{admin}/readyz"), bound).expect("the gateway is ready");
    let said = Http::new().get(&format!("http://127.0.0.1:{admin}/healthz")).expect("it answers");
    assert!(said.body.contains("identity"), "{}", said.body);

    // Here identity believes the gateway by the key that setup made: its caller has no scope to be believed without.
    let clear = in_clear(pages, &folder.path().join("gateway/ca.crt")).await;
    let mut sari = Visitor::new(&format!("http://127.0.0.1:{clear}"));
    sari.log_in("sari", PASSWORD);
    let users = sari.get("/users");
    assert_eq!(users.status, 200, "{}", users.body);
    assert!(users.body.contains("data-username=\"budi\""), "{}", users.body);
}
