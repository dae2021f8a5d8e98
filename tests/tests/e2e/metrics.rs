//! What a program counts, as its metrics page shows it.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use e2e::{
    Person, Refusal, World,
    people::PASSWORD,
    wire::{Call, Wire},
    world::Program,
};
use proto::identity::v1::DeliveryState;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{calls::settled, waiting::BOUND};

/// Names of docs/metrics.md that the journey below does not bring about, and why.
const UNSEEN: [(&str, &str); 6] = [
    ("sandi_certificate_expiry_timestamp_seconds", "the world is without certificates"),
    ("sandi_grpc_connections_refused_total", "nobody crowds"),
    ("sandi_mailer_parked_total", "every message is genuine"),
    ("sandi_mailer_relay_failures_total", "the mail server works"),
    ("sandi_reloads_total", "no file changes"),
    ("sandi_web_connections_refused_total", "nobody crowds"),
];

/// The sum of a metric over all lines whose labels contain `label`; 0 when there is none.
///
/// # Panics
/// When the page has a line without a number.
pub fn sum(world: &World, program: Program, name: &str, label: &str) -> f64 {
    let page = world.admin(program, 0, "/metrics").body;
    let lines = page.lines().filter(|line| line.starts_with(name) && line.contains(label));
    let value = |line: &str| line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok());
    lines.map(|line| value(line).unwrap_or_else(|| panic!("no number: {line}"))).sum()
}

/// What strangers and callers make up. No metric may have it.
const MADE_UP: &str = "karangan";

/// The series that count calls, without their values.
fn series_of_calls(world: &World) -> BTreeSet<String> {
    let page = world.admin(Program::Identity, 0, "/metrics").body;
    let lines = page.lines().filter(|line| line.starts_with("rpc_server_call_duration_seconds_count"));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

/// Calls with something made up in each: methods, people, organisations, what the person's browser says.
async fn make_up(world: &World, wire: &Wire, number: usize) {
    let name = format!("{MADE_UP}{number}");
    for path in [format!("/sandi.identity.v1.IdentityService/{name}"), format!("/{name}/RequestReset")] {
        assert_eq!(refusal(wire, Call::to(&path)).await.reason, "CALLER_UNKNOWN");
        assert_eq!(refusal(wire, Call::to(&path).bearer(world.token("gateway"))).await.reason, "METHOD_UNKNOWN");
    }
    let requester = json!({"ip": "203.0.113.7", "userAgent": name, "locale": "id"});
    let calls: [(&str, &str, Value, &str); 4] = [
        ("VerifyPassword", "gateway", json!({"username": name, "password": name}), "PASSWORD_MISMATCH"),
        ("RequestReset", "gateway", json!({"username": name, "requester": requester}), ""),
        ("GetUser", "crm", json!({"username": name}), "USER_NOT_FOUND"),
        ("GetOrganization", "crm", json!({"slug": name}), "ORGANIZATION_NOT_FOUND"),
    ];
    for (rpc, caller, request, reason) in calls {
        let call = Call::of(rpc, request).bearer(world.token(caller)).header("x-request-id", &name);
        assert_eq!(refusal(wire, call).await.reason, reason, "{rpc}");
    }
}

async fn refusal(wire: &Wire, call: Call) -> Refusal {
    wire.call(call).await.refusal()
}

#[tokio::test]
async fn names_that_somebody_makes_up_do_not_become_labels() {
    let world = World::build().wide_limits().start().await;
    let wire = world.wire().await;
    make_up(&world, &wire, 0).await;
    let before = series_of_calls(&world);
    let unknown = before.iter().filter(|series| series.contains("rpc_method=\"unknown\"")).count();
    assert_eq!(unknown, 2, "one of callers that are known, one of others: {before:?}");
    for number in 1..=50 {
        make_up(&world, &wire, number).await;
    }
    assert_eq!(series_of_calls(&world), before, "no series more");
    settled(&world).await;
    for program in [Program::Identity, Program::Mailer] {
        let page = world.admin(program, 0, "/metrics").body;
        assert!(page.lines().count() > 10, "{page}");
        assert!(!page.contains(MADE_UP), "{page}");
    }
}

/// The name in each row of the section `heading` of docs/metrics.md.
fn told(heading: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let page = fs::read_to_string(path).expect("there is a page");
    let section = page.split("\n## ").find_map(|section| section.strip_prefix(heading)).expect("there is a section");
    section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect()
}

/// The names that a program exposes.
fn exposed(world: &World, program: Program) -> BTreeSet<String> {
    let page = world.admin(program, 0, "/metrics").body;
    page.lines().filter_map(|line| Some(line.strip_prefix("# TYPE ")?.split_once(' ')?.0.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_metrics_names_those_of_each_program_and_no_others() {
    let world = World::build().gateway().set("identity.canary.username=canary").start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let mut visitor = world.visitor("id");
    let visit = tokio::task::spawn_blocking(move || assert!(visitor.log_in("budi", PASSWORD).has("welcome")));
    visit.await.expect("he is logged in");
    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Sent).await;

    let programs = [(Program::Identity, "identity\n"), (Program::Mailer, "mailer\n"), (Program::Gateway, "gateway\n")];
    let of_all = told("Every program\n");
    let end = Instant::now() + BOUND;
    loop {
        let (mut shown, mut missing) = (BTreeSet::new(), BTreeSet::new());
        for (program, heading) in programs {
            let (exposed, told) = (exposed(&world, program), told(heading));
            let strange: Vec<_> =
                exposed.iter().filter(|name| !told.contains(*name) && !of_all.contains(*name)).collect();
            assert!(strange.is_empty(), "{program:?} exposes what is not in docs/metrics.md: {strange:?}");
            missing.extend(told.difference(&exposed).cloned());
            shown.extend(exposed);
        }
        missing.extend(of_all.difference(&shown).cloned());
        missing.retain(|name| UNSEEN.iter().all(|(unseen, _)| unseen != name));
        if missing.is_empty() {
            break;
        }
        assert!(Instant::now() < end, "in docs/metrics.md, and no program exposes it: {missing:?}");
        sleep(Duration::from_millis(250)).await;
    }
    let confirmed = |program, name| sum(&world, program, name, "outcome=\"confirmed\"");
    assert_eq!(confirmed(Program::Identity, "sandi_outbox_published_total"), 1.0);
    assert_eq!(confirmed(Program::Mailer, "sandi_mailer_status_published_total"), 1.0);
    assert_eq!(confirmed(Program::Mailer, "sandi_mailer_status_publish_duration_seconds_count"), 1.0);
    for program in [Program::Identity, Program::Mailer] {
        assert_eq!(sum(&world, program, "sandi_broker_blocked", ""), 0.0, "{program:?}");
    }
}
