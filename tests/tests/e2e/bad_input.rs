//! Whatever is wrong with a request, its sender is told what, and nothing else happens.

mod allowed;
mod ground;
mod pages;
mod table;

use std::collections::BTreeSet;

use e2e::{
    Refusal, World,
    broker::Broker,
    contract,
    wire::{Call, Wire, frame},
};
use prost::Message;
use prost_reflect::{Kind, MethodDescriptor, Value};
use tonic::Code;

use ground::{Good, Ground, Snapshot};
use table::{Fault, Wants};

/// Largest request.
const LARGEST: usize = 64 * 1024;

/// A good request of one call, and where it goes.
struct Case<'a> {
    rpc: &'a MethodDescriptor,
    good: Good,
    call: Call,
}

/// What went otherwise than it must.
#[derive(Default)]
struct Complaints(Vec<String>);

impl Complaints {
    fn note(&mut self, rpc: &MethodDescriptor, what: &str, complaint: Option<String>) {
        self.0.extend(complaint.map(|complaint| format!("{} {what}: {complaint}", rpc.name())));
    }
}

#[tokio::test]
async fn bad_input_is_named_field_by_field_and_changes_nothing() {
    let world = World::build().wide_limits().start().await;
    let ground = Ground::lay(&world).await;
    let (broker, wire) = (world.broker().await, world.wire().await);
    let mut complaints = Complaints::default();
    for rpc in contract::rpcs() {
        let good = ground.good(rpc.name()).unwrap_or_else(|| panic!("{} has no good request here", rpc.name()));
        let call = Call::to(&contract::path(&rpc)).bearer(world.token(good.caller));
        let case = Case { rpc: &rpc, good, call };
        let before = Snapshot::take(&world, &broker).await;
        case.fields(&wire, &mut complaints).await;
        case.pairs(&wire, &mut complaints).await;
        case.bodies(&wire, &mut complaints).await;
        unchanged(&world, &broker, &before, &rpc, &mut complaints).await;
    }
    // What was refused was refused for what was wrong with it: without that it is taken.
    for rpc in contract::rpcs() {
        let good = ground.good(rpc.name()).expect("it was there before");
        let mut request = contract::request(&rpc, good.request.clone());
        for (path, field) in table::faults(&rpc).1 {
            let value = junk(&field.kind());
            Fault { path, value: Some(value), mask: None, wants: Wants::Reason("") }.apply(&mut request);
        }
        let call = Call::to(&contract::path(&rpc)).bearer(world.token(good.caller)).message(&request.encode_to_vec());
        let refusal = wire.call(call).await.refusal();
        let outcome = if refusal.code == Code::Ok { "OK" } else { refusal.reason.as_str() };
        complaints.note(&rpc, "good request", (outcome != good.outcome).then(|| format!("{refusal:?}")));
    }
    assert!(complaints.0.is_empty(), "{} complaints:\n{}", complaints.0.len(), complaints.0.join("\n"));
}

async fn unchanged(
    world: &World,
    broker: &Broker,
    before: &Snapshot,
    rpc: &MethodDescriptor,
    complaints: &mut Complaints,
) {
    for change in Snapshot::take(world, broker).await.changes(before) {
        complaints.note(rpc, "left something behind", Some(change));
    }
}

/// Something that no answer would ever tell.
fn junk(kind: &Kind) -> Value {
    match kind {
        Kind::String => Value::String("\0 not what we say".to_owned()),
        Kind::Uint32 => Value::U32(7),
        Kind::Int64 => Value::I64(-7),
        Kind::Bool => Value::Bool(true),
        Kind::Message(message) => {
            let mut value = prost_reflect::DynamicMessage::new(message.clone());
            for field in message.fields().filter(|field| matches!(field.kind(), Kind::String | Kind::Int64)) {
                value.set_field(&field, junk(&field.kind()));
            }
            Value::Message(value)
        }
        other => panic!("{other:?} needs a value"),
    }
}

