//! What happens whenever a password is set or a user is disabled: older sessions and links end, the
//! CRM is told, and the person gets a notice.

use proto::identity::events::v1::credential_changed::Cause;
use proto::identity::events::v1::notice_mail::Kind;
use time::OffsetDateTime;

use super::call::Call;
use super::error::{Error, Result};
use crate::domain::password::{Password, PasswordContext, PasswordPolicy, PasswordRule, check};
use crate::domain::states::RevokeCause;
use crate::domain::support_code::SupportCode;
use crate::domain::violation::Problem;
use crate::events::{self, Notice};
use crate::service::Service;
use crate::store::organizations::Organization;
use crate::store::users::Person;
use crate::store::{Transaction, outbox, resets};

/// A new password as the caller sent it, with its confirmation.
pub struct NewPassword {
    password: std::result::Result<Password, Problem>,
    confirmed: bool,
}

impl NewPassword {
    /// Reads a new password. A confirmation, if there is one, must equal it.
    pub fn parse(text: &str, confirmation: Option<&str>) -> Self {
        let password = Password::parse(text);
        Self { password, confirmed: confirmation.is_none_or(|confirmation| confirmation == text) }
    }

    /// The password, if its form is one and it was confirmed; no hash is spent before that.
    ///
    /// # Errors
    /// `CONFIRMATION_MISMATCH`; `PASSWORD_REJECTED` for one that is empty or too long for any policy;
    /// `FIELD_INVALID`, in the field of that name, for one with control characters.
    pub fn well_formed(self, field: &str) -> Result<Password> {
        if !self.confirmed {
            return Err(Error::ConfirmationMismatch);
        }
        let reject = |rule| Error::PasswordRejected { rules: vec![rule], policy: PasswordPolicy::default() };
        self.password.map_err(|problem| match problem {
            Problem::Empty => reject(PasswordRule::TooShort),
            Problem::TooLong { .. } => reject(PasswordRule::TooLong),
            other => Error::field(field, other),
        })
    }
}

/// The policy of an organisation.
pub fn policy(organization: &Organization) -> PasswordPolicy {
    PasswordPolicy { min_length: organization.password_min_length, ..PasswordPolicy::default() }
}

/// Judges a new password by the policy, on the hashing threads.
///
/// # Errors
/// `PASSWORD_REJECTED` with every rule it breaks, or the hasher's.
pub async fn judge(
    service: &Service,
    call: &Call,
    person: &Person,
    password: &Password,
    current: Option<&Password>,
) -> Result<()> {
    let policy = policy(&person.organization);
    let context = PasswordContext {
        username: person.username.clone(),
        address: person.email.clone(),
        organization_names: vec![person.organization.display_name.clone(), person.organization.slug.clone()],
        product_name: service.settings.product_name.clone(),
    };
    let same = current.is_some_and(|current| current.expose() == password.expose());
    let judged = password.clone();
    let mut rules = service.hasher.judge(&call.patience, move || check(&policy, &context, &judged)).await?;
    if same {
        rules.push(PasswordRule::SameAsCurrent);
    }
    if rules.is_empty() { Ok(()) } else { Err(Error::PasswordRejected { rules, policy }) }
}

/// Hashes a password with a fresh salt.
///
/// # Errors
/// The hasher's.
pub async fn hash(service: &Service, call: &Call, password: Password) -> Result<String> {
    Ok(service.hasher.hash(password, service.random_bytes(), &call.patience).await?)
}

/// Ends what hung on the old credential, in the transaction that replaced it: every live link, and,
/// told to the CRM, every session.
///
/// # Errors
/// The database's, or the seal's.
pub async fn ended(
    service: &Service,
    call: &Call,
    transaction: &mut Transaction,
    person: &Person,
    credential_version: i64,
    cause: Cause,
    change_time: OffsetDateTime,
) -> Result<()> {
    resets::revoke_all(transaction, person.user_id, revoke_cause(cause)).await?;
    let event = events::credential_changed(service, person, credential_version, cause, change_time, &call.trace);
    outbox::insert(transaction, &[event]).await?;
    Ok(())
}

fn revoke_cause(cause: Cause) -> RevokeCause {
    match cause {
        Cause::UserDisabled => RevokeCause::UserDisabled,
        Cause::PasswordReset => RevokeCause::OtherLink,
        _ => RevokeCause::PasswordChanged,
    }
}

/// What a notice tells.
pub struct Change {
    /// What changed.
    pub kind: Kind,
    /// When, by the database's clock.
    pub change_time: OffsetDateTime,
    /// The code in the mail's footer.
    pub support_code: SupportCode,
}

/// Tells the person, at `recipient`, what changed; without an address nobody can be told.
///
/// # Errors
/// The database's, or the seal's.
pub async fn notify(
    service: &Service,
    call: &Call,
    transaction: &mut Transaction,
    person: &Person,
    recipient: Option<&str>,
    change: &Change,
) -> Result<()> {
    let Some(recipient) = recipient else { return Ok(()) };
    let notice = Notice {
        kind: change.kind,
        person,
        recipient,
        change_time: change.change_time,
        locale: call.requester.locale,
        device: &call.requester.device,
        support_code: &change.support_code,
    };
    let event = events::notice(service, &notice, &call.trace)?;
    outbox::insert(transaction, &[event]).await?;
    Ok(())
}
