//! From an error to a gRPC status: one code and one reason each, with google.rpc details, and never an
//! internal cause.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, LocalizedMessage, StatusExt as _};

use crate::domain::locale::Locale;
use crate::domain::messages::{Reason, message};
use crate::domain::violation::Problem;
use crate::ops::Error;
use crate::ops::call::Scope;

/// Domain of every ErrorInfo.
pub const DOMAIN: &str = "sandi.identity";

/// The status code of a reason.
pub fn code(reason: Reason) -> Code {
    match reason {
        Reason::FieldInvalid | Reason::PasswordRejected | Reason::ConfirmationMismatch => Code::InvalidArgument,
        Reason::ResetTokenInvalid
        | Reason::PasswordMismatch
        | Reason::UserDisabled
        | Reason::LastOwner
        | Reason::ResetEnded => Code::FailedPrecondition,
        Reason::CallerUnknown | Reason::ActorInvalid => Code::Unauthenticated,
        Reason::ScopeMissing | Reason::ActorNotAllowed => Code::PermissionDenied,
        Reason::UserNotFound | Reason::OrganizationNotFound | Reason::ResetNotFound => Code::NotFound,
        Reason::UsernameTaken | Reason::SlugTaken => Code::AlreadyExists,
        Reason::RateLimited | Reason::HasherBusy | Reason::MessageTooLarge => Code::ResourceExhausted,
        Reason::DependencyUnavailable => Code::Unavailable,
        Reason::IdempotencyMismatch => Code::Aborted,
        Reason::DeadlineExceeded => Code::DeadlineExceeded,
        Reason::MethodUnknown => Code::Unimplemented,
        Reason::Internal => Code::Internal,
    }
}

/// A status with nothing but its reason and, where it helps, when to come back.
pub fn plain(reason: Reason, locale: Locale, retry_after: Option<Duration>) -> Status {
    build(reason, locale, retry_after, Vec::new(), HashMap::new())
}

/// The status of a caller that lacks a scope; it is told which.
pub fn scope_missing(scope: Scope, locale: Locale) -> Status {
    let metadata = HashMap::from([("scope".to_owned(), scope.name().to_owned())]);
    build(Reason::ScopeMissing, locale, None, Vec::new(), metadata)
}

/// The status of a health check of a service that is not here: its code is of grpc.health.v1.
pub fn no_such_service() -> Status {
    let reason = Reason::MethodUnknown;
    let details = ErrorDetails::with_error_info(reason.as_str(), DOMAIN, HashMap::new());
    Status::with_error_details(Code::NotFound, "there is no such service here", details)
}

/// The status of a body that no message can be read from.
pub fn undecodable_body(locale: Locale) -> Status {
    of(&Error::field("body", Problem::NotDecodable), locale, "")
}

/// The status of an operation's error. `password_field` is the field a new password came in.
pub fn of(error: &Error, locale: Locale, password_field: &str) -> Status {
    if let Error::ScopeMissing(scope) = error {
        return scope_missing(*scope, locale);
    }
    let violations = violations(error, locale, password_field);
    build(error.reason(), locale, error.retry_after(), violations, HashMap::new())
}

fn violations(error: &Error, locale: Locale, password_field: &str) -> Vec<FieldViolation> {
    let violation = |field: &str, description: String, reason: &str, text: String| FieldViolation {
        field: field.into(),
        description,
        reason: reason.into(),
        localized_message: Some(LocalizedMessage { locale: locale.as_str().into(), message: text }),
    };
    match error {
        Error::Fields(fields) => fields
            .as_slice()
            .iter()
            .map(|bad| violation(&bad.field, bad.description(), bad.reason(), bad.text(locale)))
            .collect(),
        Error::PasswordRejected { rules, policy } => rules
            .iter()
            .map(|rule| {
                violation(password_field, rule.text(Locale::En, policy), rule.as_str(), rule.text(locale, policy))
            })
            .collect(),
        Error::ConfirmationMismatch => {
            let reason = Reason::ConfirmationMismatch;
            let english = message(reason, Locale::En, None);
            vec![violation("confirm_password", english, reason.as_str(), message(reason, locale, None))]
        }
        _ => Vec::new(),
    }
}

fn build(
    reason: Reason,
    locale: Locale,
    retry_after: Option<Duration>,
    violations: Vec<FieldViolation>,
    metadata: HashMap<String, String>,
) -> Status {
    let mut details = ErrorDetails::with_error_info(reason.as_str(), DOMAIN, metadata);
    if let Some(retry_after) = retry_after {
        details.set_retry_info(Some(retry_after));
    }
    if !violations.is_empty() {
        details.set_bad_request(violations);
    }
    details.set_localized_message(locale.as_str(), message(reason, locale, retry_after));
    // The English words are for the caller's developers; the localized ones are for people.
    Status::with_error_details(code(reason), message(reason, Locale::En, retry_after), details)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/errors.md");

    #[test]
    fn the_page_of_errors_says_the_code_of_each_reason() {
        for reason in Reason::ALL {
            let row = format!("| `{}` | {} |", reason.as_str(), proto::code_name(code(*reason)));
            assert_eq!(PAGE.matches(&row).count(), 1, "docs/errors.md: {row}");
        }
    }
}
