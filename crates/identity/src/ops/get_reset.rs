//! GetReset: what became of a request, a reset, or the mail with a support code.

use runtime::trace::about_resets;
use uuid::Uuid;

use super::access::{self, ActorClaim, Authority};
use super::call::Call;
use super::error::{Error, Result};
use crate::domain::support_code::SupportCode;
use crate::service::Service;
use crate::store::requests::Request;
use crate::store::resets::Reset;
use crate::store::{Transaction, requests, resets};

/// By what a reset is found.
pub enum ResetKey {
    /// The reset itself.
    ResetId(Uuid),
    /// The request it answers.
    RequestId(Uuid),
    /// The code in the mail's footer.
    SupportCode(SupportCode),
}

/// What was asked.
pub struct GetReset {
    /// Which.
    pub key: ResetKey,
    /// On whose behalf.
    pub actor: Option<ActorClaim>,
}

/// What there is.
pub enum Found {
    /// One for each account.
    Resets(Vec<Reset>),
    /// A request nobody has looked at yet.
    Pending(Box<Request>),
}

/// Reads resets. A request without an account belongs to no organisation, so no admin sees it.
///
/// # Errors
/// Those of [`access`]; `RESET_NOT_FOUND`, or the database's.
pub async fn get_reset(service: &Service, call: &Call, command: GetReset) -> Result<Found> {
    let mut transaction = service.store.begin_snapshot().await?;
    let authority = access::authority(&mut transaction, call, command.actor.as_ref()).await?;
    if let ResetKey::RequestId(request_id) = command.key
        && matches!(authority, Authority::Caller)
        && let Some(request) = requests::pending(&mut transaction, request_id).await?
    {
        return Ok(Found::Pending(Box::new(request)));
    }
    let mut found = find(&mut transaction, &command.key).await?;
    found.retain(|reset| authority.sees(reset.organization_id));
    about_resets(found.iter().map(|reset| reset.reset_id));
    if found.is_empty() { Err(Error::ResetNotFound) } else { Ok(Found::Resets(found)) }
}

/// The resets a key names, of any organisation.
///
/// # Errors
/// The database's.
pub async fn find(transaction: &mut Transaction, key: &ResetKey) -> Result<Vec<Reset>> {
    Ok(match key {
        ResetKey::ResetId(reset_id) => resets::by_id(transaction, *reset_id).await?.into_iter().collect(),
        ResetKey::RequestId(request_id) => resets::by_request(transaction, *request_id).await?,
        ResetKey::SupportCode(code) => resets::by_support_code(transaction, code.as_str()).await?,
    })
}
