//! UpdateUser: name, address, language, role, state.

use proto::identity::events::v1::credential_changed::Cause;
use proto::identity::events::v1::notice_mail::Kind;
use uuid::Uuid;

use super::access::{self, ActorClaim, Authority};
use super::call::{Call, Caller, Scope};
use super::create_user::{own_address, username_taken};
use super::credentials::{self, Change};
use super::error::{Error, Result};
use crate::domain::address::Address;
use crate::domain::locale::Locale;
use crate::domain::names::{DisplayName, Reason};
use crate::domain::states::{RevokeCause, Role, UserState};
use crate::domain::support_code::SupportCode;
use crate::domain::username::Username;
use crate::domain::violation::Problem;
use crate::service::Service;
use crate::store::audit::{self, AuditEvent};
use crate::store::users::{self, Person};
use crate::store::{StoreError, Transaction, guesses, resets};

/// What was asked; only fields with a value change.
#[derive(Default)]
pub struct UpdateUser {
    /// Whom.
    pub user_id: Uuid,
    /// The canonical name.
    pub username: Option<Username>,
    /// Name shown to people.
    pub display_name: Option<DisplayName>,
    /// The address, or none any more.
    pub email: Option<Option<Address>>,
    /// The user's own language, or none any more.
    pub locale: Option<Option<Locale>>,
    /// Rank.
    pub role: Option<Role>,
    /// Active or disabled.
    pub state: Option<UserState>,
    /// On whose behalf.
    pub actor: Option<ActorClaim>,
    /// Why.
    pub reason: Option<Reason>,
}

impl UpdateUser {
    /// Whether it is done on support's behalf, which takes a reason.
    pub fn is_on_supports_behalf(caller: &Caller, claim: Option<&ActorClaim>) -> bool {
        claim.is_none() && !caller.has(Scope::DirectoryWrite) && caller.has(Scope::SupportAct)
    }

    fn changes_standing(&self) -> bool {
        self.email.is_some() || self.role.is_some() || self.state.is_some()
    }

    /// What support may change without an actor.
    fn is_supports(&self) -> bool {
        self.username.is_none() && self.display_name.is_none() && self.locale.is_none() && self.role.is_none()
    }
}

/// Changes a user. A new name or address or a higher role voids live links; a new address is told to the old one;
/// disabling ends every session; ACTIVE forgives wrong passwords, also of a user who is it already.
///
/// # Errors
/// Those of [`access`]; `USER_NOT_FOUND`, `USERNAME_TAKEN`, `LAST_OWNER`, `FIELD_INVALID`, or the database's.
pub async fn update_user(service: &Service, call: &Call, command: UpdateUser) -> Result<Person> {
    call.note(|facts| {
        facts.user_id = Some(command.user_id);
        facts.reason = command.reason.as_ref().map_or(String::new(), |reason| reason.as_str().into());
    });
    let person = call.until_settled(service, || store(service, call, &command)).await?;
    service.relay_bell.notify_one();
    Ok(person)
}

/// The system of record changes anything, support an address or a state with a reason, an admin what
/// his rank allows.
async fn authority(transaction: &mut Transaction, call: &Call, command: &UpdateUser) -> Result<Authority> {
    let authority = access::authority(transaction, call, command.actor.as_ref()).await?;
    let is_support = UpdateUser::is_on_supports_behalf(&call.caller, command.actor.as_ref());
    if is_support && !command.is_supports() {
        return Err(Error::ScopeMissing(Scope::DirectoryWrite));
    }
    if is_support && command.reason.is_none() {
        return Err(Error::field("reason", Problem::Required));
    }
    Ok(authority)
}

