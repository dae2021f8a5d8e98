//! Everything an operation can end in but success.

use std::time::Duration;

use super::call::Scope;
use crate::domain::messages::Reason;
use crate::domain::password::{PasswordPolicy, PasswordRule};
use crate::domain::violation::{Problem, Violation, Violations};
use crate::events::EventError;
use crate::hasher::HasherError;
use crate::store::StoreError;

/// A result of an operation.
pub type Result<T> = std::result::Result<T, Error>;

/// When a caller should come back to a database that is away.
const DEPENDENCY_RETRY: Duration = Duration::from_secs(1);

/// What the caller is told stands in [`Error::reason`]; the sources are for our own log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields are malformed; all of them are named.
    #[error("fields are malformed")]
    Fields(Violations),
    /// The new password breaks rules.
    #[error("the password was rejected")]
    PasswordRejected {
        /// Which ones.
        rules: Vec<PasswordRule>,
        /// The policy they belong to.
        policy: PasswordPolicy,
    },
    /// The confirmation is not the new password.
    #[error("the confirmation differs")]
    ConfirmationMismatch,
    /// Wrong current password, or a failed log-in of any kind.
    #[error("the password does not match")]
    PasswordMismatch,
    /// The link is wrong, used, expired or revoked.
    #[error("the link is not valid")]
    ResetTokenInvalid,
    /// The caller lacks a scope.
    #[error("a scope is missing")]
    ScopeMissing(Scope),
    /// The actor is not a person who may act.
    #[error("the actor is not valid")]
    ActorInvalid,
    /// The actor may not do this.
    #[error("the actor is not allowed")]
    ActorNotAllowed,
    /// Absent, or of another organisation.
    #[error("no such user")]
    UserNotFound,
    /// Absent, or another than the actor's.
    #[error("no such organisation")]
    OrganizationNotFound,
    /// Absent, or of another organisation.
    #[error("no such reset")]
    ResetNotFound,
    /// The user is disabled.
    #[error("the user is disabled")]
    UserDisabled,
    /// The username is taken.
    #[error("the username is taken")]
    UsernameTaken,
    /// The slug is taken.
    #[error("the slug is taken")]
    SlugTaken,
    /// Too many calls.
    #[error("too many calls")]
    RateLimited {
        /// When to come back.
        retry_after: Duration,
    },
    /// The hashing queue is full.
    #[error("the hasher is busy")]
    HasherBusy {
        /// When to come back.
        retry_after: Duration,
    },
    /// The key was used for another request.
    #[error("the idempotency key belongs to another request")]
    IdempotencyMismatch,
    /// The deadline passed.
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// An organisation keeps its last owner.
    #[error("the last owner")]
    LastOwner,
    /// The link is over already.
    #[error("the link is over")]
    ResetEnded,
    /// The database is away, or transactions kept colliding.
    #[error("the database is not available")]
    Unavailable(#[source] StoreError),
    /// A mistake of ours.
    #[error("internal")]
    Internal(#[source] anyhow::Error),
}

impl Error {
    /// One bad field.
    pub fn field(name: &str, problem: Problem) -> Self {
        Self::Fields(Violation { field: name.into(), problem }.into())
    }

    /// What the caller's program reads.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Fields(_) => Reason::FieldInvalid,
            Self::PasswordRejected { .. } => Reason::PasswordRejected,
            Self::ConfirmationMismatch => Reason::ConfirmationMismatch,
            Self::PasswordMismatch => Reason::PasswordMismatch,
            Self::ResetTokenInvalid => Reason::ResetTokenInvalid,
            Self::ScopeMissing(_) => Reason::ScopeMissing,
            Self::ActorInvalid => Reason::ActorInvalid,
            Self::ActorNotAllowed => Reason::ActorNotAllowed,
            Self::UserNotFound => Reason::UserNotFound,
            Self::OrganizationNotFound => Reason::OrganizationNotFound,
            Self::ResetNotFound => Reason::ResetNotFound,
            Self::UserDisabled => Reason::UserDisabled,
            Self::UsernameTaken => Reason::UsernameTaken,
            Self::SlugTaken => Reason::SlugTaken,
            Self::RateLimited { .. } => Reason::RateLimited,
            Self::HasherBusy { .. } => Reason::HasherBusy,
            Self::IdempotencyMismatch => Reason::IdempotencyMismatch,
            Self::DeadlineExceeded => Reason::DeadlineExceeded,
            Self::LastOwner => Reason::LastOwner,
            Self::ResetEnded => Reason::ResetEnded,
            Self::Unavailable(_) => Reason::DependencyUnavailable,
            Self::Internal(_) => Reason::Internal,
        }
    }

    /// When to come back, if coming back helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::HasherBusy { retry_after } => Some(*retry_after),
            Self::Unavailable(_) => Some(DEPENDENCY_RETRY),
            _ => None,
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Collision(_) => Self::Unavailable(error),
            StoreError::Taken { .. } | StoreError::Other(_) => Self::Internal(error.into()),
        }
    }
}

impl From<HasherError> for Error {
    fn from(error: HasherError) -> Self {
        match error {
            HasherError::Busy { retry_after } => Self::HasherBusy { retry_after },
            HasherError::Gone => Self::DeadlineExceeded,
        }
    }
}

impl From<EventError> for Error {
    fn from(error: EventError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<Violations> for Error {
    fn from(violations: Violations) -> Self {
        Self::Fields(violations)
    }
}
