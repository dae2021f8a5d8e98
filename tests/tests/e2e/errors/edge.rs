//! What a call meets before its method: no method, no caller, no time, too much of it.

use std::time::Duration;

use e2e::{
    Person, World,
    wire::{Answer, Call},
};
use serde_json::json;
use tokio::time::Instant;
use tonic::Code;

fn get_user() -> Call {
    Call::of("GetUser", json!({"username": "budi"}))
}

#[track_caller]
fn assert_refused(answer: &Answer, code: Code, reason: &str, what: &str) {
    let refusal = answer.refusal();
    assert_eq!((refusal.code, refusal.reason.as_str()), (code, reason), "{what}: {refusal:?}");
    assert_eq!(refusal.domain, "sandi.identity", "{what}");
}

#[tokio::test]
async fn every_refusal_has_a_reason_wherever_it_comes_from() {
    let world = World::build().mailers(0).start().await;
    let wire = world.wire().await;
    let token = world.token("crm");
    for path in [
        "/sandi.identity.v1.IdentityService/Guess",
        "/sandi.identity.v1.IdentityService/requestreset",
        "/sandi.identity.v1.IdentityService/RequestReset/",
        "/sandi.identity.v1.GuessService/RequestReset",
        "/sandi.identity.v2.IdentityService/RequestReset",
        "/IdentityService/RequestReset",
        "/",
        "/metrics",
        "/../RequestReset",
        "/grpc.channelz.v1.Channelz/GetServers",
    ] {
        let answer = wire.call(Call::to(path).bearer(token)).await;
        assert_refused(&answer, Code::Unimplemented, "METHOD_UNKNOWN", path);
        let answer = wire.call(Call::to(path)).await;
        assert_refused(&answer, Code::Unauthenticated, "CALLER_UNKNOWN", path);
    }
    let unknown = [
        ("no token", get_user()),
        ("an empty token", get_user().header("authorization", "Bearer ")),
        ("an empty value", get_user().header("authorization", "")),
        ("another token", get_user().bearer("x")),
        ("a token and more", get_user().bearer(&format!("{token} "))),
        ("two tokens in one value", get_user().bearer(&format!("{token},{token}"))),
        ("another scheme", get_user().header("authorization", &format!("Basic {token}"))),
        ("no scheme", get_user().header("authorization", token)),
        ("the same token twice", get_user().bearer(token).bearer(token)),
        ("a wrong token beside the right one", get_user().bearer("x").bearer(token)),
        ("the right token beside a wrong one", get_user().bearer(token).bearer("x")),
        ("a name", get_user().header("x-caller", "crm").header("x-forwarded-for", "127.0.0.1")),
        ("no text", get_user().header("authorization", "Bearer \u{e9}")),
    ];
    for (what, call) in unknown {
        assert_refused(&wire.call(call).await, Code::Unauthenticated, "CALLER_UNKNOWN", what);
    }
    let answer = wire.call(get_user().header("authorization", &format!("bearer {token}"))).await;
    assert_refused(&answer, Code::NotFound, "USER_NOT_FOUND", "schemes have no case (RFC 9110)");
}

#[tokio::test]
async fn who_is_unknown_learns_nothing_of_the_request() {
    let world = World::build().mailers(0).start().await;
    let wire = world.wire().await;
    let answers = [
        wire.call(get_user()).await,
        wire.call(get_user().message(&[0xff; 64])).await,
        wire.call(get_user().message(&vec![0; 70_000])).await,
        wire.call(Call::of("GetUser", json!({}))).await,
        wire.call(Call::to("/sandi.identity.v1.IdentityService/Guess")).await,
    ];
    for answer in &answers {
        assert_refused(answer, Code::Unauthenticated, "CALLER_UNKNOWN", "whatever was sent");
        assert_eq!(answer.header("grpc-status-details-bin"), answers[0].header("grpc-status-details-bin"));
        assert_eq!(answer.header("grpc-message"), answers[0].header("grpc-message"));
    }
}

