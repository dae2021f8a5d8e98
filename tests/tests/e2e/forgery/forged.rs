//! Forged and altered events.

use std::collections::BTreeMap;

use e2e::{World, world::Program};
use messaging::topology::{MAILER_PARKED, MAILER_REQUESTS, NOTICE_REQUESTED, RESET_REQUESTED};
use prost::Message as _;
use proto::identity::{
    events::v1::{MailHeader, ResetRequested},
    v1::DeliveryState,
};
use sqlx::Row;

use super::{
    Captured, captured, header, publish,
    sealer::{Sealer, Sender, VICTIM, private_part},
};
use crate::metrics;

/// What most of them come to.
pub(super) const SEAL_BROKEN: &str = "seal_broken";

/// A message that must not be mailed.
pub(super) struct Forged {
    /// What was done.
    pub what: &'static str,
    /// What `mailer parked` says of it.
    pub why: &'static str,
    /// The key it is published under.
    pub key: &'static str,
    /// What is published.
    pub body: Vec<u8>,
}

#[tokio::test]
async fn what_the_identity_service_did_not_write_is_parked_with_its_reason_and_changes_nothing() {
    let (mut world, events) = captured(&["budi", "sari"]).await;
    world.start_again(Program::Mailer, 0);
    let forged = all(&world, &events);
    let before = tables(&world).await;
    for Forged { what, key, body, .. } in &forged {
        publish(&world, key, body, what).await;
    }

    let broker = world.broker().await;
    broker.wait_ready(MAILER_PARKED, u32::try_from(forged.len()).unwrap()).await;
    broker.wait_ready(MAILER_REQUESTS, 0).await;
    assert!(world.sink().mails().is_empty());
    assert_eq!(tables(&world).await, before);
    #[expect(clippy::cast_precision_loss, reason = "there are a few dozen")]
    let count = forged.len() as f64;
    assert!((metrics::sum(&world, Program::Mailer, "sandi_mailer_parked_total", "") - count).abs() < 0.5);
    explained(&world, &forged);

    // The captured events were live all the time, whatever their properties say, and the queue still moves.
    for Captured { message, request } in &events {
        publish(&world, RESET_REQUESTED, &message.body, "somebody-else").await;
        world.reset_in(request, DeliveryState::Sent).await;
    }
    assert_eq!(world.sink().mails().len(), 2);
    assert!(world.sink().mails_to(VICTIM).is_empty());
}

/// Everything a forger may think of.
fn all(world: &World, events: &[Captured]) -> Vec<Forged> {
    let sealer = Sealer::new(world);
    let (genuine, other) = (events[0].event(), events[1].event());
    let model = MailHeader::decode(genuine.header.as_slice()).expect("it is one of ours");
    let fresh = MailHeader { event_id: "01999999-9999-7999-8999-999999999999".to_owned(), ..model.clone() };
    let key = RESET_REQUESTED;
    let event = |what, why, event: ResetRequested| Forged { what, why, key, body: event.encode_to_vec() };
    let sealed = |what, sealed: Vec<u8>| event(what, SEAL_BROKEN, ResetRequested { sealed, ..genuine.clone() });
    let mut flipped = genuine.sealed.clone();
    flipped[10] ^= 0x80;
    let mut forged = vec![
        event("base mode, as identity", SEAL_BROKEN, sealer.base(key, &fresh, Sender::Identity)),
        event("base mode, as itself", "sender_key_unknown", sealer.base(key, &fresh, Sender::Forger)),
        event("auth mode, as identity", SEAL_BROKEN, sealer.auth(key, &fresh, Sender::Identity)),
        event("auth mode, as itself", "sender_key_unknown", sealer.auth(key, &fresh, Sender::Forger)),
        event("with a live event's id", SEAL_BROKEN, sealer.base(key, &model, Sender::Identity)),
        sealed("the sealed part of another event", other.sealed.clone()),
        event(
            "the header of another event",
            SEAL_BROKEN,
            ResetRequested { header: other.header.clone(), ..genuine.clone() },
        ),
        sealed("one bit of the sealed part", flipped),
        sealed("a sealed part cut short", genuine.sealed[..genuine.sealed.len() - 1].to_vec()),
        sealed("a sealed part made longer", [&genuine.sealed[..], b"x"].concat()),
        sealed("no sealed part", Vec::new()),
        sealed("a private part in the clear", private_part(&model).encode_to_vec()),
        event("attempt 0", "body_malformed", ResetRequested { attempt: 0, ..genuine.clone() }),
        event(
            "an attempt beyond all numbers",
            "body_malformed",
            ResetRequested { attempt: u32::MAX, ..genuine.clone() },
        ),
        Forged {
            what: "under the key of notices",
            why: SEAL_BROKEN,
            key: NOTICE_REQUESTED,
            body: genuine.encode_to_vec(),
        },
        Forged { what: "nothing at all", why: "body_malformed", key, body: Vec::new() },
        Forged { what: "garbage", why: "body_malformed", key, body: vec![0xff; 100] },
        Forged { what: "much garbage", why: "body_malformed", key: NOTICE_REQUESTED, body: vec![0xff; 1 << 20] },
        Forged {
            what: "text",
            why: "body_malformed",
            key,
            body: format!("{{\"recipient\": \"{VICTIM}\"}}").into_bytes(),
        },
    ];
    forged.extend(header::changed(&genuine));
    forged
}

/// All that could have changed.
async fn tables(world: &World) -> Vec<String> {
    let database = world.database().await;
    let mut all = Vec::new();
    for sql in [
        "SELECT r::text FROM resets r ORDER BY reset_id",
        "SELECT o::text FROM outbox o ORDER BY event_id",
        "SELECT d::text FROM delivery_attempts d ORDER BY event_id, attempt",
        "SELECT u::text FROM users u ORDER BY user_id",
    ] {
        let rows = sqlx::query(sql).fetch_all(&database).await.expect("the query is right");
        all.extend(rows.iter().map(|row| row.get::<String, _>(0)));
    }
    all
}

/// Each parked message is listed and shown with its reason, and nothing that is private.
fn explained(world: &World, forged: &[Forged]) {
    let run = |arguments: &[&str]| {
        let said = world.command(Program::Mailer, arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error:#}"));
        for private in [VICTIM, "surat.example", "jahat.example", "/reset#", "budi", "AAAAAAAA"] {
            assert!(!said.contains(private), "{arguments:?} says {private}: {said}");
        }
        said
    };
    let list = run(&["parked", "list"]);
    assert_eq!(list.lines().count(), forged.len() + 1, "{list}");
    let mut shown = BTreeMap::new();
    for number in 1..=forged.len() {
        let text = run(&["parked", "show", &number.to_string()]);
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name}: {text}")).trim().to_owned()
        };
        assert!(!field("what to do").is_empty());
        assert_eq!(field("by the broker"), "rejected (1 times)");
        let listed = list.lines().nth(number).expect("there is one line for each");
        assert!(listed.ends_with(&field("why")), "{listed}: {text}");
        shown.insert(field("message id"), field("why"));
    }
    let expected: BTreeMap<String, String> =
        forged.iter().map(|forged| (forged.what.to_owned(), forged.why.to_owned())).collect();
    assert_eq!(shown, expected);
}
