//! VerifyPassword: checks a password at log-in.

use super::call::Call;
use super::change_password::mismatch;
use super::credentials;
use super::error::Result;
use super::guesses;
use crate::domain::identifier::Identifier;
use crate::domain::password::Password;
use crate::domain::username::canonical_for_lookup;
use crate::service::Service;
use crate::store::users::{self, Person};

/// What was asked.
pub struct VerifyPassword {
    /// What was typed as username.
    pub username: Identifier,
    /// The password.
    pub password: Password,
}

/// Returns the person whose password it is, in the snapshot that held the hash.
///
/// # Errors
/// `PASSWORD_MISMATCH`, the same and after the same work for users who are unknown, disabled or have
/// no password; `RATE_LIMITED` after too many wrong ones, alike for names that nobody has; `HASHER_BUSY`;
/// or the database's.
pub async fn verify_password(service: &Service, call: &Call, command: VerifyPassword) -> Result<Person> {
    let seat = service.hasher.seat(&call.patience)?;
    // A text that cannot be a username is looked up all the same, as one that nobody has.
    let username = canonical_for_lookup(command.username.as_str());
    let mut session = service.guesses.connection().await?;
    let person = users::by_username(&mut session, username.as_deref().unwrap_or_default()).await?;
    match &person {
        Some(person) => call.note_person(person),
        None => {
            let digest = service.digests.subject(command.username.as_str());
            call.note(|facts| facts.subject_digest = Some(digest));
        }
    }
    let typed = username.as_deref().unwrap_or(command.username.as_str());
    let subject = guesses::subject(service, person.as_ref(), typed);
    let (attempt, seat) = guesses::begin(service, call, subject, seat, session).await?;
    let stored_hash = person.as_ref().and_then(|person| person.password_hash.clone());
    let password = command.password.clone();
    let checked = match service.hasher.verify(Some(seat), password, stored_hash.clone(), &call.patience).await {
        Ok(checked) => checked,
        Err(error) => return Err(attempt.withdrawn(service, error).await),
    };
    let person = match person {
        Some(person) if checked.matches && person.is_active() => person,
        person => {
            attempt.failed(service).await?;
            return Err(mismatch(call, person.as_ref()));
        }
    };
    attempt.succeeded(service, Some(&call.audit_success(service))).await?;
    if let (true, Some(old)) = (checked.outdated, stored_hash) {
        upgrade(service, call, &person, command.password, &old).await;
    }
    Ok(person)
}

/// Hashes the password anew under today's parameters. The log-in stands whether or not that succeeds.
async fn upgrade(service: &Service, call: &Call, person: &Person, password: Password, old: &str) {
    let upgraded = async {
        let new = credentials::hash(service, call, password).await?;
        users::upgrade_hash(&mut *service.store.connection().await?, person.user_id, old, &new).await?;
        super::Result::Ok(())
    };
    if let Err(error) = upgraded.await {
        tracing::info!(user.id = %person.user_id, %error, "the hash keeps its older parameters for now");
    }
}
