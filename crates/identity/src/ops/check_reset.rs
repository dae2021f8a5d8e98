//! CheckReset: what a link is good for. It never spends the link, and notes its first view.

use runtime::trace::about_resets;
use time::OffsetDateTime;

use super::call::{Call, MALFORMED};
use super::error::{Error, Result};
use crate::domain::password::PasswordPolicy;
use crate::domain::states::LinkState;
use crate::domain::token::ResetToken;
use crate::ops::credentials;
use crate::service::Service;
use crate::store::resets::Link;
use crate::store::users::Person;
use crate::store::{Transaction, resets, users};

/// What the page of the link shows.
pub struct Checked {
    /// Whose link it is.
    pub person: Person,
    /// When it ends.
    pub expire_time: OffsetDateTime,
    /// What a new password must be like.
    pub policy: PasswordPolicy,
}

/// Looks a link up.
///
/// # Errors
/// `RESET_TOKEN_INVALID` for one that is wrong, used, expired or revoked.
pub async fn check_reset(service: &Service, call: &Call, token: Option<ResetToken>) -> Result<Checked> {
    let mut transaction = service.store.begin().await?;
    let (link, person) = live_link(&mut transaction, call, token.as_ref()).await?;
    resets::view(&mut transaction, link.reset_id).await?;
    transaction.commit().await.map_err(crate::store::StoreError::from)?;
    call.speaks_to(&person);
    let policy = credentials::policy(&person.organization);
    Ok(Checked { person, expire_time: link.expire_time, policy })
}

/// The live link of a token and its person. The exact cause of a refusal is for the audit alone.
///
/// # Errors
/// `RESET_TOKEN_INVALID`, or the database's.
pub async fn live_link(
    transaction: &mut Transaction,
    call: &Call,
    token: Option<&ResetToken>,
) -> Result<(Link, Person)> {
    let refuse = |cause| {
        call.note(|facts| facts.cause = cause);
        Err(Error::ResetTokenInvalid)
    };
    let Some(token) = token else { return refuse(MALFORMED) };
    let (link, user_id) = resets::link(transaction, &token.digest()).await?;
    let person = users::by_id(transaction, user_id).await?;
    let (Some(link), Some(person)) = (link, person) else { return refuse("unknown") };
    call.note_person(&person);
    about_resets([link.reset_id]);
    match link.state {
        LinkState::Live if person.is_active() => Ok((link, person)),
        LinkState::Live => refuse("user disabled"),
        LinkState::Completed => refuse("used"),
        LinkState::Expired => refuse("expired"),
        LinkState::Revoked => refuse("revoked"),
        LinkState::NotIssued => refuse("unknown"),
    }
}
