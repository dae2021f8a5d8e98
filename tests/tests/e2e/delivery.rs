//! What the mail server says, and what becomes of a mail by it.

mod bounces;
mod deferred;
mod held;
mod moods;
mod neighbours;
mod parked;
mod postfix;
mod refused;
mod revoked;
mod silence;
mod statuses;

use proto::identity::v1::{DeliveryAttempt, DeliveryState};
use testbed::{ports, smtp::Sink};

use crate::waiting::until;

/// An attempt's outcome, phase, reply code and enhanced code.
fn told(attempt: &DeliveryAttempt) -> (DeliveryState, &str, u32, &str) {
    (attempt.outcome(), attempt.phase.as_str(), attempt.smtp_code, attempt.enhanced_code.as_str())
}

/// A mail server of a test alone, so that it can be stopped.
async fn relay(port: u16) -> Sink {
    // The port may still be closing.
    until("the port is free", async || Sink::start(ports::loopback(port), None).await.ok()).await
}

/// A moment as seconds since 1970.
fn seconds(time: Option<&prost_types::Timestamp>) -> f64 {
    let time = time.expect("the moment is set");
    #[expect(clippy::cast_precision_loss, reason = "seconds of this century are far below 2^53")]
    let whole = time.seconds as f64;
    whole + f64::from(time.nanos) / 1e9
}
