//! The seal of an event's private part: HPKE (RFC 9180) in auth mode, DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256, ChaCha20-Poly1305. Only the mailer can read it, only the identity service can have
//! written it. `info` is the routing key, so that one kind of event cannot pose as another; the
//! header's bytes, as they travel, are the associated data.

use hpke::{Deserializable, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256};
use prost::Message as _;
use prost_types::Timestamp;
use proto::identity::events::v1::{MailHeader, NoticeRequested, ResetRequested};
use thiserror::Error;
use time::OffsetDateTime;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    keys::{Kem, Keys},
    topology::{NOTICE_REQUESTED, RESET_REQUESTED},
};

type EncappedKey = <Kem as hpke::Kem>::EncappedKey;

/// What everybody on the way may know of an event: enough to operate, nothing to attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventHeader {
    /// The event's id, which is also the AMQP `message_id` and the root of the mail's `Message-ID`.
    pub event_id: Uuid,
    /// When it was made.
    pub event_time: OffsetDateTime,
    /// Whose user it is about.
    pub organization_id: Uuid,
    /// No mail after this.
    pub expire_time: OffsetDateTime,
}

/// An event as it is stored and sent: sealed once, tried several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedEvent {
    /// A serialised `MailHeader`.
    pub header: Vec<u8>,
    /// Ciphertext and tag.
    pub sealed: Vec<u8>,
}

/// An event as it arrives, not yet opened: nothing in it is to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// A serialised `MailHeader`.
    pub header: Vec<u8>,
    /// Ciphertext and tag.
    pub sealed: Vec<u8>,
    /// Outside the seal, because it differs from try to try; it only numbers statuses.
    pub attempt: u32,
}

/// Sealing failed.
#[derive(Debug, Error)]
pub enum SealError {
    /// The mailer's public key is no usable point (all zero, or of small order).
    #[error("cannot seal to the key {0}")]
    Unusable(String),
}

/// Why an event cannot be opened. It is parked, and nobody is mailed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OpenError {
    /// No `MailHeader`, or one that misses something.
    #[error("the header is malformed")]
    HeaderMalformed,
    /// Sealed by a key that is not among the other side's public ones.
    #[error("the sender's key is not known here")]
    SenderKeyUnknown,
    /// Sealed to a key that is not among our private ones.
    #[error("the recipient's key is not known here")]
    RecipientKeyUnknown,
    /// Forged, altered, under another routing key, or with another event's sealed part.
    #[error("the seal is broken")]
    SealBroken,
}

impl OpenError {
    /// A stable name for logs, metrics and the `parked` command.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            OpenError::HeaderMalformed => "header_malformed",
            OpenError::SenderKeyUnknown => "sender_key_unknown",
            OpenError::RecipientKeyUnknown => "recipient_key_unknown",
            OpenError::SealBroken => "seal_broken",
        }
    }
}

/// Why a message is no event at all.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Not a kind of event that carries a mail.
    #[error("the routing key is not that of a mail")]
    RoutingKeyUnknown,
    /// The body is not the protobuf message of that routing key.
    #[error("the body is malformed")]
    BodyMalformed,
}

impl DecodeError {
    /// A stable name for logs, metrics and the `parked` command.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            DecodeError::RoutingKeyUnknown => "routing_key_unknown",
            DecodeError::BodyMalformed => "body_malformed",
        }
    }
}

/// Seals `plaintext` with the newest key of our own, to the newest of the other side.
///
/// # Errors
///
/// [`SealError::Unusable`] if the other side's public key is not one.
pub fn seal(keys: &Keys, routing_key: &str, header: &EventHeader, plaintext: &[u8]) -> Result<SealedEvent, SealError> {
    let sender = keys.sealing();
    let recipient = keys.sealing_to();
    let mode = OpModeS::Auth((sender.private.clone(), sender.public.clone()));
    let unusable = |_| SealError::Unusable(recipient.id.to_string());
    let (encapsulated, mut context) =
        hpke::setup_sender::<ChaCha20Poly1305, HkdfSha256, Kem>(&mode, &recipient.public, routing_key.as_bytes())
            .map_err(unusable)?;

    // The header names the encapsulated key and is the associated data: first one, then the other.
    let header = MailHeader {
        event_id: header.event_id.to_string(),
        event_time: Some(to_timestamp(header.event_time)),
        organization_id: header.organization_id.to_string(),
        expire_time: Some(to_timestamp(header.expire_time)),
        sender_key_id: sender.id.to_string(),
        recipient_key_id: recipient.id.to_string(),
        encapsulated_key: encapsulated.to_bytes().to_vec(),
    }
    .encode_to_vec();
    let sealed = context.seal(plaintext, &header).map_err(unusable)?;
    Ok(SealedEvent { header, sealed })
}

