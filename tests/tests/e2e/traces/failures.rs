//! What traces and log lines tell of resets that do not go well at once: what failed, where, and which reset it was.

use std::{collections::BTreeMap, time::Duration};

use e2e::{
    Person, Phase, Rule, World,
    collector::Collector,
    people::PASSWORD,
    spans::{self, Span, SpanKind},
    world::Program,
};
use proto::identity::v1::{DeliveryState, Role};
use serde_json::Value;
use testbed::{ports, smtp::Sink};

use super::resets::{DELIVER, RECEIVE, REPORT, SEND, STATUS};
use crate::{calls::admin_reset, waiting::until_within};

const BOUND: Duration = Duration::from_secs(60);
const ADMIN_RESET: &str = "sandi.identity.v1.IdentityService/AdminReset";
const REQUEST_RESET: &str = "sandi.identity.v1.IdentityService/RequestReset";
const GET_USER: &str = "sandi.identity.v1.DirectoryService/GetUser";
const MAIL: &str = "send mail";

/// A world with a gateway and two mail servers of its own, in order of preference, all of whose spans are collected.
struct Place {
    collector: Collector,
    world: World,
    first: Sink,
    second: Sink,
}

impl Place {
    async fn build() -> Self {
        let collector = Collector::start().await.expect("a collector starts");
        let server = async || Sink::start(ports::loopback(ports::free()), None).await.expect("a mail server starts");
        let (first, second) = (server().await, server().await);
        let mut builder = World::build().wide_limits().gateway().set(r#"identity.resets.retry_gaps=["1s"]"#);
        for program in ["identity", "mailer", "gateway"] {
            builder = builder.set(format!("{program}.telemetry.otlp_endpoint={}", collector.url()));
        }
        builder = builder.set(format!("mailer.smtp.relays.0.port={}", first.address().port()));
        for setting in ["host=127.0.0.1".to_owned(), "tls=none".into(), format!("port={}", second.address().port())] {
            builder = builder.set(format!("mailer.smtp.relays.1.{setting}"));
        }
        let world = builder.environment("OTEL_BSP_SCHEDULE_DELAY", "500").start().await;
        Self { collector, world, first, second }
    }

    /// The spans of a reset's trace, once those that tell the reset are these, by name, and no others.
    async fn trace_of(&self, reset_id: &str, expected: &[(&str, usize)]) -> Vec<Span> {
        let expected: BTreeMap<String, usize> = expected.iter().map(|(name, count)| ((*name).into(), *count)).collect();
        let mut seen = BTreeMap::new();
        let look = async || {
            let spans = spans::of(&self.collector);
            let about = |span: &&Span| span.attributes.get("reset.id").is_some_and(|id| id == reset_id);
            let trace = spans.iter().filter(about).find(|span| span.name == SEND)?.trace.clone();
            let trace: Vec<Span> = spans.iter().filter(|span| span.trace == trace).cloned().collect();
            seen.clear();
            for span in trace.iter().filter(about) {
                *seen.entry(span.name.clone()).or_default() += 1;
            }
            (seen == expected).then_some(trace)
        };
        until_within(BOUND, &format!("{expected:?} are about {reset_id}"), look).await
    }

    /// The log lines of a program in a trace.
    fn lines(&self, program: Program, trace: &str) -> Vec<Value> {
        let log = self.world.log(program, 0);
        let lines = log.lines().map(|line| serde_json::from_str(line).expect("it is JSON"));
        lines.filter(|line: &Value| line["trace_id"] == trace).collect()
    }

    /// Every line of the mailer in this trace tells the reset, and so many are about an attempt.
    fn the_mailer_says(&self, trace: &str, reset_id: &str, attempts: usize) {
        let lines = self.lines(Program::Mailer, trace);
        assert!(lines.iter().all(|line| line["span"]["reset.id"] == reset_id), "{lines:?}");
        let over = lines.iter().filter(|line| line["message"] == "attempt over").count();
        assert_eq!(over, attempts, "{lines:?}");
    }
}

/// The attempts to hand over a mail, in their order; each is below the handling of an event.
fn attempts(trace: &[Span]) -> Vec<&Span> {
    let mut attempts: Vec<&Span> = trace.iter().filter(|span| span.name == MAIL).collect();
    attempts.sort_by_key(|span| span.time);
    for attempt in &attempts {
        let above = trace.iter().find(|span| Some(&span.id) == attempt.parent.as_ref());
        assert_eq!(above.map(|span| span.name.as_str()), Some(DELIVER), "{attempt:?}");
    }
    attempts
}

/// Whether an attempt was an error, at which port, and how it was answered.
fn told(attempt: &Span) -> (bool, u16, [&str; 4]) {
    let text = |key: &str| attempt.attributes.get(key).map_or("", String::as_str);
    let port = text("server.port").parse().expect("it is a port");
    assert_eq!((text("server.address"), text("network.protocol.name")), ("127.0.0.1", "smtp"));
    let words = ["smtp.response.status_code", "smtp.response.enhanced_status_code", "smtp.outcome", "error.type"];
    (attempt.error, port, words.map(text))
}

fn named<'a>(trace: &'a [Span], name: &str, kind: SpanKind) -> &'a Span {
    let found = trace.iter().find(|span| span.name == name && span.kind == kind);
    found.unwrap_or_else(|| panic!("no {name} among {trace:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_with_a_reset_is_told_where_it_does_and_of_which_reset_it_is() {
    let place = Place::build().await;
    let (first, second) = (place.first.address().port(), place.second.address().port());
    let kopi = place.world.organization("kopi").await;
    let siti = place.world.user(&kopi, Person::named("siti").email("siti@kopi.example").role(Role::Admin)).await;
    let budi = place.world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;

    // Later, says the mail server, and takes it a second after that.
    place.first.script(Rule::reply(Phase::Recipient, 451, "4.7.1 greylisted").times(1));
    let request = place.world.request_reset("budi").await;
    let reset = place.world.reset_in(&request, DeliveryState::Sent).await.reset_id;
    let twice = [(SEND, 2), (RECEIVE, 2), (DELIVER, 2), ("render", 2), (MAIL, 2), (REPORT, 2), (STATUS, 2)];
    let trace = place.trace_of(&reset, &[&[("issue", 1)], twice.as_slice()].concat()).await;
    let tried: Vec<_> = attempts(&trace).into_iter().map(told).collect();
    assert_eq!(tried[0], (true, first, ["451", "4.7.1", "deferred", "4yz"]));
    assert_eq!(tried[1], (false, first, ["250", "2.0.0", "sent", ""]));
    assert!(trace.iter().filter(|span| span.name != MAIL).all(|span| !span.error), "{trace:?}");
    place.the_mailer_says(&trace[0].trace, &reset, 2);

    // An admin's, which the second mail server takes.
    place.first.script(Rule::reply(Phase::Mail, 451, "4.3.2 not now").times(1));
    let reset = admin_reset(place.world.gateway(), &siti, &budi).await.expect("an admin may").into_inner().reset_id;
    place.world.reset_by_id_in(&reset, DeliveryState::Sent).await;
    let once = [(SEND, 1), (RECEIVE, 1), (DELIVER, 1), ("render", 1), (MAIL, 2), (REPORT, 1), (STATUS, 1)];
    let trace = place.trace_of(&reset, &[&[(ADMIN_RESET, 1)], once.as_slice()].concat()).await;
    let tried: Vec<_> = attempts(&trace).into_iter().map(told).collect();
    assert_eq!(tried[0], (true, first, ["451", "4.3.2", "deferred", "4yz"]));
    assert_eq!(tried[1], (false, second, ["250", "2.0.0", "sent", ""]));
    place.the_mailer_says(&trace[0].trace, &reset, 1);
    let lines = place.lines(Program::Identity, &trace[0].trace);
    assert!(!lines.is_empty() && lines.iter().all(|line| line["span"]["reset.id"] == reset), "{lines:?}");

    // Nobody has that mailbox.
    place.first.script(Rule::reply(Phase::Recipient, 550, "5.1.1 no such mailbox").times(1));
    let request = place.world.request_reset("siti").await;
    let reset = place.world.reset_in(&request, DeliveryState::Bounced).await.reset_id;
    let trace = place.trace_of(&reset, &[&[("issue", 1), (MAIL, 1)], &once[..4], &once[5..]].concat()).await;
    assert_eq!(told(attempts(&trace)[0]), (true, first, ["550", "5.1.1", "bounced", "5yz"]));
    let deliver = named(&trace, DELIVER, SpanKind::Consumer);
    assert_eq!((deliver.error, deliver.attributes["error.type"].as_str()), (true, "bounced"));

    every_line_about_it_has_its_trace(&place.world, &reset);
    the_gateway_tells_what_it_asks_and_what_fails(place).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_no_queue_takes_is_told_in_the_trace_of_its_reset() {
    let collector = Collector::start().await.expect("a collector starts");
    let endpoint = format!("identity.telemetry.otlp_endpoint={}", collector.url());
    let world = World::build().mailers(0).set(endpoint).environment("OTEL_BSP_SCHEDULE_DELAY", "500").start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let request = world.request_reset("budi").await;
    let look = async || spans::of(&collector).into_iter().find(|span| span.name == SEND && span.error);
    let send = until_within(BOUND, "an event is not published", look).await;
    let reset = world.reset_in(&request, DeliveryState::Pending).await.reset_id;
    assert_eq!((&send.attributes["reset.id"], send.attributes["error.type"].as_str()), (&reset, "unroutable"));
    let lines = world.log(Program::Identity, 0);
    let mut lines = lines.lines().filter(|line| line.contains("an event was not published"));
    let line: Value = serde_json::from_str(lines.next().expect("it is told")).expect("it is JSON");
    assert_eq!((&line["trace_id"], &line["span"]["reset.id"]), (&send.trace.into(), &reset.into()));
}

/// Wherever a reset is told, its trace is told, too.
fn every_line_about_it_has_its_trace(world: &World, reset_id: &str) {
    for program in [Program::Identity, Program::Mailer] {
        let log = world.log(program, 0);
        let mut about = log.lines().filter(|line| line.contains(reset_id)).peekable();
        assert!(about.peek().is_some(), "{program:?} says nothing of {reset_id}");
        for line in about {
            assert!(line.contains("\"trace_id\":\""), "{line}");
        }
    }
}

async fn the_gateway_tells_what_it_asks_and_what_fails(mut place: Place) {
    let mut visitor = place.world.visitor("en");
    visitor.log_in("budi", PASSWORD);
    let page = visitor.get("/forgot");
    visitor.submit(&page, "forgot-form", &[("username", "budi")]);
    let of_gateway = |name: &str, error: bool| {
        let spans = spans::of(&place.collector);
        let found = spans.iter().find(|it| it.service == "gateway" && it.name == name && it.error == error);
        found.map(|found| spans.iter().filter(|span| span.trace == found.trace).cloned().collect::<Vec<_>>())
    };
    let trace = until_within(BOUND, "the gateway's spans come", async || of_gateway("POST /forgot", false)).await;
    let text = |span: &Span, keys: &[&str]| -> Vec<String> {
        keys.iter().map(|key| span.attributes.get(*key).cloned().unwrap_or_default()).collect()
    };
    let page = named(&trace, "POST /forgot", SpanKind::Server);
    let keys = ["http.request.method", "http.route", "error.type"];
    assert_eq!(text(page, &keys), ["POST", "/forgot", ""]);
    let call = named(&trace, REQUEST_RESET, SpanKind::Client);
    let keys = ["rpc.system.name", "rpc.method", "rpc.response.status_code", "error.type"];
    assert_eq!(text(call, &keys), ["grpc", REQUEST_RESET, "OK", ""]);
    assert_eq!(call.parent.as_ref(), Some(&page.id));
    let served = named(&trace, REQUEST_RESET, SpanKind::Server);
    assert_eq!((served.parent.as_ref(), call.error, served.error), (Some(&call.id), false, false));

    place.world.kill(Program::Identity, 0);
    assert_eq!(visitor.get("/account").status, 503);
    let trace = until_within(BOUND, "the failure's spans come", async || of_gateway("GET /account", true)).await;
    let page = named(&trace, "GET /account", SpanKind::Server);
    assert_eq!(text(page, &["http.response.status_code", "error.type"]), ["503", "503"]);
    let call = named(&trace, GET_USER, SpanKind::Client);
    assert_eq!(text(call, &["rpc.response.status_code", "error.type"]), ["UNAVAILABLE", "UNAVAILABLE"]);
    assert!(call.error, "{call:?}");
}
