//! What a program counts, as its metrics page shows it.

use std::collections::BTreeSet;

use e2e::{
    Refusal, World,
    wire::{Call, Wire},
    world::Program,
};
use serde_json::{Value, json};

use crate::calls::settled;

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
