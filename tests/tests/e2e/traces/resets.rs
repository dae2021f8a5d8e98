//! A thousand resets, as a collector sees them that believes nothing: every span there, each below the right one.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use e2e::{
    World,
    collector::Collector,
    leaks::{Kind, Scanner, Secret},
    people::{PASSWORD, requester},
    spans::{self, Span, SpanKind},
    world::Program,
};
use futures::{StreamExt, stream};
use proto::identity::v1::{RequestResetRequest, request_reset_request::Identifier};
use tonic::Request;

use crate::{metrics, waiting::until_within};

const RESETS: usize = 1000;
const PEOPLE: usize = 50;
/// So many of the links are used.
const USED: usize = 8;
/// Callers at one time.
const CALLERS: usize = 8;
const BOUND: Duration = Duration::from_secs(90);
const NEW_PASSWORD: &str = "senja di ujung dermaga 12";

const REQUEST: &str = "sandi.identity.v1.IdentityService/RequestReset";
const COMPLETE: &str = "sandi.identity.v1.IdentityService/CompleteReset";
pub(super) const SEND: &str = "send identity.events:identity.reset.requested.v1";
pub(super) const RECEIVE: &str = "receive identity.events:identity.reset.requested.v1:mailer.requests";
pub(super) const DELIVER: &str = "process identity.events:identity.reset.requested.v1:mailer.requests";
pub(super) const REPORT: &str = "send mailer.events:mailer.mail.status.v1";
pub(super) const STATUS: &str = "process mailer.events:mailer.mail.status.v1:identity.mail-status";

/// The spans below a RequestReset: name, kind, program, and the name of the span above.
const BELOW: [(&str, SpanKind, &str, &str); 8] = [
    ("issue", SpanKind::Internal, "identity", REQUEST),
    (SEND, SpanKind::Producer, "identity", "issue"),
    (RECEIVE, SpanKind::Client, "mailer", SEND),
    (DELIVER, SpanKind::Consumer, "mailer", SEND),
    ("render", SpanKind::Internal, "mailer", DELIVER),
    ("send mail", SpanKind::Client, "mailer", DELIVER),
    (REPORT, SpanKind::Producer, "mailer", DELIVER),
    (STATUS, SpanKind::Consumer, "identity", REPORT),
];

/// Attributes without which a span of that name would be of little use.
const ATTRIBUTES: [(&str, &[&str]); 6] = [
    (REQUEST, &["rpc.system.name", "rpc.method", "rpc.response.status_code", "caller"]),
    ("issue", &["request.id", "reset.id"]),
    (SEND, &["messaging.system", "messaging.destination.name", "messaging.operation.type", "messaging.message.id"]),
    (DELIVER, &["messaging.system", "messaging.destination.name", "messaging.operation.type", "outcome", "attempt"]),
    ("send mail", &["network.protocol.name", "server.address", "server.port", "smtp.response.status_code"]),
    (REPORT, &["messaging.system", "messaging.destination.name", "messaging.operation.type", "messaging.message.id"]),
];

fn name_of(person: usize) -> String {
    format!("pegawai-kopi-{person:02}")
}

fn address_of(person: usize) -> String {
    format!("{}@surat.example", name_of(person))
}

