//! Who may do what to whom: the rules beyond a caller's scopes, each in one function.
//!
//! `own` means the actor's organisation; a user elsewhere does not exist. The actor's rights are
//! read from the database at the call, and hold whatever else the caller may do.

use uuid::Uuid;

use super::call::{Call, Caller, Scope};
use super::error::{Error, Result};
use super::rules::{self, Rule};
use crate::domain::states::{Role, UserState};
use crate::domain::violation::Problem;
use crate::store::Transaction;
use crate::store::users::{self, Person};

/// The cause of a refusal because of what belongs to others.
pub const ELSEWHERE: &str = "another organisation";

/// The person the caller says it acts for.
pub enum ActorClaim {
    /// By the signed word of the issuer.
    Proven(Uuid),
    /// By the caller's own word, which is believed of callers with `assert-actor`.
    Asserted(Uuid),
    /// By a token that is not believed, and why.
    Refused(&'static str),
}

impl ActorClaim {
    /// Who it is meant to be, in the form that the fingerprint of a call holds; a token is another each time.
    pub fn fingerprint(claim: Option<&Self>) -> &[u8] {
        match claim {
            Some(Self::Proven(user_id) | Self::Asserted(user_id)) => user_id.as_bytes(),
            Some(Self::Refused(_)) | None => &[],
        }
    }
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

/// Resolves on whose authority a call is made.
///
/// # Errors
/// `SCOPE_MISSING`, `FIELD_INVALID` for a missing actor, `ACTOR_INVALID` for one who is unknown or
/// disabled, `ACTOR_NOT_ALLOWED` for a member.
pub async fn authority(transaction: &mut Transaction, call: &Call, claim: Option<&ActorClaim>) -> Result<Authority> {
    let Some(claim) = needed(rules::of(call.rpc), &call.caller, claim)? else { return Ok(Authority::Caller) };
    let user_id = believed(call, claim)?;
    call.note(|facts| facts.actor_user_id = Some(user_id));
    let person = users::by_id(transaction, user_id).await?;
    Ok(Authority::Actor(Box::new(admin(call, person)?)))
}

/// The claim, if it is on an actor's authority that the caller may make the call.
fn needed<'c>(rule: &Rule, caller: &Caller, claim: Option<&'c ActorClaim>) -> Result<Option<&'c ActorClaim>> {
    match claim {
        None if rule.admits_alone(caller) => Ok(None),
        None if rule.needs_actor(caller) => Err(Error::field("actor", Problem::Required)),
        Some(claim) if rule.admits_with_actor(caller) => Ok(Some(claim)),
        _ => Err(Error::ScopeMissing(rule.named())),
    }
}

/// Who the actor is, if the claim is good.
fn believed(call: &Call, claim: &ActorClaim) -> Result<Uuid> {
    match claim {
        ActorClaim::Refused(why) => call.refuse(why, Error::ActorInvalid),
        ActorClaim::Asserted(_) if !call.caller.has(Scope::AssertActor) => Err(Error::ScopeMissing(Scope::AssertActor)),
        ActorClaim::Proven(user_id) | ActorClaim::Asserted(user_id) => Ok(*user_id),
    }
}

/// The actor, as the database knows the person now, if it is one who may act for others.
fn admin(call: &Call, person: Option<Person>) -> Result<Person> {
    let Some(actor) = person else { return call.refuse("unknown actor", Error::ActorInvalid) };
    if !actor.is_active() {
        let is_disabled = actor.state == UserState::Disabled;
        let cause = if is_disabled { "actor disabled" } else { "actor's organisation suspended" };
        return call.refuse(cause, Error::ActorInvalid);
    }
    call.speaks_to(&actor);
    if actor.role < Role::Admin { call.refuse("actor is a member", Error::ActorNotAllowed) } else { Ok(actor) }
}

/// The user it is done to, if there is one for the authority. The audit is told of others too.
///
/// # Errors
/// `USER_NOT_FOUND`.
pub fn target(call: &Call, authority: &Authority, person: Option<Person>) -> Result<Person> {
    let Some(person) = person else { return call.refuse("unknown user", Error::UserNotFound) };
    call.note_person(&person);
    if authority.sees(Some(person.organization.organization_id)) {
        Ok(person)
    } else {
        call.refuse(ELSEWHERE, Error::UserNotFound)
    }
}

/// Whether the authority may reset this user's password or revoke a link: own, and a rank at least the user's.
///
/// # Errors
/// `USER_NOT_FOUND` elsewhere, `ACTOR_NOT_ALLOWED` above.
pub fn may_reset(call: &Call, authority: &Authority, target: &Person) -> Result<()> {
    let Some(actor) = authority.actor() else { return Ok(()) };
    if !authority.sees(Some(target.organization.organization_id)) {
        return call.refuse(ELSEWHERE, Error::UserNotFound);
    }
    if actor.role < target.role { call.refuse("user of a higher rank", Error::ActorNotAllowed) } else { Ok(()) }
}

/// Whether the authority may give somebody this role: nobody makes a rank above his own.
///
/// # Errors
/// `ACTOR_NOT_ALLOWED`.
pub fn may_grant(call: &Call, authority: &Authority, role: Role) -> Result<()> {
    match authority.actor() {
        Some(actor) if role > actor.role => call.refuse("role above the actor's", Error::ActorNotAllowed),
        _ => Ok(()),
    }
}

/// Whether the authority may change role, address or state of this user: only of a lower rank, and
/// nobody changes his own role.
///
/// # Errors
/// `ACTOR_NOT_ALLOWED`.
pub fn may_change_standing(call: &Call, authority: &Authority, target: &Person) -> Result<()> {
    match authority.actor() {
        Some(actor) if target.role >= actor.role => call.refuse("user of no lower rank", Error::ActorNotAllowed),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
