//! Who may do what to whom: the rules beyond a caller's scopes, each in one function.
//!
//! `own` means the actor's organisation; a user elsewhere does not exist. The actor's rights are
//! read from the database at the call, and hold whatever else the caller may do.

use uuid::Uuid;

use super::call::{Call, Caller, Scope};
use super::error::{Error, Result};
use crate::domain::states::Role;
use crate::domain::violation::Problem;
use crate::store::Transaction;
use crate::store::users::{self, Person};

/// The person the caller says it acts for.
pub enum ActorClaim {
    /// A signed token.
    Token,
    /// A name that is believed of callers with `assert-actor`.
    UserId(Uuid),
}

/// On whose authority something is done.
pub enum Authority {
    /// An admin's, in the admin's own organisation.
    Actor(Box<Person>),
    /// Support's or the system of record's own, everywhere.
    Caller,
}

impl Authority {
    /// The admin, if it is one's.
    pub fn actor(&self) -> Option<&Person> {
        match self {
            Self::Actor(actor) => Some(actor),
            Self::Caller => None,
        }
    }

    /// Whether somebody of this organisation exists for the authority.
    pub fn sees(&self, organization_id: Option<Uuid>) -> bool {
        self.actor().is_none_or(|actor| Some(actor.organization.organization_id) == organization_id)
    }
}

/// What a call needs: a scope with an actor, a scope without one.
pub struct Rule {
    /// Scope when an actor is given; none: no actor helps.
    pub with_actor: Option<Scope>,
    /// Scope when none is given; none: an actor is required.
    pub without_actor: Option<Scope>,
}

impl Rule {
    /// The scope that a caller without any is told to ask for.
    fn named(&self) -> Scope {
        self.with_actor.or(self.without_actor).unwrap_or(Scope::AssertActor)
    }

    /// Whether this caller may do it for an actor only.
    pub fn needs_actor(&self, caller: &Caller) -> bool {
        !self.without_actor.is_some_and(|scope| caller.has(scope))
            && self.with_actor.is_some_and(|scope| caller.has(scope))
    }
}

/// AdminReset: an admin's act, or support's.
pub const ADMIN_RESET: Rule = Rule { with_actor: Some(Scope::PasswordAdmin), without_actor: Some(Scope::SupportAct) };
/// RevokeReset: an admin's act.
pub const REVOKE_RESET: Rule = Rule { with_actor: Some(Scope::PasswordAdmin), without_actor: None };
/// GetReset, ListResets, ListUsers: an admin's look, or support's.
pub const READ: Rule = Rule { with_actor: Some(Scope::DirectoryRead), without_actor: Some(Scope::SupportRead) };
/// CreateUser: an admin's act, or the system of record's.
pub const CREATE_USER: Rule =
    Rule { with_actor: Some(Scope::DirectoryAdmin), without_actor: Some(Scope::DirectoryWrite) };

/// Resolves on whose authority a call is made.
///
/// # Errors
/// `SCOPE_MISSING`, `FIELD_INVALID` for a missing actor, `ACTOR_INVALID` for one who is unknown or
/// disabled, `ACTOR_NOT_ALLOWED` for a member.
pub async fn authority(
    transaction: &mut Transaction,
    call: &Call,
    rule: &Rule,
    claim: Option<&ActorClaim>,
) -> Result<Authority> {
    match claim {
        None => match rule.without_actor {
            Some(scope) if call.caller.has(scope) => Ok(Authority::Caller),
            _ if rule.needs_actor(&call.caller) => Err(Error::field("actor", Problem::Required)),
            _ => Err(Error::ScopeMissing(rule.named())),
        },
        Some(claim) => {
            if !rule.with_actor.is_some_and(|scope| call.caller.has(scope)) {
                return Err(Error::ScopeMissing(rule.named()));
            }
            Ok(Authority::Actor(Box::new(admin(transaction, call, claim).await?)))
        }
    }
}

async fn admin(transaction: &mut Transaction, call: &Call, claim: &ActorClaim) -> Result<Person> {
    let user_id = match claim {
        // No issuer is configured, so no token can be one of its.
        ActorClaim::Token => return Err(Error::ActorInvalid),
        ActorClaim::UserId(_) if !call.caller.has(Scope::AssertActor) => {
            return Err(Error::ScopeMissing(Scope::AssertActor));
        }
        ActorClaim::UserId(user_id) => *user_id,
    };
    let actor = users::by_id(transaction, user_id).await?.filter(Person::is_active).ok_or(Error::ActorInvalid)?;
    call.note(|facts| facts.actor_user_id = Some(actor.user_id));
    call.speaks_to(&actor);
    if actor.role < Role::Admin {
        return Err(Error::ActorNotAllowed);
    }
    Ok(actor)
}

/// Whether the authority may reset this user's password or revoke a link: own, and a rank at least the user's.
///
/// # Errors
/// `USER_NOT_FOUND` elsewhere, `ACTOR_NOT_ALLOWED` above.
pub fn may_reset(authority: &Authority, target: &Person) -> Result<()> {
    let Some(actor) = authority.actor() else { return Ok(()) };
    if !authority.sees(Some(target.organization.organization_id)) {
        return Err(Error::UserNotFound);
    }
    if actor.role < target.role { Err(Error::ActorNotAllowed) } else { Ok(()) }
}

/// Whether the authority may give somebody this role: nobody makes a rank above his own.
///
/// # Errors
/// `ACTOR_NOT_ALLOWED`.
pub fn may_grant(authority: &Authority, role: Role) -> Result<()> {
    match authority.actor() {
        Some(actor) if role > actor.role => Err(Error::ActorNotAllowed),
        _ => Ok(()),
    }
}

/// Whether the authority may change role, address or state of this user: only of a lower rank, and
/// nobody changes his own role.
///
/// # Errors
/// `ACTOR_NOT_ALLOWED`.
pub fn may_change_standing(authority: &Authority, target: &Person) -> Result<()> {
    match authority.actor() {
        Some(actor) if target.role >= actor.role => Err(Error::ActorNotAllowed),
        _ => Ok(()),
    }
}
