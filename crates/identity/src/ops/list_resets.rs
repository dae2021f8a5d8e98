//! ListResets: the resets of an organisation or a user, newest first.

use uuid::Uuid;

use super::access::{self, ActorClaim};
use super::call::Call;
use super::error::{Error, Result};
use super::pages::Page;
use crate::service::Service;
use crate::store::resets::{self, Filter, Reset};
use crate::store::{organizations, users};

/// What was asked.
pub struct ListResets {
    /// Only this organisation's; with a user it may be left out.
    pub organization_id: Option<Uuid>,
    /// Only this user's.
    pub user_id: Option<Uuid>,
    /// Which page.
    pub page: Page,
    /// On whose behalf.
    pub actor: Option<ActorClaim>,
}

/// One page, and the token of the next; empty at the end.
///
/// # Errors
/// Those of [`access`]; `ORGANIZATION_NOT_FOUND`, `USER_NOT_FOUND`, or the database's.
pub async fn list_resets(service: &Service, call: &Call, command: ListResets) -> Result<(Vec<Reset>, String)> {
    call.note(|facts| {
        facts.user_id = command.user_id;
        facts.organization_id = command.organization_id;
    });
    let mut transaction = service.store.begin_snapshot().await?;
    let authority = access::authority(&mut transaction, call, command.actor.as_ref()).await?;
    if let Some(organization_id) = command.organization_id
        && (!authority.sees(Some(organization_id))
            || organizations::by_id(&mut transaction, organization_id).await?.is_none())
    {
        return Err(Error::OrganizationNotFound);
    }
    if let Some(user_id) = command.user_id {
        let person = users::by_id(&mut transaction, user_id).await?.ok_or(Error::UserNotFound)?;
        let home = person.organization.organization_id;
        if !authority.sees(Some(home)) || command.organization_id.is_some_and(|wanted| wanted != home) {
            return Err(Error::UserNotFound);
        }
    }
    let page = command.page;
    let filter = Filter { organization_id: command.organization_id, user_id: command.user_id, cursor: page.after() };
    let rows = resets::list(&mut transaction, &filter, page.limit + 1).await?;
    Ok(page.cut(&service.digests, rows, |reset| reset.reset_id))
}
