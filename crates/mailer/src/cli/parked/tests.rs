use messaging::keys::{Role, generate};
use messaging::seal::{EventHeader, encode_event, seal};
use messaging::topology::{NOTICE_REQUESTED, RESET_REQUESTED};
use runtime::{Random, SeededRandom};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::sample::{EVENT_ID, Kind, Locale, NOW, REQUESTED, Sample, sample};

/// The keys of both sides, made from a seed.
fn keys(seed: u64) -> (Keys, Keys) {
    let directory = TempDir::new().unwrap();
    for (role, seed) in [(Role::Mailer, seed), (Role::Identity, seed + 1)] {
        let random = SeededRandom::new(seed);
        generate(directory.path(), role, NOW, &|bytes| random.fill(bytes)).unwrap();
    }
    let load = |role| Keys::load(directory.path(), role).unwrap();
    (load(Role::Identity), load(Role::Mailer))
}

fn parked(identity: &Keys, plaintext: &[u8]) -> Message {
    let header = EventHeader {
        event_id: EVENT_ID,
        event_time: REQUESTED,
        organization_id: Uuid::from_u128(2),
        expire_time: REQUESTED + time::Duration::minutes(30),
    };
    let event = seal(identity, RESET_REQUESTED, &header, plaintext).unwrap();
    Message {
        routing_key: RESET_REQUESTED.to_owned(),
        message_id: Some(EVENT_ID.to_string()),
        body: encode_event(RESET_REQUESTED, &event, 1),
        reason: Some("rejected".to_owned()),
        count: 1,
        time: Some(NOW),
    }
}

fn mail() -> Vec<u8> {
    let Sample::Reset(mail) = sample(Kind::Reset, Locale::Id) else { unreachable!() };
    mail.encode_to_vec()
}

#[test]
fn each_message_says_why_it_was_parked() {
    let (identity, mailer) = keys(1);
    let (stranger, _) = keys(9);
    let good = parked(&identity, &mail());
    let of = |change: &dyn Fn(&mut Message)| {
        let mut message = good.clone();
        change(&mut message);
        why(&mailer, &message, NOW).reason
    };
    assert_eq!(of(&|m| m.body = b"\xff\xff".to_vec()), "body_malformed");
    assert_eq!(of(&|m| m.routing_key = "identity.other.v1".to_owned()), "routing_key_unknown");
    assert_eq!(of(&|m| m.routing_key = NOTICE_REQUESTED.to_owned()), "seal_broken");
    let sealed = good.body.len() - 10;
    assert_eq!(of(&|m| m.body[sealed] ^= 1), "seal_broken");
    assert_eq!(of(&|m| *m = parked(&stranger, &mail())), "sender_key_unknown");
    assert_eq!(of(&|m| *m = parked(&identity, b"\xff")), "not_understood: the private part is not understood");
    let limit = "delivery_limit: it opens and renders, but came back too often";
    assert_eq!(of(&|m| m.reason = Some("delivery_limit".to_owned())), limit);
    assert_eq!(of(&|_| {}), "it opens and renders now");
    let later = NOW + time::Duration::hours(1);
    let expired = why(&mailer, &good, later);
    assert_eq!((expired.reason.as_str(), expired.way_back), ("expired", None));
    let Some(WayBack::Writer(ask)) = why(&mailer, &good, NOW).way_back else { panic!("it is asked for again") };
    let status = MailStatus::decode(ask.body.as_slice()).unwrap();
    assert_eq!((status.event_id, status.outcome), (EVENT_ID.to_string(), Outcome::Again.into()));
}

#[test]
fn the_list_and_one_message_show_all_but_secrets() {
    let (identity, mailer) = keys(1);
    let mut forged = parked(&identity, &mail());
    forged.message_id = Some("\u{1b}[2J not believed".to_owned());
    forged.body = b"\xff".to_vec();
    let messages = [parked(&identity, b"\xff"), forged, parked(&identity, &mail())];
    let explain = |message: &Message| explained(&mailer, message, NOW);
    let shown = desk::list(&desk(&explain, NOW + time::Duration::minutes(5)), &messages, false);
    let json = desk::list(&desk(&explain, NOW), &messages, true);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap().as_array().unwrap().len(), 3);
    insta::assert_snapshot!(shown);
    for (index, message) in messages.iter().enumerate() {
        let one = desk::show(&desk(&explain, NOW), index, message, false) + &json;
        for secret in ["budi", "kopi.example", "AAAA"] {
            assert!(!shown.contains(secret) && !one.contains(secret), "{one}");
        }
        assert!(!one.contains('\u{1b}'));
    }
    insta::assert_snapshot!(desk::show(&desk(&explain, NOW), 2, &messages[2], false));
}

#[test]
fn an_empty_queue_says_so() {
    let (_, mailer) = keys(1);
    let explain = |message: &Message| explained(&mailer, message, NOW);
    assert_eq!(desk::list(&desk(&explain, NOW), &[], false), "nothing is parked\n");
}
