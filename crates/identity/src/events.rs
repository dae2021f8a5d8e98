//! The events the service writes: mails with links, notices, and changed credentials.

use std::time::Duration;

use messaging::seal::{EventHeader, seal};
use messaging::topology::{CREDENTIAL_CHANGED, NOTICE_REQUESTED, RESET_REQUESTED};
use prost::Message as _;
use prost_types::Timestamp;
use proto::identity::events::v1 as pb;
use runtime::trace::TraceContext;
use time::OffsetDateTime;
use uuid::Uuid;
use zeroize::{Zeroize as _, Zeroizing};

use crate::domain::locale::Locale;
use crate::domain::states::ResetKind;
use crate::domain::support_code::SupportCode;
use crate::domain::token::ResetToken;
use crate::service::Service;
use crate::store::outbox::NewEvent;
use crate::store::resets::NewReset;
use crate::store::users::Person;

/// How long a notice may wait for its mail server.
const NOTICE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Most accounts in one mail.
pub const MAX_ACCOUNTS: usize = 5;

/// Why an event could not be written: a mistake of ours.
#[derive(Debug, thiserror::Error)]
#[error("the event cannot be sealed")]
pub struct EventError(#[from] messaging::seal::SealError);

/// Who asked for links, when, and how long they live.
pub struct Issue<'a> {
    /// Who asked.
    pub kind: ResetKind,
    /// The request it answers.
    pub request_id: Option<Uuid>,
    /// When it was asked for.
    pub request_time: OffsetDateTime,
    /// The database's clock.
    pub now: OffsetDateTime,
    /// Life of the links.
    pub life: Duration,
    /// The requester's language, for people who have none of their own.
    pub locale: Option<Locale>,
    /// Kind of device; may be empty.
    pub device: &'a str,
    /// The admin who asked.
    pub requested_by: Option<Uuid>,
    /// The reason given.
    pub reason: &'a str,
    /// The trace to go on with.
    pub trace: &'a TraceContext,
}

/// Links, not yet written.
pub struct Issued {
    /// One for each account.
    pub resets: Vec<NewReset>,
    /// The mail that carries them.
    pub event: NewEvent,
    /// When they end.
    pub expire_time: OffsetDateTime,
}

/// Mints one link for each of these people, who share one address, and seals the mail that carries
/// them. The tokens exist in the seal alone.
///
/// # Errors
/// The seal's; nothing was written.
///
/// # Panics
/// Without people, or with people without an address.
pub fn issue(service: &Service, issue: &Issue<'_>, people: &[&Person]) -> Result<Issued, EventError> {
    let first = people[0];
    let recipient = first.email.clone().expect("links are issued to people with an address");
    let event_id = service.new_id();
    let fill = |bytes: &mut [u8]| service.random.fill(bytes);
    let support_code = SupportCode::generate(&fill);
    let expire_time = issue.now + issue.life;
    let mut resets = Vec::with_capacity(people.len());
    let mut links = Vec::with_capacity(people.len());
    for person in people {
        let token = ResetToken::generate(&fill);
        links.push(pb::AccountLink {
            username: person.username.clone(),
            display_name: person.display_name.clone(),
            organization_display_name: person.organization.display_name.clone(),
            link: token.link(&person.organization.link_base).to_string(),
            expire_time: Some(timestamp(expire_time)),
        });
        resets.push(NewReset {
            reset_id: service.new_id(),
            request_id: issue.request_id,
            event_id: Some(event_id),
            kind: issue.kind,
            user_id: Some(person.user_id),
            organization_id: Some(person.organization.organization_id),
            token_digest: Some(token.digest()),
            not_sent_reason: None,
            request_time: issue.request_time,
            expire_time: Some(expire_time),
            cool_until: None,
            requested_by: issue.requested_by,
            reason: issue.reason.into(),
            support_code: Some(support_code.as_str().into()),
            traceparent: issue.trace.traceparent.clone(),
        });
    }
    let mut mail = pb::ResetMail {
        recipient,
        brand: Some(brand(service, people)),
        locale: language(first, issue.locale).as_str().into(),
        time_zone: first.organization.time_zone.clone(),
        request_time: Some(timestamp(issue.request_time)),
        device: issue.device.into(),
        links,
        kind: mail_kind(issue.kind).into(),
        support_code: support_code.as_str().into(),
    };
    let plaintext = Zeroizing::new(mail.encode_to_vec());
    for link in &mut mail.links {
        link.link.zeroize();
    }
    let header = EventHeader {
        event_id,
        event_time: issue.now,
        organization_id: first.organization.organization_id,
        expire_time,
    };
    let event = sealed(service, RESET_REQUESTED, &header, &plaintext, issue.trace)?;
    Ok(Issued { resets, event, expire_time })
}