impl Case<'_> {
    async fn send(&self, wire: &Wire, faults: &[&Fault]) -> Refusal {
        let mut request = contract::request(self.rpc, self.good.request.clone());
        for fault in faults {
            fault.apply(&mut request);
        }
        wire.call(self.call.clone().message(&request.encode_to_vec())).await.refusal()
    }

    /// One wrong field at a time.
    async fn fields(&self, wire: &Wire, complaints: &mut Complaints) {
        for fault in table::faults(self.rpc).0 {
            let refusal = self.send(wire, &[&fault]).await;
            let what = format!("with {} {}", fault.path, shown(fault.value.as_ref()));
            complaints.note(self.rpc, &what, complaint(&refusal, &[&fault]));
        }
    }

    /// Two wrong fields at a time, and as many as there can be.
    async fn pairs(&self, wire: &Wire, complaints: &mut Complaints) {
        let mut first: Vec<Fault> = Vec::new();
        for fault in table::faults(self.rpc).0 {
            let known = |it: &Fault| it.path == fault.path && it.value.is_some() == fault.value.is_some();
            if matches!(fault.wants, Wants::Field(_)) && fault.mask.is_none() && !first.iter().any(known) {
                first.push(fault);
            }
        }
        let mut together: Vec<&Fault> = Vec::new();
        for (index, fault) in first.iter().enumerate() {
            for other in first[..index].iter().filter(|other| fault.goes_with(other, self.rpc)) {
                let refusal = self.send(wire, &[other, fault]).await;
                let what = format!("with {} and {}", other.path, fault.path);
                complaints.note(self.rpc, &what, complaint(&refusal, &[other, fault]));
            }
            if fault.value.is_some() && together.iter().all(|other| fault.goes_with(other, self.rpc)) {
                together.push(fault);
            }
        }
        if together.len() > 2 {
            let refusal = self.send(wire, &together).await;
            complaints.note(self.rpc, "with all at once", complaint(&refusal, &together));
        }
    }

    /// What is no message of this kind, or no message at all.
    async fn bodies(&self, wire: &Wire, complaints: &mut Complaints) {
        let good = contract::encoded(self.rpc, self.good.request.clone());
        for (what, message) in undecodable(&good) {
            let refusal = wire.call(self.call.clone().message(&message)).await.refusal();
            complaints.note(self.rpc, what, unreadable(&refusal, None));
        }
        for (path, message) in self.not_utf8() {
            let refusal = wire.call(self.call.clone().message(&message)).await.refusal();
            let named = table::decoded_as(self.rpc, &path);
            complaints.note(self.rpc, &format!("with {path} not UTF-8"), unreadable(&refusal, Some(&named)));
        }
        for (what, encoding, body) in broken_frames(&good) {
            let call = match encoding {
                Some(encoding) => self.call.clone().header("grpc-encoding", encoding).body(body),
                None => self.call.clone().body(body),
            };
            let refusal = wire.call(call).await.refusal();
            complaints.note(self.rpc, what, unreadable(&refusal, None));
        }
        let huge = [("a byte too large", frame(0, &padded(&good, LARGEST + 1))), ("huge", vec![0, 255, 255, 255, 255])];
        for (what, body) in huge {
            let refusal = wire.call(self.call.clone().body(body)).await.refusal();
            let right = (refusal.code, refusal.reason.as_str()) == (Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
            complaints.note(self.rpc, what, (!right).then(|| format!("{refusal:?}")));
        }
    }

    /// The good request with each string in turn made of bytes that are none.
    fn not_utf8(&self) -> Vec<(String, Vec<u8>)> {
        const MARK: &str = "\u{1}mark\u{2}";
        let strings = table::fields(&self.rpc.input()).into_iter().filter(|(_, field)| field.kind() == Kind::String);
        let broken = strings.map(|(path, _)| {
            let mut request = contract::request(self.rpc, self.good.request.clone());
            let value = Some(Value::String(MARK.to_owned()));
            Fault { path: path.clone(), value, mask: None, wants: Wants::Reason("") }.apply(&mut request);
            let mut bytes = request.encode_to_vec();
            let at = bytes.windows(MARK.len()).position(|window| window == MARK.as_bytes()).expect("it is in there");
            bytes[at..at + MARK.len()].copy_from_slice(b"\xc3\x28\xa0\xff\xfe\xed");
            (path, bytes)
        });
        broken.collect()
    }
}

