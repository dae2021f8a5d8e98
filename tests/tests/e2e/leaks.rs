//! No secret rests anywhere in clear, and people's addresses rest in one table.

mod sinks;
mod story;

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use e2e::{
    World,
    collector::{Collector, Export},
    leaks::{Kind, Scanner, Secret},
    world::Program,
};
use lapin::BasicProperties;
use messaging::topology::{IDENTITY_EVENTS, MAIL_STATUS, MAILER_EVENTS, RESET_REQUESTED};
use serde_json::json;
use sqlx::Executor;
use testbed::sandi::actors::KEY_FILE;

use crate::{metrics, waiting::until};
use sinks::Sink;
use story::Story;

/// Gets a copy of every message of both exchanges.
const EVERYTHING: &str = "everything";

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_rests_anywhere_in_clear_and_addresses_rest_with_their_users_alone() {
    let collector = Collector::start().await.expect("a collector starts");
    let world = World::build()
        .own_database()
        .own_broker()
        .gateway()
        .wide_limits()
        .log("trace")
        .set(format!("identity.telemetry.otlp_endpoint={}", collector.url()))
        .set(format!("mailer.telemetry.otlp_endpoint={}", collector.url()))
        .set(format!("gateway.telemetry.otlp_endpoint={}", collector.url()))
        .set("identity.telemetry.metrics_interval=1s")
        .set("gateway.telemetry.metrics_interval=1s")
        .set("mailer.telemetry.metrics_interval=1s")
        .start()
        .await;
    listen_to_everything(&world);
    log_every_statement(&world);

    let mut story = Story::begin(&world).await;
    story.forgotten().await;
    story.mistyped().await;
    story.changed().await;
    story.by_an_admin().await;
    story.in_a_browser().await;
    story.invited().await;
    story.moved().await;
    story.refused().await;
    story.broken_off().await;
    put_something_aside(&world).await;
    all_is_told(&world).await;

    let (mut secrets, answers) = (story.secrets, story.answers);
    assert!(secrets.iter().filter(|secret| secret.kind == Kind::Token).count() >= 8);
    secrets.extend(credentials(&world));
    secrets.extend(private_keys(&world));
    let scanner = Scanner::new(&secrets);
    let mut sinks = sinks::all(&world).await;
    sinks.extend(telemetry(&collector).await);
    sinks.push(Sink {
        name: "answers to admins and support".to_owned(),
        content: answers,
        forbidden: &[Kind::Token, Kind::Password, Kind::Credential, Kind::Key, Kind::Address],
        is_text: true,
    });
    let leaks: Vec<String> = sinks.iter().flat_map(|sink| leaks(&scanner, sink)).collect();
    assert!(leaks.is_empty(), "{} leaks:\n{}", leaks.len(), leaks.join("\n"));

    the_places_are_the_right_ones(&world, &scanner, &sinks);
    a_planted_secret_is_found(&world).await;
}

/// What stands there and must not, once for each kind and form.
fn leaks(scanner: &Scanner, sink: &Sink) -> Vec<String> {
    let hits = if sink.is_text { scanner.find(&sink.content) } else { scanner.find_as_it_is(&sink.content) };
    let mut seen = BTreeSet::new();
    let forbidden = hits.into_iter().filter(|hit| sink.forbidden.contains(&hit.kind));
    let first = forbidden.filter(|hit| seen.insert((format!("{:?}", hit.kind), hit.form)));
    first.map(|hit| format!("{}: {:?} as {}: …{}…", sink.name, hit.kind, hit.form, hit.around)).collect()
}

fn listen_to_everything(world: &World) {
    let vhost = world.vhost();
    let put = |method: &str, path: &str, body| {
        let answer = world.rabbitmq().api(method, path, Some(&body)).expect("the broker answers");
        assert!(answer.is_ok(), "{path}: {} {}", answer.status, answer.body);
    };
    put("PUT", &format!("queues/{vhost}/{EVERYTHING}"), json!({ "durable": true }));
    for exchange in [IDENTITY_EVENTS, MAILER_EVENTS] {
        put("POST", &format!("bindings/{vhost}/e/{exchange}/q/{EVERYTHING}"), json!({ "routing_key": "#" }));
    }
}

