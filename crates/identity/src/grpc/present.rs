//! From values to messages.

use prost_types::{Duration, Timestamp};
use proto::identity::v1 as pb;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::address::Address;
use crate::domain::locale::Locale;
use crate::domain::password::PasswordPolicy;
use crate::domain::smtp_code;
use crate::domain::states::{DeliveryState, LinkState, NotSentReason, ResetKind};
use crate::store::audit::Kept;
use crate::store::delivery_attempts::Attempt;
use crate::store::organizations::Organization;
use crate::store::requests::Request;
use crate::store::resets::Reset;
use crate::store::users::Person;

/// A moment.
pub fn timestamp(time: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: time.unix_timestamp(), nanos: time.nanosecond().cast_signed() }
}

/// A policy.
pub fn password_policy(policy: &PasswordPolicy) -> pb::PasswordPolicy {
    pb::PasswordPolicy { min_length: policy.min_length, max_bytes: policy.max_bytes }
}

/// An organisation.
pub fn organization(organization: &Organization) -> pb::Organization {
    pb::Organization {
        organization_id: organization.organization_id.to_string(),
        slug: organization.slug.clone(),
        display_name: organization.display_name.clone(),
        locale: organization.locale.as_str().into(),
        time_zone: organization.time_zone.clone(),
        link_base: organization.link_base.clone(),
        support_contact: organization.support_contact.clone(),
        sender_name: organization.sender_name.clone(),
        suspended: organization.suspended,
        password_policy: Some(password_policy(&crate::ops::credentials::policy(organization))),
        reply_to: organization.reply_to.clone(),
    }
}

/// What may be told of an address.
pub fn address(person: &Person, locale: Locale) -> pb::Address {
    let masked = person.email.clone().and_then(Address::from_stored).map(|email| email.masked());
    let reason = person.undeliverable_code.as_ref().filter(|_| person.undeliverable_since.is_some());
    pb::Address {
        masked: masked.unwrap_or_default(),
        state: i32::from(person.address_state().as_i16()),
        undeliverable_since: person.undeliverable_since.map(timestamp),
        undeliverable_reason: reason.map(|code| smtp_code::explained(code, locale)).unwrap_or_default(),
    }
}

/// An event of the audit.
pub fn audit_event(event: &Kept) -> pb::AuditEvent {
    let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    pb::AuditEvent {
        event_id: event.event_id.to_string(),
        event_time: Some(timestamp(event.event_time)),
        action: event.action.clone(),
        outcome: event.outcome.clone(),
        cause: event.cause.clone(),
        caller: event.caller.clone(),
        actor_user_id: id(event.actor_user_id),
        user_id: id(event.user_id),
        organization_id: id(event.organization_id),
        reason: event.reason.clone(),
        trace_id: event.trace_id.clone().unwrap_or_default(),
        ip_prefix: event.ip_prefix.clone().unwrap_or_default(),
    }
}

/// A user; the address in full only for the system of record.
pub fn user(person: &Person, full_address: bool, locale: Locale) -> pb::User {
    pb::User {
        user_id: person.user_id.to_string(),
        organization_id: person.organization.organization_id.to_string(),
        username: person.username.clone(),
        display_name: person.display_name.clone(),
        email: person.email.clone().filter(|_| full_address).unwrap_or_default(),
        address: Some(address(person, locale)),
        locale: person.own_locale.map(Locale::as_str).unwrap_or_default().into(),
        role: i32::from(person.role.as_i16()),
        state: i32::from(person.state.as_i16()),
        has_password: person.password_hash.is_some(),
        credential_version: person.credential_version,
        password_change_time: person.password_change_time.map(timestamp),
        create_time: Some(timestamp(person.create_time)),
        update_time: Some(timestamp(person.update_time)),
    }
}

/// A reset.
pub fn reset(reset: &Reset) -> pb::Reset {
    pb::Reset {
        reset_id: reset.reset_id.to_string(),
        request_id: id(reset.request_id),
        kind: i32::from(reset.kind.as_i16()),
        user_id: id(reset.user_id),
        organization_id: id(reset.organization_id),
        delivery_state: i32::from(reset.delivery_state.as_i16()),
        not_sent_reason: reset.not_sent_reason.map_or(0, |reason: NotSentReason| i32::from(reason.as_i16())),
        link_state: i32::from(reset.link_state.as_i16()),
        request_time: Some(timestamp(reset.request_time)),
        expire_time: reset.expire_time.map(timestamp),
        view_time: reset.view_time.map(timestamp),
        complete_time: reset.complete_time.map(timestamp),
        next_attempt_time: reset.next_attempt_time.map(timestamp),
        attempts: reset.attempts.iter().map(attempt).collect(),
        requested_by: id(reset.requested_by),
        reason: reset.reason.clone(),
        support_code: reset.support_code.clone().unwrap_or_default(),
        hold_time: reset.hold_time.map(timestamp),
    }
}

/// A request nobody has looked at yet: no account, no link, no mail so far.
pub fn pending(request: &Request) -> pb::Reset {
    pb::Reset {
        request_id: request.request_id.to_string(),
        kind: i32::from(ResetKind::SelfService.as_i16()),
        delivery_state: i32::from(DeliveryState::Pending.as_i16()),
        link_state: i32::from(LinkState::NotIssued.as_i16()),
        request_time: Some(timestamp(request.request_time)),
        ..pb::Reset::default()
    }
}

fn attempt(attempt: &Attempt) -> pb::DeliveryAttempt {
    let milliseconds = attempt.duration_ms;
    pb::DeliveryAttempt {
        attempt_time: Some(timestamp(attempt.attempt_time)),
        relay: attempt.relay.clone(),
        smtp_code: attempt.smtp_code.unsigned_abs(),
        enhanced_code: attempt.enhanced_code.clone(),
        phase: attempt.phase.clone(),
        outcome: attempt.outcome().map_or(0, |outcome| i32::from(outcome.as_i16())),
        duration: Some(Duration {
            seconds: milliseconds / 1000,
            nanos: i32::try_from(milliseconds % 1000 * 1_000_000).unwrap_or_default(),
        }),
    }
}

fn id(id: Option<Uuid>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}
