//! ListUsers: an organisation's users by username, or those that begin with a prefix.

use uuid::Uuid;

use super::access::{self, ActorClaim};
use super::call::Call;
use super::error::{Error, Result};
use super::pages::Page;
use crate::domain::names::Query;
use crate::service::Service;
use crate::store::organizations;
use crate::store::users::{self, Person};

/// What was asked.
pub struct ListUsers {
    /// Whose users.
    pub organization_id: Uuid,
    /// Prefix of username or display name.
    pub query: Option<Query>,
    /// Which page.
    pub page: Page,
    /// On whose behalf.
    pub actor: Option<ActorClaim>,
}

/// One page, and the token of the next; empty at the end.
///
/// # Errors
/// Those of [`access`]; `ORGANIZATION_NOT_FOUND`, or the database's.
pub async fn list_users(service: &Service, call: &Call, command: ListUsers) -> Result<(Vec<Person>, String)> {
    call.note(|facts| facts.organization_id = Some(command.organization_id));
    let mut transaction = service.store.begin().await?;
    let authority = access::authority(&mut transaction, call, command.actor.as_ref()).await?;
    if !authority.sees(Some(command.organization_id))
        || organizations::by_id(&mut transaction, command.organization_id).await?.is_none()
    {
        return Err(Error::OrganizationNotFound);
    }
    let prefix = command.query.map_or(String::new(), Query::into_string);
    let page = command.page;
    let rows = users::list(&mut transaction, command.organization_id, &prefix, page.after(), page.limit + 1).await?;
    Ok(page.cut(&service.digests, rows, |person| person.user_id))
}