/// What is wrong with the refusal of a request with these faults.
fn complaint(refusal: &Refusal, faults: &[&Fault]) -> Option<String> {
    let named: BTreeSet<_> = refusal.fields().into_iter().collect();
    let right = match &faults[0].wants {
        Wants::Field(_) => {
            let wanted: BTreeSet<_> = faults
                .iter()
                .filter_map(|fault| match &fault.wants {
                    Wants::Field(name) => Some(name.as_str()),
                    _ => None,
                })
                .collect();
            // What is below a message that is missing is missing too, and may be named.
            let below = |name: &str| wanted.iter().any(|wanted| name.starts_with(&format!("{wanted}.")));
            (refusal.code, refusal.reason.as_str()) == (Code::InvalidArgument, "FIELD_INVALID")
                && wanted.iter().all(|wanted| named.contains(wanted))
                && named.iter().all(|name| wanted.contains(name) || below(name))
                && refusal.fields().len() == named.len()
        }
        Wants::Password(rule) => {
            (refusal.code, refusal.reason.as_str()) == (Code::InvalidArgument, "PASSWORD_REJECTED")
                && refusal.violations == [(faults[0].path.clone(), (*rule).to_owned())]
        }
        Wants::Reason(reason) => refusal.reason == *reason,
    };
    (!right).then(|| {
        let wants: Vec<_> = faults.iter().map(|fault| &fault.wants).collect();
        format!("wants {wants:?}, gets {} {} {:?}", refusal.code, refusal.reason, refusal.violations)
    })
}

fn unreadable(refusal: &Refusal, path: Option<&str>) -> Option<String> {
    let right = (refusal.code, refusal.reason.as_str()) == (Code::InvalidArgument, "FIELD_INVALID")
        && match path {
            Some(path) => refusal.fields() == [path],
            None => !refusal.fields().is_empty(),
        };
    (!right).then(|| format!("gets {} {} {:?}", refusal.code, refusal.reason, refusal.violations))
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else { return "missing".to_owned() };
    let text = format!("{value:?}");
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

/// Messages that are none of any kind.
fn undecodable(good: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("with noise", vec![0xff; 16]),
        ("with a tag without a value", vec![0x0a]),
        ("with a string past the end", vec![0x0a, 0x7f, b'x']),
        ("with a number where text belongs", vec![0x08, 0x01]),
        ("with a tag of nothing", vec![0x00, 0x01]),
        ("with an end without a beginning", vec![0x0c]),
        ("with a beginning without an end", vec![0xfb, 0x01]),
        ("with a number without an end", [vec![0xf8, 0x7f], vec![0x80; 20]].concat()),
        ("with its end cut off", good[..good.len() - 1].to_vec()),
        ("with noise after it", [good, &[0xff, 0xff, 0xff]].concat()),
    ]
}

/// Bodies that hold no message, the encoding they name, and what they are.
fn broken_frames(good: &[u8]) -> Vec<(&'static str, Option<&'static str>, Vec<u8>)> {
    let garbage = frame(1, b"\x1f\x8b\x08\x00 not what gzip makes");
    vec![
        ("without a body", None, Vec::new()),
        ("with half a frame's head", None, vec![0, 0]),
        ("with a frame cut off", None, frame(0, good)[..good.len()].to_vec()),
        ("with an unknown flag", None, frame(7, good)),
        ("compressed without saying how", None, frame(1, good)),
        ("compressed garbage, gzip", Some("gzip"), garbage.clone()),
        ("compressed garbage, unknown", Some("brotli-ish"), garbage),
        ("compressed by identity", Some("identity"), frame(1, good)),
    ]
}

/// The message with an unknown field that brings it to this size.
fn padded(message: &[u8], size: usize) -> Vec<u8> {
    // Field 2047, length-delimited, with a length of three bytes.
    let mut padded = message.to_vec();
    let length = size - message.len() - 5;
    padded.extend([0xfa, 0x7f]);
    padded.extend([(length & 0x7f) as u8 | 0x80, (length >> 7 & 0x7f) as u8 | 0x80, (length >> 14) as u8]);
    padded.resize(size, b'x');
    padded
}
