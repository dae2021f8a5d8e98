use time::Duration;

use super::*;
use crate::{Role, keys::tests::Pair};

const SECRET: &[u8] = b"the private part";

fn event_header() -> EventHeader {
    EventHeader {
        event_id: Uuid::from_u128(1),
        event_time: OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(1_500),
        organization_id: Uuid::from_u128(2),
        expire_time: OffsetDateTime::UNIX_EPOCH + Duration::minutes(30),
    }
}

fn sealed_by(keys: &Keys) -> SealedEvent {
    seal(keys, RESET_REQUESTED, &event_header(), SECRET).expect("seals")
}

fn opened(keys: &Keys, header: &[u8], sealed: &[u8]) -> Result<(EventHeader, Zeroizing<Vec<u8>>), OpenError> {
    open(keys, RESET_REQUESTED, header, sealed)
}

fn with_header(event: &SealedEvent, change: impl FnOnce(&mut MailHeader)) -> Vec<u8> {
    let mut header = MailHeader::decode(event.header.as_slice()).expect("a header");
    change(&mut header);
    header.encode_to_vec()
}

#[test]
fn what_identity_seals_the_mailer_opens() {
    let pair = Pair::new();
    let event = sealed_by(&pair.identity());
    let (header, plaintext) = opened(&pair.mailer(), &event.header, &event.sealed).expect("opens");
    assert_eq!(header, event_header());
    assert_eq!(plaintext.as_slice(), SECRET);
}

#[test]
fn the_private_part_is_not_in_what_travels() {
    let pair = Pair::new();
    let event = sealed_by(&pair.identity());
    let body = encode_event(RESET_REQUESTED, &event, 1);
    assert!(!body.windows(SECRET.len()).any(|window| window == SECRET));
}

#[test]
fn sealing_twice_gives_different_bytes() {
    let pair = Pair::new();
    let keys = pair.identity();
    assert_ne!(sealed_by(&keys).sealed, sealed_by(&keys).sealed);
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let pair = Pair::new();
    let event = sealed_by(&pair.identity());
    let keys = pair.mailer();
    for position in 0..event.header.len() * 8 {
        let mut header = event.header.clone();
        header[position / 8] ^= 1 << (position % 8);
        assert!(opened(&keys, &header, &event.sealed).is_err(), "header bit {position}");
    }
    for position in 0..event.sealed.len() * 8 {
        let mut sealed = event.sealed.clone();
        sealed[position / 8] ^= 1 << (position % 8);
        let refused = opened(&keys, &event.header, &sealed);
        assert_eq!(refused, Err(OpenError::SealBroken), "sealed bit {position}");
    }
}

