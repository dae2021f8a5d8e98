//! RevokeReset: an admin ends a link before its time.

use runtime::trace::about_resets;
use uuid::Uuid;

use super::access::{self, ActorClaim, ELSEWHERE};
use super::call::Call;
use super::error::{Error, Result};
use crate::domain::names::Reason;
use crate::domain::states::RevokeCause;
use crate::service::Service;
use crate::store::resets::Reset;
use crate::store::{StoreError, audit, resets, users};

/// What was asked.
pub struct RevokeReset {
    /// Which link.
    pub reset_id: Uuid,
    /// On whose behalf.
    pub actor: Option<ActorClaim>,
    /// Why.
    pub reason: Option<Reason>,
}

/// Revokes a live link; a mail that waits for its next attempt is not sent any more.
///
/// # Errors
/// Those of [`access`]; `RESET_NOT_FOUND`, `RESET_ENDED`, or the database's.
pub async fn revoke_reset(service: &Service, call: &Call, command: RevokeReset) -> Result<Reset> {
    call.note(|facts| facts.reason = command.reason.as_ref().map_or(String::new(), |reason| reason.as_str().into()));
    about_resets([command.reset_id]);
    let reset = call.until_settled(service, || store(service, call, &command)).await?;
    service.relay_bell.notify_one();
    Ok(reset)
}

async fn store(service: &Service, call: &Call, command: &RevokeReset) -> Result<Reset> {
    let mut transaction = service.store.begin().await?;
    let reset = resets::by_id(&mut transaction, command.reset_id).await?;
    // First, so that the audit tells also whose link somebody tried to end who may not.
    call.note(|facts| {
        facts.user_id = reset.as_ref().and_then(|reset| reset.user_id);
        facts.organization_id = reset.as_ref().and_then(|reset| reset.organization_id);
    });
    let authority = access::authority(&mut transaction, call, command.actor.as_ref()).await?;
    let Some(reset) = reset else { return call.refuse("unknown reset", Error::ResetNotFound) };
    if !authority.sees(reset.organization_id) {
        return call.refuse(ELSEWHERE, Error::ResetNotFound);
    }
    let user_id = reset.user_id.ok_or(Error::ResetNotFound)?;
    let person = users::lock(&mut transaction, user_id).await?.ok_or(Error::ResetNotFound)?;
    // Once more: the actor may have lost the right while this waited.
    let authority = access::authority(&mut transaction, call, command.actor.as_ref()).await?;
    access::may_reset(call, &authority, &person)?;
    if !resets::revoke(&mut transaction, command.reset_id, RevokeCause::Admin).await? {
        return Err(Error::ResetEnded);
    }
    audit::append(&mut transaction, &[call.audit_success(service)]).await?;
    let reset = resets::by_id(&mut transaction, command.reset_id).await?.ok_or(Error::ResetNotFound)?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(reset)
}
