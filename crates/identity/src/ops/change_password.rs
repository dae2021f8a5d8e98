//! ChangePassword: current, new, confirmation.

use proto::identity::events::v1::credential_changed::Cause;
use proto::identity::events::v1::notice_mail::Kind;
use uuid::Uuid;

use super::call::{Call, PROVED};
use super::credentials::{self, Change, NewPassword};
use super::error::{Error, Result};
use super::guesses;
use super::idempotency::{self, Once};
use crate::domain::names::IdempotencyKey;
use crate::domain::password::Password;
use crate::domain::support_code::SupportCode;
use crate::service::Service;
use crate::store::users::Person;
use crate::store::{StoreError, audit, users};

/// What was asked.
pub struct ChangePassword {
    /// Whose password.
    pub user_id: Uuid,
    /// The current password.
    pub current_password: Password,
    /// The new one and its confirmation.
    pub new_password: NewPassword,
    /// Key of the call.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// Replaces the password, ends links and older sessions, and writes the notice. Returns the new
/// credential version.
///
/// # Errors
/// `PASSWORD_MISMATCH` (also for users who are unknown, disabled or have no password),
/// `RATE_LIMITED` after too many wrong ones, `CONFIRMATION_MISMATCH`, `PASSWORD_REJECTED`, `HASHER_BUSY`, `IDEMPOTENCY_MISMATCH`, or the database's.
pub async fn change_password(service: &Service, call: &Call, command: ChangePassword) -> Result<i64> {
    let new_password = command.new_password.well_formed("new_password")?;
    let once = Once::new(service, call, command.idempotency_key, &[command.user_id.as_bytes()]);
    if let Some(stored) = idempotency::earlier(service, call, once.as_ref()).await? {
        return stored.credential_version.ok_or(Error::IdempotencyMismatch);
    }
    match set(service, call, command.user_id, command.current_password, new_password, once.as_ref()).await {
        // The same call may have succeeded since the look above, and what was current then is so no more.
        Err(Error::PasswordMismatch) => match idempotency::earlier(service, call, once.as_ref()).await? {
            Some(stored) => stored.credential_version.ok_or(Error::IdempotencyMismatch),
            None => Err(Error::PasswordMismatch),
        },
        settled => settled,
    }
}

async fn set(
    service: &Service,
    call: &Call,
    user_id: Uuid,
    current_password: Password,
    new_password: Password,
    once: Option<&Once>,
) -> Result<i64> {
    let seat = service.hasher.seat(&call.patience)?;
    let mut session = service.guesses.connection().await?;
    let person = users::by_id(&mut session, user_id).await?;
    if let Some(person) = &person {
        call.note_person(person);
    }
    let (attempt, seat) = guesses::begin(service, call, user_id, seat, session).await?;
    let stored_hash = person.as_ref().and_then(|person| person.password_hash.clone());
    let checked = match service.hasher.verify(Some(seat), current_password.clone(), stored_hash, &call.patience).await {
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
    attempt.succeeded(service, None).await?;
    call.speaks_to(&person);
    let judged = credentials::judge(service, call, &person, &new_password, Some(&current_password)).await;
    if let Err(error @ Error::PasswordRejected { .. }) = judged {
        return call.refuse(PROVED, error);
    }
    judged?;
    let password_hash = credentials::hash(service, call, new_password).await?;

    let version = call.until_settled(service, || store(service, call, once, &person, &password_hash)).await?;
    service.relay_bell.notify_one();
    Ok(version)
}

/// The one answer to a failed check, with its cause for the audit.
pub fn mismatch(call: &Call, person: Option<&Person>) -> Error {
    if let Some(person) = person {
        call.note_person(person);
    }
    call.note(|facts| {
        facts.cause = match person {
            None => "unknown user",
            Some(person) if !person.is_active() => "user disabled",
            Some(person) if person.password_hash.is_none() => "no password",
            Some(_) => "wrong password",
        };
    });
    Error::PasswordMismatch
}

async fn store(
    service: &Service,
    call: &Call,
    once: Option<&Once>,
    checked: &Person,
    password_hash: &str,
) -> Result<i64> {
    let user_id = checked.user_id;
    let mut transaction = service.store.begin().await?;
    if let Some(stored) = idempotency::claim(&mut transaction, call, once).await? {
        return stored.credential_version.ok_or(Error::IdempotencyMismatch);
    }
    let Some(person) = users::lock(&mut transaction, user_id).await?.filter(Person::is_active) else {
        return Err(mismatch(call, None));
    };
    // The current password was checked under this version; under another one it may be current no more.
    let Some((credential_version, change_time)) =
        users::set_password(&mut transaction, user_id, password_hash, Some(checked.credential_version)).await?
    else {
        return Err(mismatch(call, Some(&person)));
    };
    credentials::ended(
        service,
        call,
        &mut transaction,
        &person,
        credential_version,
        Cause::PasswordChanged,
        change_time,
    )
    .await?;
    let audit_event = call.audit_success(service);
    let support_code = SupportCode::of_id(audit_event.event_id.as_bytes());
    let change = Change { kind: Kind::PasswordChanged, change_time, support_code };
    credentials::notify(service, call, &mut transaction, &person, person.email.as_deref(), &change).await?;
    audit::append(&mut transaction, &[audit_event]).await?;
    idempotency::succeed(&mut transaction, call, once, Some(user_id), Some(credential_version)).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(credential_version)
}
