//! CompleteReset: sets a new password with a link, once.

use proto::identity::events::v1::credential_changed::Cause;
use proto::identity::events::v1::notice_mail::Kind;
use uuid::Uuid;

use super::call::Call;
use super::check_reset::live_link;
use super::credentials::{self, Change, NewPassword};
use super::error::{Error, Result};
use super::idempotency::{self, Once};
use crate::domain::names::IdempotencyKey;
use crate::domain::password::Password;
use crate::domain::support_code::SupportCode;
use crate::domain::token::ResetToken;
use crate::service::Service;
use crate::store::idempotency::Stored;
use crate::store::{StoreError, Transaction, audit, guesses, resets, users};

/// What was asked.
pub struct CompleteReset {
    /// The token; none: it cannot be one.
    pub token: Option<ResetToken>,
    /// The new password and its confirmation.
    pub new_password: NewPassword,
    /// Key of the call.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// What was done.
pub struct Completed {
    /// Whose password.
    pub user_id: Uuid,
    /// The canonical name.
    pub username: String,
    /// Sessions made under smaller versions are over.
    pub credential_version: i64,
}

/// Sets the password, consumes the link, ends other links and older sessions, and writes the notice,
/// in one transaction.
///
/// # Errors
/// `RESET_TOKEN_INVALID`, `PASSWORD_REJECTED` and `CONFIRMATION_MISMATCH` (which do not spend the
/// link), `HASHER_BUSY`, `IDEMPOTENCY_MISMATCH`, or the database's.
pub async fn complete_reset(service: &Service, call: &Call, command: CompleteReset) -> Result<Completed> {
    let password = command.new_password.well_formed("new_password")?;
    let digest = command.token.as_ref().map(ResetToken::digest);
    let fields: [&[u8]; 1] = [digest.as_ref().map_or(&[], |digest| digest.0.as_slice())];
    let once = Once::new(service, call, command.idempotency_key, &fields);
    if let Some(stored) = idempotency::earlier(service, call, once.as_ref()).await? {
        return repeat(&mut service.store.begin().await?, stored).await;
    }
    match set(service, call, command.token.as_ref(), password, once.as_ref()).await {
        // The same call may have succeeded since the look above, and it was that which spent the link.
        Err(Error::ResetTokenInvalid) => match idempotency::earlier(service, call, once.as_ref()).await? {
            Some(stored) => repeat(&mut service.store.begin().await?, stored).await,
            None => Err(Error::ResetTokenInvalid),
        },
        settled => settled,
    }
}

async fn set(
    service: &Service,
    call: &Call,
    token: Option<&ResetToken>,
    password: Password,
    once: Option<&Once>,
) -> Result<Completed> {
    let mut transaction = service.store.begin().await?;
    let (link, person) = live_link(&mut transaction, call, token).await?;
    link.trace.link_from(&tracing::Span::current());
    // Nothing was written, and the hash must not hold a connection.
    drop(transaction);
    call.speaks_to(&person);
    credentials::judge(service, call, &person, &password, None).await?;
    let password_hash = credentials::hash(service, call, password).await?;

    let completed = call
        .until_settled(service, || store(service, call, once, link.reset_id, person.user_id, &password_hash))
        .await?;
    service.relay_bell.notify_one();
    Ok(completed)
}

async fn store(
    service: &Service,
    call: &Call,
    once: Option<&Once>,
    reset_id: Uuid,
    user_id: Uuid,
    password_hash: &str,
) -> Result<Completed> {
    let mut transaction = service.store.begin().await?;
    if let Some(stored) = idempotency::claim(&mut transaction, call, once).await? {
        return repeat(&mut transaction, stored).await;
    }
    let refuse = |cause| {
        call.note(|facts| facts.cause = cause);
        Err(Error::ResetTokenInvalid)
    };
    let Some(person) = users::lock(&mut transaction, user_id).await? else { return refuse("unknown") };
    if !person.is_active() {
        return refuse("user disabled");
    }
    if !resets::complete(&mut transaction, reset_id).await? {
        return refuse("used");
    }
    let Some((credential_version, change_time)) =
        users::set_password(&mut transaction, user_id, password_hash, None).await?
    else {
        return refuse("unknown");
    };
    credentials::ended(service, call, &mut transaction, &person, credential_version, Cause::PasswordReset, change_time)
        .await?;
    guesses::forgive(&mut transaction, user_id).await?;
    // The notice carries the code of the mail with the link, so that support finds both at once.
    let support_code = resets::by_id(&mut transaction, reset_id)
        .await?
        .and_then(|reset| SupportCode::parse(&reset.support_code?).ok())
        .unwrap_or_else(|| SupportCode::generate(&|bytes| service.random.fill(bytes)));
    let change = Change { kind: Kind::PasswordReset, change_time, support_code };
    credentials::notify(service, call, &mut transaction, &person, person.email.as_deref(), &change).await?;
    audit::append(&mut transaction, &[call.audit_success(service)]).await?;
    idempotency::succeed(&mut transaction, call, once, Some(user_id), Some(credential_version)).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(Completed { user_id, username: person.username, credential_version })
}

async fn repeat(transaction: &mut Transaction, stored: Stored) -> Result<Completed> {
    let (Some(user_id), Some(credential_version)) = (stored.resource_id, stored.credential_version) else {
        return Err(Error::IdempotencyMismatch);
    };
    let person = users::by_id(transaction, user_id).await?.ok_or(Error::UserNotFound)?;
    Ok(Completed { user_id, username: person.username, credential_version })
}