#[tokio::test]
async fn a_request_id_is_sent_back_as_it_came() {
    let world = World::build().mailers(0).start().await;
    let wire = world.wire().await;
    let crm = || get_user().bearer(world.token("crm"));
    let id = "0f3c 7a/b~1";
    for (what, call) in [
        ("with a refusal", crm()),
        ("with a success", Call::of("RequestReset", json!({"username": "x"})).bearer(world.token("gateway"))),
        ("to a stranger", get_user()),
        ("without a method", Call::to("/nowhere").bearer(world.token("crm"))),
        ("with a body that is none", crm().message(&[0xff])),
        ("with too much", crm().message(&vec![0; 70_000])),
        ("to a health check", Call::to("/grpc.health.v1.Health/Check")),
    ] {
        let answer = wire.call(call.header("x-request-id", id)).await;
        assert_eq!(answer.header("x-request-id"), Some(id), "{what}");
    }
    assert_eq!(wire.call(crm()).await.header("x-request-id"), None, "none is made up");
    let long = "x".repeat(129);
    for unfit in [long.as_str(), "a\tb", "\u{e9}"] {
        assert_eq!(wire.call(crm().header("x-request-id", unfit)).await.header("x-request-id"), None, "{unfit:?}");
    }
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_and_says_so() {
    let world = World::build().mailers(0).start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").password("")).await;
    let wire = world.wire().await;
    let crm = || get_user().without("grpc-timeout").bearer(world.token("crm"));
    let mut holder = world.database().await.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE users").execute(&mut *holder).await.expect("the table is ours");
    for (timeout, bound) in [("300m", 300), ("1S", 1000), ("700000u", 700), ("50000000n", 50), ("900u", 0), ("1n", 0)] {
        let begin = Instant::now();
        let answer = wire.call(crm().header("grpc-timeout", timeout)).await;
        assert_refused(&answer, Code::DeadlineExceeded, "DEADLINE_EXCEEDED", timeout);
        let (took, bound) = (begin.elapsed(), Duration::from_millis(bound));
        assert!(
            took + Duration::from_millis(50) >= bound && took < bound + Duration::from_secs(1),
            "{timeout}: {took:?}"
        );
    }
    // Nobody waits for a lock for long, also without a deadline.
    let begin = Instant::now();
    let calls = [crm(), crm().header("grpc-timeout", "soon")].map(|call| wire.call(call));
    for answer in futures::future::join_all(calls).await {
        assert_refused(&answer, Code::Unavailable, "DEPENDENCY_UNAVAILABLE", "a lock");
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    holder.rollback().await.expect("the table is theirs again");
    // Who may not make the call waits no longer for the audit of it.
    let mut holder = world.database().await.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE audit_events").execute(&mut *holder).await.expect("the table is ours");
    let begin = Instant::now();
    let answer = wire
        .call(get_user().without("grpc-timeout").header("grpc-timeout", "300m").bearer(world.token("support")))
        .await;
    assert_refused(&answer, Code::PermissionDenied, "SCOPE_MISSING", "denied");
    assert!(begin.elapsed() < Duration::from_millis(1300), "{:?}", begin.elapsed());
    holder.rollback().await.expect("the table is theirs again");
    // What was given up left nothing broken behind.
    for _ in 0..20 {
        assert_eq!(wire.call(crm().header("grpc-timeout", "2S")).await.refusal().code, Code::Ok);
    }
}

#[tokio::test]
async fn headers_have_a_bound_and_the_connection_survives_them() {
    let world = World::build().mailers(0).start().await;
    let small = || get_user().bearer(world.token("crm"));
    let wire = world.wire().await;
    // Whatever is served says why it found nobody.
    if let Ok(answer) = wire.try_call(small().header("x-noise", &"x".repeat(20 * 1024))).await {
        assert_eq!(answer.header("grpc-status"), None, "{answer:?}");
        assert!(answer.body.is_empty(), "{answer:?}");
    }
    let wire = world.wire().await;
    assert_eq!(wire.call(small().header("x-noise", &"x".repeat(12 * 1024))).await.refusal().reason, "USER_NOT_FOUND");
}