/// A notice to write.
pub struct Notice<'a> {
    /// What changed.
    pub kind: pb::notice_mail::Kind,
    /// Whose account.
    pub person: &'a Person,
    /// Where it goes: the person's address, or the one before.
    pub recipient: &'a str,
    /// When it changed, by the database's clock.
    pub change_time: OffsetDateTime,
    /// The requester's language, for people who have none of their own.
    pub locale: Option<Locale>,
    /// Kind of device; may be empty.
    pub device: &'a str,
    /// The code in the mail's footer.
    pub support_code: &'a SupportCode,
}

/// Seals a notice.
///
/// # Errors
/// The seal's; nothing was written.
pub fn notice(service: &Service, notice: &Notice<'_>, trace: &TraceContext) -> Result<NewEvent, EventError> {
    let person = notice.person;
    let mail = pb::NoticeMail {
        recipient: notice.recipient.into(),
        brand: Some(brand(service, &[person])),
        locale: language(person, notice.locale).as_str().into(),
        time_zone: person.organization.time_zone.clone(),
        username: person.username.clone(),
        display_name: person.display_name.clone(),
        change_time: Some(timestamp(notice.change_time)),
        device: notice.device.into(),
        support_code: notice.support_code.as_str().into(),
        kind: notice.kind.into(),
    };
    let header = EventHeader {
        event_id: service.new_id(),
        event_time: notice.change_time,
        organization_id: person.organization.organization_id,
        expire_time: notice.change_time + NOTICE_LIFE,
    };
    sealed(service, NOTICE_REQUESTED, &header, &Zeroizing::new(mail.encode_to_vec()), trace)
}

/// Tells the CRM's services that sessions made under smaller versions are over; in the clear,
/// without an expiry.
pub fn credential_changed(
    service: &Service,
    person: &Person,
    credential_version: i64,
    cause: pb::credential_changed::Cause,
    change_time: OffsetDateTime,
    trace: &TraceContext,
) -> NewEvent {
    let event_id = service.new_id();
    let event = pb::CredentialChanged {
        event_id: event_id.to_string(),
        event_time: Some(timestamp(change_time)),
        user_id: person.user_id.to_string(),
        organization_id: person.organization.organization_id.to_string(),
        credential_version,
        cause: cause.into(),
    };
    NewEvent {
        event_id,
        routing_key: CREDENTIAL_CHANGED,
        organization_id: person.organization.organization_id,
        header: Vec::new(),
        body: event.encode_to_vec(),
        expire_time: None,
        traceparent: trace.traceparent.clone(),
        tracestate: trace.tracestate.clone(),
    }
}

fn sealed(
    service: &Service,
    routing_key: &'static str,
    header: &EventHeader,
    plaintext: &[u8],
    trace: &TraceContext,
) -> Result<NewEvent, EventError> {
    let event = seal(&service.keys.current(), routing_key, header, plaintext)?;
    Ok(NewEvent {
        event_id: header.event_id,
        routing_key,
        organization_id: header.organization_id,
        header: event.header,
        body: event.sealed,
        expire_time: Some(header.expire_time),
        traceparent: trace.traceparent.clone(),
        tracestate: trace.tracestate.clone(),
    })
}

/// The person's own language, else the requester's, else the organisation's.
fn language(person: &Person, requester: Option<Locale>) -> Locale {
    person.own_locale.or(requester).unwrap_or(person.organization.locale)
}

/// The organisation's brand; the instance's when several accounts stand in one mail.
fn brand(service: &Service, people: &[&Person]) -> pb::Brand {
    let product_name = service.settings.product_name.clone();
    match people {
        [one] => {
            let organization = &one.organization;
            pb::Brand {
                sender_name: organization.sender_name.clone(),
                organization_display_name: organization.display_name.clone(),
                support_contact: organization.support_contact.clone(),
                reply_to: organization.reply_to.clone(),
                product_name,
            }
        }
        _ => pb::Brand { sender_name: product_name.clone(), product_name, ..pb::Brand::default() },
    }
}

fn mail_kind(kind: ResetKind) -> pb::reset_mail::Kind {
    match kind {
        ResetKind::SelfService => pb::reset_mail::Kind::SelfService,
        ResetKind::Admin => pb::reset_mail::Kind::Admin,
        ResetKind::Invitation => pb::reset_mail::Kind::Invitation,
    }
}

fn timestamp(time: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: time.unix_timestamp(), nanos: time.nanosecond().cast_signed() }
}
