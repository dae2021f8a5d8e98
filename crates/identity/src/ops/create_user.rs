//! CreateUser, with a password, with an invitation, or with neither.

use runtime::trace::about_resets;
use uuid::Uuid;

use super::access::{self, ActorClaim, Authority, ELSEWHERE};
use super::admin_reset::send_link;
use super::call::Call;
use super::credentials::{self, NewPassword};
use super::error::{Error, Result};
use super::idempotency::{self, Once};
use crate::domain::address::Address;
use crate::domain::locale::Locale;
use crate::domain::names::{DisplayName, IdempotencyKey, Reason};
use crate::domain::states::{ResetKind, Role, UserState};
use crate::domain::username::Username;
use crate::domain::violation::Problem;
use crate::service::Service;
use crate::store::users::{self, Person};
use crate::store::{StoreError, Transaction, audit, organizations};

/// What was asked.
pub struct CreateUser {
    /// Whose user.
    pub organization_id: Uuid,
    /// The canonical name.
    pub username: Username,
    /// Where links go.
    pub email: Option<Address>,
    /// Name shown to people.
    pub display_name: DisplayName,
    /// The user's own language.
    pub locale: Option<Locale>,
    /// Rank.
    pub role: Role,
    /// Active or disabled.
    pub state: UserState,
    /// The first password; none: the first link sets one.
    pub password: Option<NewPassword>,
    /// Whether to mail a link of kind INVITATION.
    pub send_invitation: bool,
    /// On whose behalf.
    pub actor: Option<ActorClaim>,
    /// Key of the call.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// Adds a user, and the invitation, in one transaction.
///
/// # Errors
/// Those of [`access`]; `ORGANIZATION_NOT_FOUND`, `USERNAME_TAKEN`, `PASSWORD_REJECTED`,
/// `FIELD_INVALID`, `HASHER_BUSY`, `IDEMPOTENCY_MISMATCH`, or the database's.
pub async fn create_user(service: &Service, call: &Call, mut command: CreateUser) -> Result<Person> {
    own_address(&command.username, command.email.as_ref()).map_err(|p| Error::field("user.username", p))?;
    if command.send_invitation && command.email.is_none() {
        return Err(Error::field("user.email", Problem::Required));
    }
    let once = once(service, call, &command);
    let mut transaction = service.store.begin().await?;
    let (_, mut person) = draft(service, call, &mut transaction, &command).await?;
    drop(transaction);
    if let Some(stored) = idempotency::earlier(service, call, once.as_ref()).await? {
        return repeat(&mut service.store.begin().await?, stored.resource_id).await;
    }
    if let Some(password) = command.password.take() {
        let password = password.well_formed("password")?;
        credentials::judge(service, call, &person, &password, None).await?;
        person.password_hash = Some(credentials::hash(service, call, password).await?);
    }
    let created = call.until_settled(service, || store(service, call, &command, once.as_ref(), person.clone())).await?;
    service.relay_bell.notify_one();
    Ok(created)
}

/// A username with an `@` must be the user's own address.
///
/// # Errors
/// [`Problem::NotTheOwnAddress`].
pub fn own_address(username: &Username, email: Option<&Address>) -> std::result::Result<(), Problem> {
    let own = !username.is_address_like() || email.is_some_and(|email| email.is_named_by(username));
    if own { Ok(()) } else { Err(Problem::NotTheOwnAddress) }
}

/// A unique violation here is of the username.
pub fn username_taken(error: StoreError) -> Error {
    match error {
        StoreError::Taken { .. } => Error::UsernameTaken,
        other => other.into(),
    }
}

fn once(service: &Service, call: &Call, command: &CreateUser) -> Option<Once> {
    let actor = ActorClaim::fingerprint(command.actor.as_ref());
    let email = command.email.as_ref().map_or("", Address::as_str);
    let rest = format!(
        "{:?} {:?} {:?} {} {}",
        command.locale,
        command.role,
        command.state,
        command.send_invitation,
        command.password.is_some()
    );
    let fields = [
        command.organization_id.as_bytes().as_slice(),
        command.username.as_str().as_bytes(),
        email.as_bytes(),
        command.display_name.as_str().as_bytes(),
        rest.as_bytes(),
        actor,
    ];
    Once::new(service, call, command.idempotency_key.clone(), &fields)
}

/// Checks the authority and drafts the user.
async fn draft(
    service: &Service,
    call: &Call,
    transaction: &mut Transaction,
    command: &CreateUser,
) -> Result<(Authority, Person)> {
    let authority = access::authority(transaction, call, command.actor.as_ref()).await?;
    call.note(|facts| facts.organization_id = Some(command.organization_id));
    let Some(organization) = organizations::by_id(transaction, command.organization_id).await? else {
        return call.refuse("unknown organisation", Error::OrganizationNotFound);
    };
    if !authority.sees(Some(organization.organization_id)) {
        return call.refuse(ELSEWHERE, Error::OrganizationNotFound);
    }
    access::may_grant(call, &authority, command.role)?;
    let now = crate::store::now(transaction).await?;
    let person = Person {
        user_id: service.new_id(),
        username: command.username.as_str().into(),
        display_name: command.display_name.as_str().into(),
        email: command.email.as_ref().map(|email| email.as_str().into()),
        own_locale: command.locale,
        role: command.role,
        state: command.state,
        password_hash: None,
        credential_version: 1,
        password_change_time: None,
        address_change_time: now,
        undeliverable_since: None,
        undeliverable_code: None,
        create_time: now,
        update_time: now,
        organization,
    };
    Ok((authority, person))
}

async fn store(
    service: &Service,
    call: &Call,
    command: &CreateUser,
    once: Option<&Once>,
    person: Person,
) -> Result<Person> {
    let mut transaction = service.store.begin().await?;
    let stored = idempotency::claim(&mut transaction, call, once).await?;
    // Once more: the actor may have lost the right while the password was hashed, or another call with the key ran.
    let (authority, _) = draft(service, call, &mut transaction, command).await?;
    if let Some(stored) = stored {
        return repeat(&mut transaction, stored.resource_id).await;
    }
    users::insert(&mut transaction, &person).await.map_err(username_taken)?;
    call.note_person(&person);
    let mut invitation = None;
    if command.send_invitation && person.is_active() {
        let reason = Reason::parse("invitation").map_err(|problem| Error::field("send_invitation", problem))?;
        let life = service.settings.resets.admin_life;
        let (reset_id, _) =
            send_link(service, call, &mut transaction, &person, ResetKind::Invitation, &authority, life, &reason)
                .await?;
        invitation = Some(reset_id);
    }
    audit::append(&mut transaction, &[call.audit_success(service)]).await?;
    idempotency::succeed(&mut transaction, call, once, Some(person.user_id), None).await?;
    let created = users::by_id(&mut transaction, person.user_id).await?.ok_or(Error::UserNotFound)?;
    transaction.commit().await.map_err(StoreError::from)?;
    about_resets(invitation);
    Ok(created)
}

async fn repeat(transaction: &mut Transaction, user_id: Option<Uuid>) -> Result<Person> {
    let user_id = user_id.ok_or(Error::IdempotencyMismatch)?;
    users::by_id(transaction, user_id).await?.ok_or(Error::UserNotFound)
}
