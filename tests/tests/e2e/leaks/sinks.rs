//! All places where a secret could have come to rest.

use std::path::Path;

use e2e::{World, leaks::Kind, world::Program};
use serde_json::Value;

/// All kinds.
pub(super) const ALL: &[Kind] =
    &[Kind::Token, Kind::Password, Kind::Typed, Kind::Credential, Kind::Key, Kind::Address, Kind::Person];
/// Those that are not in clear where people's data are.
const SECRETS: &[Kind] = &[Kind::Token, Kind::Password, Kind::Credential, Kind::Key];

/// One place and what it holds.
pub(super) struct Sink {
    pub name: String,
    pub content: Vec<u8>,
    /// What must not stand there.
    pub forbidden: &'static [Kind],
    /// Whether lines can be broken in it.
    pub is_text: bool,
}

fn text(name: impl Into<String>, content: impl Into<Vec<u8>>, forbidden: &'static [Kind]) -> Sink {
    Sink { name: name.into(), content: content.into(), forbidden, is_text: true }
}

/// Everything, now.
pub(super) async fn all(world: &World) -> Vec<Sink> {
    let mut sinks = tables(&world.dump());
    sinks.extend(queues(world).await);
    for program in [Program::Identity, Program::Mailer, Program::Gateway] {
        let name = program.name();
        sinks.push(text(format!("log of {name}"), world.log(program, 0), ALL));
        for page in ["/metrics", "/healthz", "/readyz", "/version"] {
            sinks.push(text(format!("{page} of {name}"), world.admin(program, 0, page).body, ALL));
        }
        for file in ["cmdline", "environ"] {
            match std::fs::read(format!("/proc/{}/{file}", world.pid(program, 0))) {
                // Nobody but root may look into programs that leave no dumps.
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
                content => sinks.push(text(format!("{file} of {name}"), content.expect("it runs"), ALL)),
            }
        }
    }
    let parked = |arguments: &[&str]| world.command(Program::Mailer, arguments).expect("it can be looked at");
    sinks.push(text("mailer parked list", parked(&["parked", "list"]), ALL));
    sinks.push(text("mailer parked show", parked(&["parked", "show", "1"]), ALL));
    sinks.extend(files(world));
    sinks
}

/// What the servers keep on disk, and what they log.
fn files(world: &World) -> Vec<Sink> {
    let own = world.path("..");
    world.postgres().query("postgres", "CHECKPOINT").expect("the superuser may");
    let folder = |name: &str, path: &Path, forbidden| {
        let mut sinks = Vec::new();
        read(path, &mut |file, content| {
            let name = format!("{name} {}", file.display());
            sinks.push(Sink { name, content, forbidden, is_text: false });
        });
        assert!(!sinks.is_empty(), "there are files in {}", path.display());
        sinks
    };
    // People's data rest in the users' table and in the log of what was written to it.
    let mut sinks = folder("database file", &world.postgres().directory.join("data"), SECRETS);
    sinks.extend(folder("broker file", &own.join("rabbitmq/data"), ALL));
    sinks.extend(folder("broker log", &own.join("rabbitmq-log"), ALL));
    // With every statement and its parameters.
    let log = std::fs::read(own.join("postgres.log")).expect("PostgreSQL writes a log");
    sinks.push(text("log of PostgreSQL", log, SECRETS));
    sinks
}

fn read(path: &Path, found: &mut dyn FnMut(&Path, Vec<u8>)) {
    // Servers remove files while we look.
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            read(&path, found);
        } else if let Ok(content) = std::fs::read(&path) {
            found(&path, content);
        }
    }
}

/// A dump, table by table.
fn tables(dump: &str) -> Vec<Sink> {
    let mut sinks = Vec::new();
    let mut schema = String::new();
    let mut table: Option<(String, String)> = None;
    for line in dump.lines() {
        match &mut table {
            Some((name, rows)) if line == "\\." => {
                // The one place for addresses and names.
                let forbidden = if name == "users" { SECRETS } else { ALL };
                sinks.push(text(format!("table {name}"), std::mem::take(rows), forbidden));
                table = None;
            }
            Some((_, rows)) => {
                rows.push_str(line);
                rows.push('\n');
            }
            None => match line.strip_prefix("COPY public.").and_then(|rest| rest.split_once(' ')) {
                Some((name, _)) => table = Some((name.to_owned(), String::new())),
                None => schema.push_str(line),
            },
        }
    }
    sinks.push(text("the rest of the dump", schema, ALL));
    sinks
}

/// The messages of every queue, with all that surrounds them.
async fn queues(world: &World) -> Vec<Sink> {
    let answer = world.rabbitmq().api("GET", &format!("queues/{}", world.vhost()), None).expect("the broker answers");
    let queues: Value = serde_json::from_str(&answer.body).expect("it is JSON");
    let broker = world.broker().await;
    let mut sinks = Vec::new();
    for queue in queues.as_array().into_iter().flatten().filter_map(|queue| queue["name"].as_str()) {
        for message in broker.peek(queue).await {
            let around = format!("\n{}\n{:?}\n", message.routing_key, message.properties);
            let content = [&message.body[..], around.as_bytes()].concat();
            sinks.push(text(format!("queue {queue}"), content, ALL));
        }
    }
    sinks
}
