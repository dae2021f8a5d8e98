//! AdminReset: mails a link to a user, on an admin's or support's word. The admin learns the state of
//! the address at once, and never sees the link.

use std::time::Duration;

use runtime::trace::about_resets;
use time::OffsetDateTime;
use uuid::Uuid;

use super::access::{self, ActorClaim, Authority};
use super::call::Call;
use super::error::{Error, Result};
use super::idempotency::{self, Once};
use crate::domain::names::{IdempotencyKey, Reason};
use crate::domain::states::{NotSentReason, ResetKind};
use crate::events::{self, Issue};
use crate::service::Service;
use crate::settings::LINK_LIFE_MAX;
use crate::store::idempotency::Stored;
use crate::store::resets::NewReset;
use crate::store::users::Person;
use crate::store::{StoreError, Transaction, audit, outbox, resets, users};

/// What was asked.
pub struct AdminReset {
    /// Whose password.
    pub user_id: Uuid,
    /// On whose behalf.
    pub actor: Option<ActorClaim>,
    /// Why.
    pub reason: Reason,
    /// How long the link shall live; none: the setting.
    pub link_life: Option<Duration>,
    /// Key of the call.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// What was done.
pub struct Answer {
    /// The reset, also when no mail goes out.
    pub reset_id: Uuid,
    /// When the link ends; none: there is none.
    pub expire_time: Option<OffsetDateTime>,
    /// Whose address it is.
    pub person: Person,
}

/// Writes the reset and its mail, in one transaction.
///
/// # Errors
/// Those of [`access`]; `USER_NOT_FOUND`, `USER_DISABLED`, `IDEMPOTENCY_MISMATCH`, or the database's.
pub async fn admin_reset(service: &Service, call: &Call, command: AdminReset) -> Result<Answer> {
    call.note(|facts| {
        facts.user_id = Some(command.user_id);
        facts.reason = command.reason.as_str().into();
    });
    let actor = ActorClaim::fingerprint(command.actor.as_ref());
    let life = command.link_life.map_or(Vec::new(), |life| life.as_nanos().to_be_bytes().to_vec());
    let fields = [command.user_id.as_bytes().as_slice(), actor, command.reason.as_str().as_bytes(), &life];
    let once = Once::new(service, call, command.idempotency_key.clone(), &fields);
    let answer = call.until_settled(service, || store(service, call, &command, once.as_ref())).await?;
    about_resets([answer.reset_id]);
    service.relay_bell.notify_one();
    Ok(answer)
}

async fn store(service: &Service, call: &Call, command: &AdminReset, once: Option<&Once>) -> Result<Answer> {
    let mut transaction = service.store.begin().await?;
    access::authority(&mut transaction, call, command.actor.as_ref()).await?;
    let stored = idempotency::claim(&mut transaction, call, once).await?;
    let locked = users::lock(&mut transaction, command.user_id).await?;
    // Once more: the actor may have lost the right while these waited.
    let authority = access::authority(&mut transaction, call, command.actor.as_ref()).await?;
    if let Some(stored) = stored {
        return repeat(&mut transaction, stored).await;
    }
    let person = access::target(call, &authority, locked)?;
    access::may_reset(call, &authority, &person)?;
    // Where no actor's language came first.
    call.speaks_to(&person);
    if !person.is_active() {
        return Err(Error::UserDisabled);
    }
    let life = command.link_life.unwrap_or(service.settings.resets.admin_life);
    let life = life.clamp(service.settings.link_life_min(), LINK_LIFE_MAX);
    let (reset_id, expire_time) =
        send_link(service, call, &mut transaction, &person, ResetKind::Admin, &authority, life, &command.reason)
            .await?;
    audit::append(&mut transaction, &[call.audit_success(service)]).await?;
    idempotency::succeed(&mut transaction, call, once, Some(reset_id), None).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(Answer { reset_id, expire_time, person })
}

/// Writes a link of an admin's kind and its mail; without an address, a reset that says so.
///
/// # Errors
/// The database's, or the seal's.
#[expect(
    clippy::too_many_arguments,
    reason = "each is a fact of its own; a struct would be built once and taken apart"
)]
pub async fn send_link(
    service: &Service,
    call: &Call,
    transaction: &mut Transaction,
    person: &Person,
    kind: ResetKind,
    authority: &Authority,
    life: Duration,
    reason: &Reason,
) -> Result<(Uuid, Option<OffsetDateTime>)> {
    let now = crate::store::now(transaction).await?;
    let requested_by = authority.actor().map(|actor| actor.user_id);
    if person.email.is_none() {
        let reset = NewReset {
            reset_id: service.new_id(),
            request_id: None,
            event_id: None,
            kind,
            user_id: Some(person.user_id),
            organization_id: Some(person.organization.organization_id),
            token_digest: None,
            not_sent_reason: Some(NotSentReason::NoAddress),
            request_time: now,
            expire_time: None,
            cool_until: None,
            requested_by,
            reason: reason.as_str().into(),
            support_code: None,
            traceparent: call.trace.traceparent.clone(),
        };
        let reset_id = reset.reset_id;
        resets::insert(transaction, &[reset]).await?;
        return Ok((reset_id, None));
    }
    let issue = Issue {
        kind,
        request_id: None,
        request_time: now,
        now,
        life,
        // The requester here is the admin, whose language is not the user's.
        locale: None,
        device: "",
        requested_by,
        reason: reason.as_str(),
        trace: &call.trace,
    };
    let issued = events::issue(service, &issue, &[person])?;
    let reset_id = issued.resets[0].reset_id;
    resets::insert(transaction, &issued.resets).await?;
    outbox::insert(transaction, &[issued.event]).await?;
    Ok((reset_id, Some(issued.expire_time)))
}

async fn repeat(transaction: &mut Transaction, stored: Stored) -> Result<Answer> {
    let reset_id = stored.resource_id.ok_or(Error::IdempotencyMismatch)?;
    let reset = resets::by_id(transaction, reset_id).await?.ok_or(Error::ResetNotFound)?;
    let user_id = reset.user_id.ok_or(Error::ResetNotFound)?;
    let person = users::by_id(transaction, user_id).await?.ok_or(Error::UserNotFound)?;
    Ok(Answer { reset_id, expire_time: reset.expire_time, person })
}
