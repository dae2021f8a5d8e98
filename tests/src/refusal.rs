//! What a refused call says, in a form to compare.

use std::time::Duration;

use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The gRPC code.
    pub code: Code,
    /// `ErrorInfo.reason`; empty when there is none.
    pub reason: String,
    /// `ErrorInfo.domain`.
    pub domain: String,
    /// Field and reason of each `BadRequest` violation, in the order given.
    pub violations: Vec<(String, String)>,
    /// Locale and text of `LocalizedMessage`.
    pub localized: Option<(String, String)>,
    /// `RetryInfo.retry_delay`.
    pub retry_after: Option<Duration>,
}

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        let violations = details.bad_request().map(|bad| &bad.field_violations[..]).unwrap_or_default();
        Self {
            code: status.code(),
            reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
            domain: info.map(|info| info.domain.clone()).unwrap_or_default(),
            violations: violations.iter().map(|it| (it.field.clone(), it.reason.clone())).collect(),
            localized: details.localized_message().map(|it| (it.locale.clone(), it.message.clone())),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }
}

impl Refusal {
    /// The names of the refused fields, in the order given.
    pub fn fields(&self) -> Vec<&str> {
        self.violations.iter().map(|(field, _)| field.as_str()).collect()
    }

    /// The reasons of the violations, in the order given.
    pub fn rules(&self) -> Vec<&str> {
        self.violations.iter().map(|(_, reason)| reason.as_str()).collect()
    }
}

/// The refusal of a call that must be refused.
///
/// # Panics
/// When it succeeded.
#[track_caller]
pub fn refused<T>(outcome: Result<Response<T>, Status>) -> Refusal {
    match outcome {
        Ok(_) => panic!("the call succeeded"),
        Err(status) => Refusal::from(&status),
    }
}
