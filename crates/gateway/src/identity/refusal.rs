//! Why a call was refused, in a form that pages can speak of.

use std::error::Error as _;
use std::time::Duration;

use proto::identity::v1::ErrorReason;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why; decide by it.
    pub reason: ErrorReason,
    /// The service's own words to the person, if it has some.
    pub message: Option<String>,
    /// What is wrong with which field, in words to the person.
    pub violations: Vec<Violation>,
    /// When to come back.
    pub retry_after: Option<Duration>,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field of the request.
    pub field: String,
    /// What is wrong with it, in the language of the request.
    pub text: String,
}

impl Refusal {
    /// True when the service cannot be had now: nothing is wrong with what the person did.
    pub fn is_away(&self) -> bool {
        matches!(self.reason, ErrorReason::DependencyUnavailable | ErrorReason::DeadlineExceeded)
    }

    /// True when the person, or everybody, has to wait.
    pub fn must_wait(&self) -> bool {
        matches!(self.reason, ErrorReason::RateLimited | ErrorReason::HasherBusy)
    }

    /// True when nothing that the person did can be the cause, and an operator has to look: also when the service does
    /// not know us, or grants us too little.
    pub fn is_ours(&self) -> bool {
        matches!(
            self.reason,
            ErrorReason::Internal | ErrorReason::CallerUnknown | ErrorReason::ScopeMissing | ErrorReason::MethodUnknown
        )
    }

    /// There is no such user, or not for whoever asks.
    pub fn absent_user() -> Self {
        Self::plain(ErrorReason::UserNotFound)
    }

    /// Whoever asks has asked too much already, as we count it: the service is not asked.
    pub(super) fn wait(wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::plain(ErrorReason::RateLimited) }
    }

    /// A refusal that says no more than why.
    pub(super) fn plain(reason: ErrorReason) -> Self {
        Self { reason, message: None, violations: Vec::new(), retry_after: None }
    }
}

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let named = details.error_info().and_then(|info| {
            let name = format!("ERROR_REASON_{}", info.reason);
            ErrorReason::from_str_name(&name)
        });
        let violations = details.bad_request().map(|bad| bad.field_violations.as_slice()).unwrap_or_default();
        Self {
            reason: named.unwrap_or_else(|| unexplained(status)),
            message: details.localized_message().map(|localized| localized.message.clone()),
            violations: violations
                .iter()
                .map(|violation| Violation {
                    field: violation.field.clone(),
                    text: match &violation.localized_message {
                        Some(localized) => localized.message.clone(),
                        None => violation.description.clone(),
                    },
                })
                .collect(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }
}

/// Whether our own side of the connection made this status, whatever its code: the service went away in the middle,
/// and has said nothing. What the service says has no source here.
pub(super) fn is_lost(status: &Status) -> bool {
    status.source().is_some()
}

/// The reason of a status that the service did not explain.
fn unexplained(status: &Status) -> ErrorReason {
    match status.code() {
        _ if is_lost(status) => ErrorReason::DependencyUnavailable,
        Code::Unavailable => ErrorReason::DependencyUnavailable,
        Code::DeadlineExceeded | Code::Cancelled => ErrorReason::DeadlineExceeded,
        _ => ErrorReason::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_the_service_being_away() {
        let refusal = Refusal::from(&Status::unavailable("tcp connect error"));
        assert_eq!(refusal.reason, ErrorReason::DependencyUnavailable);
        assert!(refusal.is_away() && !refusal.must_wait());
    }

    #[test]
    fn a_connection_lost_in_the_middle_is_the_service_being_away_whatever_the_code() {
        let broken = std::io::Error::other("connection reset by peer");
        let mut internal = Status::internal("h2 protocol error");
        internal.set_source(std::sync::Arc::new(std::io::Error::other("stream closed")));
        for status in [Status::from_error(Box::new(broken)), internal] {
            assert_eq!(Refusal::from(&status).reason, ErrorReason::DependencyUnavailable, "{status:?}");
        }
    }

    #[test]
    fn what_nobody_explains_is_our_fault() {
        let refusal = Refusal::from(&Status::unknown("h2 protocol error"));
        assert_eq!(refusal.reason, ErrorReason::Internal);
        assert!(!refusal.is_away());
    }
}