/// What a caller of that number says of its own trace; every other one says nothing.
fn traceparent(call: usize) -> Option<(String, String)> {
    (call % 2 == 1).then(|| (format!("{:032x}", 0xabcd_0000 + call), format!("{:016x}", 0xef_0000 + call)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_resets_are_a_thousand_whole_traces() {
    let collector = Collector::start().await.expect("a collector starts");
    let world = World::build()
        .wide_limits()
        .set(format!("identity.telemetry.otlp_endpoint={}", collector.url()))
        .set(format!("mailer.telemetry.otlp_endpoint={}", collector.url()))
        .environment("OTEL_BSP_SCHEDULE_DELAY", "500")
        .environment("OTEL_BSP_MAX_QUEUE_SIZE", "16384")
        .start()
        .await;
    let kopi = world.organization("kopi").await;
    for person in 0..PEOPLE {
        world.user(&kopi, e2e::Person::named(&name_of(person)).email(&address_of(person)).password("")).await;
    }
    stream::iter(0..RESETS).for_each_concurrent(CALLERS, |call| ask(&world, call)).await;
    let mails = world.sink().wait_for(BOUND, |mails| (mails.len() >= RESETS).then(|| mails.to_vec())).await;
    let mails = mails.expect("every reset is mailed");
    let tokens: Vec<String> = mails.iter().flat_map(|mail| mail.tokens()).collect();
    for token in &tokens[..USED] {
        world.complete_reset(token, NEW_PASSWORD).await.expect("the link works");
    }

    let spans = all_spans(&collector).await;
    for program in [Program::Identity, Program::Mailer] {
        assert_eq!(metrics::sum(&world, program, "sandi_telemetry_spans_dropped_total", ""), 0.0, "{program:?}");
    }
    let index: BTreeMap<&str, &Span> = spans.iter().map(|span| (span.id.as_str(), span)).collect();
    assert_eq!(index.len(), spans.len(), "an id is one span's alone");
    nothing_dangles(&spans, &index);
    every_trace_is_whole(&spans, &index);
    used_links_lead_back(&spans, &index);
    nothing_secret_stands_there(&collector, &tokens);
}

async fn ask(world: &World, call: usize) {
    let mut request = Request::new(RequestResetRequest {
        identifier: Some(Identifier::Username(name_of(call % PEOPLE))),
        requester: requester("203.0.113.7", "id"),
        ..Default::default()
    });
    if let Some((trace, span)) = traceparent(call) {
        let header = format!("00-{trace}-{span}-01").parse().expect("it is ASCII");
        request.metadata_mut().insert("traceparent", header);
    }
    world.gateway().identity.request_reset(request).await.expect("it is accepted");
}

/// Waits until the last spans have come, and then for those that ought not to come.
async fn all_spans(collector: &Collector) -> Vec<Span> {
    let (mut before, mut last) = (0, Vec::new());
    until_within(BOUND, "the spans come, and then no more", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        last = spans::of(collector);
        let still = std::mem::replace(&mut before, last.len()) == last.len();
        (still && last.len() >= RESETS * (BELOW.len() + 1)).then_some(())
    })
    .await;
    last
}

/// Every parent and every link is a span that came, but for the parents that callers named.
fn nothing_dangles(spans: &[Span], index: &BTreeMap<&str, &Span>) {
    let given: BTreeSet<(String, String)> = (0..RESETS).filter_map(traceparent).collect();
    for span in spans {
        if let Some(parent) = &span.parent {
            let here = index.get(parent.as_str()).is_some_and(|it| it.trace == span.trace);
            let given = span.name == REQUEST && given.contains(&(span.trace.clone(), parent.clone()));
            assert!(here || given, "its parent is nowhere: {span:?}");
        }
        for (trace, id) in &span.links {
            assert!(index.get(id.as_str()).is_some_and(|it| it.trace == *trace), "its link leads nowhere: {span:?}");
        }
        assert!(span.time.0 <= span.time.1, "it ends before it begins: {span:?}");
    }
}

fn every_trace_is_whole(spans: &[Span], index: &BTreeMap<&str, &Span>) {
    let mut traces: BTreeMap<&str, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        traces.entry(&span.trace).or_default().push(span);
    }
    let resets: Vec<&Vec<&Span>> = traces.values().filter(|all| all.iter().any(|span| span.name == REQUEST)).collect();
    assert_eq!(resets.len(), RESETS, "each has a trace of its own");
    for (trace, _) in (0..RESETS).filter_map(traceparent) {
        assert!(traces.contains_key(trace.as_str()), "the caller's trace {trace} was not gone on with");
    }
    for all in resets {
        let names: Vec<&str> = all.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(all.len(), BELOW.len() + 1, "{names:?}");
        let named = |name: &str| {
            let found = all.iter().find(|span| span.name == name);
            *found.unwrap_or_else(|| panic!("no {name} among {names:?}"))
        };
        let root = named(REQUEST);
        assert_eq!((root.kind, root.service.as_str()), (SpanKind::Server, "identity"));
        for (name, kind, service, above) in BELOW {
            let span = named(name);
            assert_eq!((span.kind, span.service.as_str()), (kind, service), "{span:?}");
            assert_eq!(span.parent.as_ref(), Some(&named(above).id), "{span:?}");
            assert_eq!(span.attributes.get("reset.id"), Some(&named("issue").attributes["reset.id"]), "{span:?}");
            assert!(!span.error, "{span:?}");
        }
        for (name, wanted) in ATTRIBUTES {
            let span = named(name);
            let there = |key: &&str| span.attributes.get(*key).is_some_and(|value| !value.is_empty());
            assert!(wanted.iter().all(there), "{span:?}");
        }
        batches_are_linked(named("issue"), index);
        assert_eq!(named(DELIVER).links, [(root.trace.clone(), named(SEND).id.clone())], "to what it consumes");
    }
}

/// A batch has many traces, so it is in none of them: each request is linked to it.
fn batches_are_linked(issue: &Span, index: &BTreeMap<&str, &Span>) {
    let [(_, batch)] = issue.links.as_slice() else { panic!("one batch: {issue:?}") };
    let batch = index[batch.as_str()];
    assert_eq!((batch.name.as_str(), batch.parent.as_ref()), ("issue_batch", None));
    assert!(batch.attributes.contains_key("batch.size"), "{batch:?}");
}

fn used_links_lead_back(spans: &[Span], index: &BTreeMap<&str, &Span>) {
    let used: Vec<&Span> = spans.iter().filter(|span| span.name == COMPLETE).collect();
    assert_eq!(used.len(), USED);
    for complete in used {
        let [(_, reset)] = complete.links.as_slice() else { panic!("one reset: {complete:?}") };
        let reset = index[reset.as_str()];
        assert_eq!(reset.name, "issue");
        assert_eq!(reset.attributes["reset.id"], complete.attributes["reset.id"]);
        assert_ne!(reset.trace, complete.trace, "days may lie between");
    }
}

fn nothing_secret_stands_there(collector: &Collector, tokens: &[String]) {
    let mut secrets: Vec<Secret> = tokens.iter().map(|token| Secret::new(Kind::Token, token.as_bytes())).collect();
    secrets.extend([PASSWORD, NEW_PASSWORD].map(|password| Secret::new(Kind::Password, password)));
    for person in 0..PEOPLE {
        secrets.push(Secret::new(Kind::Person, name_of(person)));
        secrets.push(Secret::new(Kind::Address, address_of(person)));
    }
    secrets.push(Secret::new(Kind::Person, "203.0.113.7"));
    let scanner = Scanner::new(&secrets);
    for export in collector.exports() {
        let hits = scanner.find_as_it_is(&export.body);
        assert!(hits.is_empty(), "in an export to {}: {:?}", export.path, hits.first());
    }
}