fn log_every_statement(world: &World) {
    for sql in [
        "ALTER SYSTEM SET log_statement = 'all'",
        "ALTER SYSTEM SET log_parameter_max_length = -1",
        "ALTER SYSTEM SET log_parameter_max_length_on_error = -1",
        "SELECT pg_reload_conf()",
    ] {
        world.postgres().query("postgres", sql).expect("the superuser may");
    }
}

/// A message in each queue for what was put aside.
async fn put_something_aside(world: &World) {
    let broker = world.broker().await;
    let captured = broker.peek(EVERYTHING).await.into_iter().find(|message| message.routing_key == RESET_REQUESTED);
    let mut altered = captured.expect("a link was mailed").body;
    *altered.last_mut().expect("it is not empty") ^= 1;
    let last = altered.len() - 3;
    altered[last] ^= 1;
    broker.publish(IDENTITY_EVENTS, RESET_REQUESTED, &altered, BasicProperties::default()).await;
    broker.publish(MAILER_EVENTS, MAIL_STATUS, b"\xff\xff\xff", BasicProperties::default()).await;
    broker.wait_ready("mailer.parked", 1).await;
    broker.wait_ready("identity.parked", 1).await;
}

/// Waits until every request is issued and every mail told of, but for those that are tried again later.
async fn all_is_told(world: &World) {
    let database = world.database().await;
    let open = "SELECT (SELECT count(*) FROM reset_requests WHERE due_time IS NOT NULL)
                     + (SELECT count(*) FROM outbox WHERE due_time IS NULL OR due_time <= now())";
    until("all is told", async || {
        let open: i64 = sqlx::query_scalar(open).fetch_one(&database).await.expect("the query is right");
        (open == 0).then_some(())
    })
    .await;
}

/// Spans and metrics of all programs, once the last of the story have come.
async fn telemetry(collector: &Collector) -> Vec<Sink> {
    let came = |kind: &str, text: &str| {
        let of_kind =
            |it: &Export| it.path.contains(kind) && it.body.windows(text.len()).any(|it| it == text.as_bytes());
        collector.exports().iter().any(of_kind)
    };
    until("spans and metrics of all programs come", async || {
        let spans = ["RequestReset", "mailer", "POST /reset/complete"];
        let metrics = ["sandi.resets.issued", "sandi.mailer.attempts", "sandi.web.connections"];
        let all =
            spans.iter().all(|it| came("TraceService", it)) && metrics.iter().all(|it| came("MetricsService", it));
        all.then_some(())
    })
    .await;
    let sink = |export: Export| Sink {
        name: format!("export to {}", export.path),
        content: export.body,
        forbidden: sinks::ALL,
        is_text: false,
    };
    collector.exports().into_iter().map(sink).collect()
}

fn credentials(world: &World) -> Vec<Secret> {
    let servers = &world.sandi().plan().servers;
    let urls = [&servers.database, &servers.database_owner, &servers.amqp_identity, &servers.amqp_mailer];
    let password = |url: &&String| {
        let login = url.split_once("://").and_then(|(_, rest)| rest.split_once('@')).map(|(login, _)| login);
        login.and_then(|login| login.split_once(':')).expect("a URL has a password").1.to_owned()
    };
    let callers = ["gateway", "crm", "support"].map(|caller| world.token(caller).to_owned());
    let all = urls.iter().map(password).chain(callers);
    all.map(|credential| Secret::new(Kind::Credential, credential)).collect()
}

fn private_keys(world: &World) -> Vec<Secret> {
    let mut keys = Vec::new();
    for folder in ["keys/identity", "keys/mailer"] {
        for entry in std::fs::read_dir(world.path(folder)).expect("the folder is there") {
            let file = entry.expect("it can be listed").path();
            if file.extension().is_some_and(|extension| extension == "key") {
                let text = std::fs::read_to_string(file).expect("it can be read");
                let key = text.lines().filter(|line| !line.starts_with('#')).collect::<String>();
                keys.push(Secret::new(Kind::Key, STANDARD.decode(key.trim()).expect("it is base64")));
            }
        }
    }
    assert_eq!(keys.len(), 3, "two of the seal, one of the digests");
    let read = |file: &str| std::fs::read_to_string(world.path(file)).expect("it can be read");
    let decoded = |text: &str| STANDARD.decode(text).expect("it is base64");
    keys.push(Secret::new(Kind::Key, decoded(read("secrets/gateway-cookie-key").trim())));
    // PKCS#8 (RFC 8410): 16 bytes that are the same for all, then the key.
    let signs = read(KEY_FILE).lines().filter(|line| !line.starts_with('-')).collect::<String>();
    keys.push(Secret::new(Kind::Key, &decoded(&signs)[16..48]));
    keys
}