#[test]
fn each_changed_header_field_is_refused() {
    type Change = (&'static str, fn(&mut MailHeader), OpenError);
    let changes: [Change; 7] = [
        ("event_id", |header| header.event_id = Uuid::from_u128(9).to_string(), OpenError::SealBroken),
        ("event_time", |header| header.event_time = Some(Timestamp { seconds: 9, nanos: 0 }), OpenError::SealBroken),
        ("organization_id", |header| header.organization_id = Uuid::from_u128(9).to_string(), OpenError::SealBroken),
        (
            "expire_time",
            |header| {
                header.expire_time = Some(Timestamp { seconds: 4_000_000_000, nanos: 0 });
            },
            OpenError::SealBroken,
        ),
        ("sender_key_id", |header| header.sender_key_id = "0123456789abcdef".to_owned(), OpenError::SenderKeyUnknown),
        (
            "recipient_key_id",
            |header| header.recipient_key_id = "0123456789abcdef".to_owned(),
            OpenError::RecipientKeyUnknown,
        ),
        ("encapsulated_key", |header| header.encapsulated_key[0] ^= 1, OpenError::SealBroken),
    ];
    let pair = Pair::new();
    let event = sealed_by(&pair.identity());
    for (field, change, refusal) in changes {
        let header = with_header(&event, change);
        let refused = opened(&pair.mailer(), &header, &event.sealed);
        assert_eq!(refused, Err(refusal), "{field}");
    }
}

#[test]
fn the_same_fields_in_other_bytes_are_refused() {
    let pair = Pair::new();
    let event = sealed_by(&pair.identity());
    let mut header = event.header.clone();
    // An unknown field 15, varint 0: decodes to the very same header.
    header.extend([0x78, 0]);
    assert_eq!(MailHeader::decode(header.as_slice()), MailHeader::decode(event.header.as_slice()));
    let refused = opened(&pair.mailer(), &header, &event.sealed);
    assert_eq!(refused, Err(OpenError::SealBroken));
}

#[test]
fn a_malformed_header_is_refused() {
    type Change = fn(&mut MailHeader);
    let changes: [Change; 6] = [
        |header| header.event_id = "1".to_owned(),
        |header| header.event_time = None,
        |header| header.organization_id.clear(),
        |header| header.expire_time = Some(Timestamp { seconds: i64::MAX, nanos: 0 }),
        |header| header.expire_time = Some(Timestamp { seconds: 1, nanos: -1 }),
        |header| header.encapsulated_key.truncate(31),
    ];
    let pair = Pair::new();
    let event = sealed_by(&pair.identity());
    for change in changes {
        let header = with_header(&event, change);
        let refused = opened(&pair.mailer(), &header, &event.sealed);
        assert_eq!(refused, Err(OpenError::HeaderMalformed));
    }
    for header in [&b""[..], b"\xff", &[0x0a, 200]] {
        let refused = opened(&pair.mailer(), header, &event.sealed);
        assert_eq!(refused, Err(OpenError::HeaderMalformed));
    }
}

#[test]
fn another_routing_key_is_refused() {
    let pair = Pair::new();
    let event = sealed_by(&pair.identity());
    let refused = open(&pair.mailer(), NOTICE_REQUESTED, &event.header, &event.sealed);
    assert_eq!(refused, Err(OpenError::SealBroken));
}

#[test]
fn the_sealed_part_of_another_event_is_refused() {
    let pair = Pair::new();
    let (one, other) = (sealed_by(&pair.identity()), sealed_by(&pair.identity()));
    let refused = opened(&pair.mailer(), &one.header, &other.sealed);
    assert_eq!(refused, Err(OpenError::SealBroken));
}

#[test]
fn a_sender_that_is_not_the_identity_service_is_refused() {
    let (pair, stranger) = (Pair::new(), Pair::seeded(100));
    // The stranger has the mailer's public key, and a pair of its own.
    stranger.take_public_keys(&pair, Role::Mailer);
    let forged = sealed_by(&stranger.identity());
    let refused = opened(&pair.mailer(), &forged.header, &forged.sealed);
    assert_eq!(refused, Err(OpenError::SenderKeyUnknown));

    // It claims to be the identity service.
    let name = pair.identity().sealing_id().to_string();
    let forged = forge(&stranger, &name, |keys| {
        let own = keys.sealing();
        OpModeS::Auth((own.private.clone(), own.public.clone()))
    });
    let refused = opened(&pair.mailer(), &forged.header, &forged.sealed);
    assert_eq!(refused, Err(OpenError::SealBroken));
}

#[test]
fn an_anonymous_sender_is_refused() {
    let pair = Pair::new();
    let name = pair.identity().sealing_id().to_string();
    let forged = forge(&pair, &name, |_| OpModeS::Base);
    let refused = opened(&pair.mailer(), &forged.header, &forged.sealed);
    assert_eq!(refused, Err(OpenError::SealBroken));
}

/// Seals in `mode` to the mailer that `pair` knows, in the name of `sender_key_id`.
fn forge(pair: &Pair, sender_key_id: &str, mode: impl FnOnce(&Keys) -> OpModeS<'static, Kem>) -> SealedEvent {
    let keys = pair.identity();
    let recipient = keys.sealing_to();
    let info = RESET_REQUESTED.as_bytes();
    let (encapsulated, mut context) =
        hpke::setup_sender::<ChaCha20Poly1305, HkdfSha256, Kem>(&mode(&keys), &recipient.public, info)
            .expect("a sender");
    let header = with_header(&sealed_by(&keys), |header| {
        header.sender_key_id = sender_key_id.to_owned();
        header.encapsulated_key = encapsulated.to_bytes().to_vec();
    });
    let sealed = context.seal(SECRET, &header).expect("seals");
    SealedEvent { header, sealed }
}

#[test]
fn a_retired_key_still_opens() {
    let pair = Pair::new();
    let before = sealed_by(&pair.identity());
    pair.add_key(Role::Mailer, 50);
    pair.add_key(Role::Identity, 51);
    let old = pair.identity();
    pair.retire(old.sealing_id());
    pair.retire(&old.sealing_to().id);
    let after = sealed_by(&pair.identity());
    let mailer = pair.mailer();
    let ids = |event: &SealedEvent| {
        let header = MailHeader::decode(event.header.as_slice()).expect("a header");
        (header.sender_key_id, header.recipient_key_id)
    };
    assert_ne!(ids(&before).0, ids(&after).0);
    assert_ne!(ids(&before).1, ids(&after).1);
    assert!(opened(&mailer, &before.header, &before.sealed).is_ok());
    assert!(opened(&mailer, &after.header, &after.sealed).is_ok());
}

#[test]
fn a_public_key_that_is_no_point_is_refused() {
    let pair = Pair::new();
    pair.put_public_key(Role::Mailer, [0; 32]);
    pair.retire(&pair.identity().sealing_to().id);
    let refused = seal(&pair.identity(), RESET_REQUESTED, &event_header(), SECRET);
    assert!(matches!(refused, Err(SealError::Unusable(_))));
}

#[test]
fn an_event_survives_the_way_there_and_back() {
    let pair = Pair::new();
    let event = sealed_by(&pair.identity());
    for routing_key in [RESET_REQUESTED, NOTICE_REQUESTED] {
        let body = encode_event(routing_key, &event, 3);
        let SealedEvent { header, sealed } = event.clone();
        assert_eq!(decode_event(routing_key, &body), Ok(Event { header, sealed, attempt: 3 }));
    }
}

#[test]
fn what_is_no_event_says_why() {
    let unknown = decode_event("identity.credential.changed.v1", b"");
    assert_eq!(unknown.map_err(DecodeError::reason), Err("routing_key_unknown"));
    let malformed = decode_event(RESET_REQUESTED, b"\xff\xff");
    assert_eq!(malformed.map_err(DecodeError::reason), Err("body_malformed"));
}

#[test]
fn what_cannot_be_opened_has_a_name_that_stays() {
    let errors = [
        (OpenError::HeaderMalformed, "header_malformed"),
        (OpenError::SenderKeyUnknown, "sender_key_unknown"),
        (OpenError::RecipientKeyUnknown, "recipient_key_unknown"),
        (OpenError::SealBroken, "seal_broken"),
    ];
    for (error, name) in errors {
        assert_eq!(error.reason(), name);
    }
}

#[test]
fn an_attempt_has_a_number_that_a_status_can_bear() {
    let event = sealed_by(&Pair::new().identity());
    for (attempt, good) in [(0, false), (1, true), (i32::MAX.unsigned_abs(), true), (u32::MAX, false)] {
        let body = encode_event(RESET_REQUESTED, &event, attempt);
        assert_eq!(decode_event(RESET_REQUESTED, &body).is_ok(), good, "{attempt}");
    }
}