async fn store(service: &Service, call: &Call, command: &UpdateUser) -> Result<Person> {
    let mut transaction = service.store.begin().await?;
    authority(&mut transaction, call, command).await?;
    let locked = users::lock(&mut transaction, command.user_id).await?;
    // Once more: the actor may have lost the right while this waited.
    let authority = authority(&mut transaction, call, command).await?;
    let old = access::target(call, &authority, locked)?;
    // Where no actor's language came first.
    call.speaks_to(&old);
    if command.changes_standing() {
        access::may_change_standing(call, &authority, &old)?;
    }
    if let Some(role) = command.role {
        access::may_grant(call, &authority, role)?;
    }
    let mut new = changed(&old, command)?;
    keep_an_owner(&mut transaction, &old, &new).await?;

    let address_changed = new.email != old.email;
    let disabled = old.state == UserState::Active && new.state == UserState::Disabled;
    if disabled {
        new.credential_version += 1;
    }
    users::update(&mut transaction, &new, address_changed).await.map_err(username_taken)?;
    let now = crate::store::now(&mut transaction).await?;
    if disabled {
        let version = new.credential_version;
        credentials::ended(service, call, &mut transaction, &new, version, Cause::UserDisabled, now).await?;
    } else if let Some(cause) = end_of_links(&old, &new) {
        resets::revoke_all(&mut transaction, new.user_id, cause).await?;
    }
    if command.state == Some(UserState::Active) {
        guesses::forgive(&mut transaction, new.user_id).await?;
    }
    let audit_event = AuditEvent { cause: changes(&old, &new).into(), ..call.audit_success(service) };
    if address_changed {
        let support_code = SupportCode::of_id(audit_event.event_id.as_bytes());
        let change = Change { kind: Kind::AddressChanged, change_time: now, support_code };
        credentials::notify(service, call, &mut transaction, &new, old.email.as_deref(), &change).await?;
    }
    audit::append(&mut transaction, &[audit_event]).await?;
    let updated = users::by_id(&mut transaction, new.user_id).await?.ok_or(Error::UserNotFound)?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(updated)
}

/// Why the links of who was the old one end, if they do. With a higher role too: they were sent while people of lower
/// rank could say where to.
fn end_of_links(old: &Person, new: &Person) -> Option<RevokeCause> {
    if new.email != old.email {
        Some(RevokeCause::AddressChanged)
    } else if new.username != old.username {
        Some(RevokeCause::UsernameChanged)
    } else if new.role > old.role {
        Some(RevokeCause::RoleRaised)
    } else {
        None
    }
}

/// What changed, for the audit: names of fields, and the new role and state. No address and no name of anybody.
fn changes(old: &Person, new: &Person) -> String {
    let name = |changed: bool, name: &str| changed.then(|| name.to_owned());
    let fields = [
        name(old.username != new.username, "username"),
        name(old.display_name != new.display_name, "display_name"),
        name(old.email != new.email, "email"),
        name(old.own_locale != new.own_locale, "locale"),
        (old.role != new.role).then(|| format!("role={:?}", new.role)),
        (old.state != new.state).then(|| format!("state={:?}", new.state)),
    ];
    fields.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn changed(old: &Person, command: &UpdateUser) -> Result<Person> {
    let mut new = old.clone();
    if let Some(username) = &command.username {
        new.username = username.as_str().into();
    }
    if let Some(display_name) = &command.display_name {
        new.display_name = display_name.as_str().into();
    }
    if let Some(email) = &command.email {
        new.email = email.as_ref().map(|email| email.as_str().into());
    }
    if let Some(locale) = command.locale {
        new.own_locale = locale;
    }
    new.role = command.role.unwrap_or(old.role);
    new.state = command.state.unwrap_or(old.state);
    if command.username.is_some() || command.email.is_some() {
        let username = Username::from_stored(new.username.clone());
        let email = new.email.as_deref().map(Address::parse).transpose().map_err(|p| Error::field("user.email", p))?;
        own_address(&username, email.as_ref()).map_err(|p| Error::field("user.username", p))?;
    }
    Ok(new)
}

/// An organisation keeps its last active owner.
async fn keep_an_owner(transaction: &mut Transaction, old: &Person, new: &Person) -> Result<()> {
    let owns = |person: &Person| person.role == Role::Owner && person.state == UserState::Active;
    if owns(old)
        && !owns(new)
        && users::lock_other_owners(transaction, old.organization.organization_id, old.user_id).await? == 0
    {
        return Err(Error::LastOwner);
    }
    Ok(())
}