/// Opens `sealed`, if the other side sealed it to us under this routing key with these header bytes.
///
/// # Errors
///
/// Says which of these is not so, as far as it can be told.
pub fn open(
    keys: &Keys,
    routing_key: &str,
    header: &[u8],
    sealed: &[u8],
) -> Result<(EventHeader, Zeroizing<Vec<u8>>), OpenError> {
    let fields = MailHeader::decode(header).map_err(|_| OpenError::HeaderMalformed)?;
    let event_header = read_header(&fields).ok_or(OpenError::HeaderMalformed)?;
    let encapsulated = EncappedKey::from_bytes(&fields.encapsulated_key).map_err(|_| OpenError::HeaderMalformed)?;
    let sender = keys.peer(&fields.sender_key_id).ok_or(OpenError::SenderKeyUnknown)?;
    let recipient = keys.own(&fields.recipient_key_id).ok_or(OpenError::RecipientKeyUnknown)?;

    let mode = OpModeR::Auth(sender.public.clone());
    let mut context = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, Kem>(
        &mode,
        &recipient.private,
        &encapsulated,
        routing_key.as_bytes(),
    )
    .map_err(|_| OpenError::SealBroken)?;
    let plaintext = context.open(sealed, header).map_err(|_| OpenError::SealBroken)?;
    Ok((event_header, Zeroizing::new(plaintext)))
}

/// Reads the body of a mail event without opening it.
///
/// # Errors
///
/// Says whether the routing key or the body is not one of ours.
pub fn decode_event(routing_key: &str, body: &[u8]) -> Result<Event, DecodeError> {
    // Both kinds have the same shape; the seal tells them apart.
    match routing_key {
        RESET_REQUESTED => ResetRequested::decode(body).map(|ResetRequested { header, sealed, attempt }| Event {
            header,
            sealed,
            attempt,
        }),
        NOTICE_REQUESTED => NoticeRequested::decode(body).map(|NoticeRequested { header, sealed, attempt }| Event {
            header,
            sealed,
            attempt,
        }),
        _ => return Err(DecodeError::RoutingKeyUnknown),
    }
    .map_err(|_| DecodeError::BodyMalformed)
}

/// Writes the body of attempt number `attempt` of a mail event.
///
/// # Panics
///
/// If `routing_key` is not that of a sealed event, which is a mistake in the program.
#[must_use]
pub fn encode_event(routing_key: &str, event: &SealedEvent, attempt: u32) -> Vec<u8> {
    let SealedEvent { header, sealed } = event.clone();
    match routing_key {
        RESET_REQUESTED => ResetRequested { header, sealed, attempt }.encode_to_vec(),
        NOTICE_REQUESTED => NoticeRequested { header, sealed, attempt }.encode_to_vec(),
        other => panic!("{other} is not the routing key of a sealed event"),
    }
}

fn read_header(fields: &MailHeader) -> Option<EventHeader> {
    Some(EventHeader {
        event_id: Uuid::parse_str(&fields.event_id).ok()?,
        event_time: from_timestamp(fields.event_time.as_ref()?)?,
        organization_id: Uuid::parse_str(&fields.organization_id).ok()?,
        expire_time: from_timestamp(fields.expire_time.as_ref()?)?,
    })
}

fn to_timestamp(time: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: time.unix_timestamp(), nanos: i32::try_from(time.nanosecond()).unwrap_or_default() }
}

fn from_timestamp(timestamp: &Timestamp) -> Option<OffsetDateTime> {
    let nanos = u32::try_from(timestamp.nanos).ok()?;
    OffsetDateTime::from_unix_timestamp(timestamp.seconds).ok()?.replace_nanosecond(nanos).ok()
}

#[cfg(test)]
mod tests {
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
            (
                "event_time",
                |header| header.event_time = Some(Timestamp { seconds: 9, nanos: 0 }),
                OpenError::SealBroken,
            ),
            (
                "organization_id",
                |header| header.organization_id = Uuid::from_u128(9).to_string(),
                OpenError::SealBroken,
            ),
            (
                "expire_time",
                |header| {
                    header.expire_time = Some(Timestamp { seconds: 4_000_000_000, nanos: 0 });
                },
                OpenError::SealBroken,
            ),
            (
                "sender_key_id",
                |header| header.sender_key_id = "0123456789abcdef".to_owned(),
                OpenError::SenderKeyUnknown,
            ),
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
}
