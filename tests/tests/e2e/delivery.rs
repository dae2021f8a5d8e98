//! What the mail server says, and what becomes of a mail by it.

mod deferred;
mod held;
mod refused;
mod revoked;
mod silence;
mod statuses;

use proto::identity::v1::{DeliveryAttempt, DeliveryState};

/// An attempt's outcome, phase, reply code and enhanced code.
fn told(attempt: &DeliveryAttempt) -> (DeliveryState, &str, u32, &str) {
    (attempt.outcome(), attempt.phase.as_str(), attempt.smtp_code, attempt.enhanced_code.as_str())
}

/// A moment as seconds since 1970.
fn seconds(time: Option<&prost_types::Timestamp>) -> f64 {
    let time = time.expect("the moment is set");
    #[expect(clippy::cast_precision_loss, reason = "seconds of this century are far below 2^53")]
    let whole = time.seconds as f64;
    whole + f64::from(time.nanos) / 1e9
}
