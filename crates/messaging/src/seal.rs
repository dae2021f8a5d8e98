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
    keys::{Kem, Keys, OwnKey},
    topology::{NOTICE_REQUESTED, RESET_REQUESTED},
};

type EncappedKey = <Kem as hpke::Kem>::EncappedKey;

/// The largest number of an attempt: the identity service keeps it in 32 bits with a sign.
const MAX_ATTEMPT: u32 = i32::MAX.unsigned_abs();

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
    /// The body is not the protobuf message of that routing key, or its attempt has no number.
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

/// The first key, if any, with which and to which a seal cannot be made and opened again: tried before the first
/// event depends on it.
pub(crate) fn broken_key(keys: &[OwnKey]) -> Option<&OwnKey> {
    const CANARY: &[u8] = b"canary";
    let works = |key: &OwnKey| {
        let sender = OpModeS::Auth((key.private.clone(), key.public.clone()));
        let (encapsulated, mut context) =
            hpke::setup_sender::<ChaCha20Poly1305, HkdfSha256, Kem>(&sender, &key.public, CANARY).ok()?;
        let sealed = context.seal(CANARY, CANARY).ok()?;
        let recipient = OpModeR::Auth(key.public.clone());
        let mut context =
            hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, Kem>(&recipient, &key.private, &encapsulated, CANARY)
                .ok()?;
        (context.open(&sealed, CANARY).ok()? == CANARY).then_some(())
    };
    keys.iter().find(|key| works(key).is_none())
}

/// Reads the body of a mail event without opening it.
///
/// # Errors
///
/// Says whether the routing key or the body is not one of ours.
pub fn decode_event(routing_key: &str, body: &[u8]) -> Result<Event, DecodeError> {
    // Both kinds have the same shape; the seal tells them apart.
    let decoded =
        match routing_key {
            RESET_REQUESTED => ResetRequested::decode(body).map(|ResetRequested { header, sealed, attempt }| Event {
                header,
                sealed,
                attempt,
            }),
            NOTICE_REQUESTED => NoticeRequested::decode(body)
                .map(|NoticeRequested { header, sealed, attempt }| Event { header, sealed, attempt }),
            _ => return Err(DecodeError::RoutingKeyUnknown),
        };
    let event = decoded.map_err(|_| DecodeError::BodyMalformed)?;
    // No seal covers the number: one that no status can bear would leave the mail without a state.
    if (1..=MAX_ATTEMPT).contains(&event.attempt) { Ok(event) } else { Err(DecodeError::BodyMalformed) }
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
mod tests;