/// Nothing found is worth something only where there was something to look at.
fn the_places_are_the_right_ones(world: &World, scanner: &Scanner, sinks: &[Sink]) {
    let sink = |name: &str| {
        let found = sinks.iter().find(|sink| sink.name == name);
        String::from_utf8_lossy(&found.unwrap_or_else(|| panic!("no {name}")).content).into_owned()
    };
    let addresses = scanner.find(sink("table users").as_bytes());
    assert!(addresses.iter().filter(|hit| hit.kind == Kind::Address).count() >= 10);
    for table in ["resets", "reset_requests", "delivery_attempts", "idempotency_keys", "outbox"] {
        assert!(!sink(&format!("table {table}")).is_empty(), "{table}");
    }
    assert!(sinks.iter().any(|sink| sink.name.starts_with("table audit_events_2") && !sink.content.is_empty()));
    for of in [Program::Identity, Program::Mailer, Program::Gateway] {
        let program = of.name();
        let dropped = metrics::sum(world, of, "sandi_log_lines_dropped", "");
        assert!(dropped.abs() < 0.5, "{program} dropped {dropped} lines");
        assert!(sink(&format!("/metrics of {program}")).contains("sandi_"));
        assert!(sink(&format!("environ of {program}")).contains("RUST_LOG=trace"));
        assert!(sink(&format!("cmdline of {program}")).contains("serve"));
    }
    assert!(sink("log of identity").contains(r#""level":"TRACE""#));
    assert!(sink("log of mailer").contains(r#""message":"attempt over""#));
    assert!(sink("log of gateway").contains(r#""level":"TRACE""#));
    assert!(sink("log of gateway").contains("/reset/complete"));
    assert!(sink("log of PostgreSQL").contains("INSERT INTO reset_requests"));
    assert!(sink("log of PostgreSQL").to_lowercase().contains("parameters:"));
    let everything: Vec<_> = sinks.iter().filter(|sink| sink.name == format!("queue {EVERYTHING}")).collect();
    for key in [RESET_REQUESTED, "identity.notice.requested.v1", "identity.credential.changed.v1", MAIL_STATUS] {
        let with_key = everything.iter().filter(|sink| String::from_utf8_lossy(&sink.content).contains(key));
        assert!(with_key.count() >= 2, "{key}");
    }
    for queue in ["mailer.parked", "identity.parked"] {
        assert_eq!(sinks.iter().filter(|sink| sink.name == format!("queue {queue}")).count(), 1, "{queue}");
    }
}

/// Where we can put one, it is seen.
async fn a_planted_secret_is_found(world: &World) {
    let canary = "burung-kenari-di-tambang-90210";
    world
        .database()
        .await
        .execute(sqlx::AssertSqlSafe(format!("UPDATE organizations SET sender_name = '{canary}'")))
        .await
        .expect("the owner may");
    let properties = BasicProperties::default().with_delivery_mode(2);
    let planted = format!("{{\"link\": \"https://kopi.example/reset#{canary}\"}}");
    world.broker().await.publish(IDENTITY_EVENTS, "planted", planted.as_bytes(), properties).await;
    let log = world.path("log/mailer.log");
    let mut lines = std::fs::read_to_string(&log).expect("there is a log");
    lines.push_str(&format!("{:?}\n", canary.as_bytes()));
    std::fs::write(&log, lines).expect("it is ours");

    let scanner = Scanner::new(&[Secret::new(Kind::Token, canary)]);
    let mut found = BTreeSet::new();
    for sink in sinks::all(world).await {
        if !leaks(&scanner, &sink).is_empty() {
            found.insert(sink.name.split(" /").next().unwrap_or_default().to_owned());
        }
    }
    for place in [
        "table organizations",
        "queue everything",
        "log of mailer",
        "log of PostgreSQL",
        "database file",
        "broker file",
    ] {
        assert!(found.contains(place), "not found in {place}: {found:?}");
    }
    assert_eq!(found.len(), 6, "{found:?}");
    assert_eq!(world.admin(Program::Mailer, 0, "/livez").status, 200);
    world.broker().await.purge(EVERYTHING).await;
}
