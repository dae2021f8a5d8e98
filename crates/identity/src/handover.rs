//! The short way from the issuer to the relay of the same process: events go on in memory, and nobody looks for them in
//! the outbox.
//!
//! Their rows are written with a lease, as if the relay had claimed them. When it does not come to them, or the process
//! ends, the lease does too, and they are claimed like all others.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::store::outbox::Claimed;

/// What has waited longer since its lease began is left to the end of that, so that the lease outlasts a confirm.
const FRESH: Duration = Duration::from_secs(1);

/// The place between the two.
#[derive(Default)]
pub struct Handover {
    state: Mutex<State>,
    /// Rung when events were handed over.
    pub bell: Notify,
}

#[derive(Default)]
struct State {
    open: bool,
    events: Vec<(Instant, Claimed)>,
}

impl Handover {
    /// The relay says whether it takes more.
    pub fn set_open(&self, open: bool) {
        self.lock().open = open;
    }

    /// Whether events may be written for the relay. It is asked before they are, and then answers for them.
    pub fn is_open(&self) -> bool {
        self.lock().open
    }

    /// Hands over events whose leases began not before `leased`.
    pub fn hand(&self, leased: Instant, events: impl IntoIterator<Item = Claimed>) {
        self.lock().events.extend(events.into_iter().map(|event| (leased, event)));
        self.bell.notify_one();
    }

    /// Takes what was handed over.
    pub fn take(&self) -> Vec<Claimed> {
        let taken = std::mem::take(&mut self.lock().events);
        taken.into_iter().filter(|(leased, _)| leased.elapsed() < FRESH).map(|(_, event)| event).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;
    use crate::store::outbox::NewEvent;

    fn event(number: u128) -> Claimed {
        let event = NewEvent {
            event_id: Uuid::from_u128(number),
            routing_key: "identity.reset.requested.v1",
            organization_id: Uuid::nil(),
            header: Vec::new(),
            body: Vec::new(),
            expire_time: None,
            traceparent: None,
            tracestate: None,
        };
        Claimed::leased(event, OffsetDateTime::UNIX_EPOCH)
    }

    #[test]
    fn what_was_handed_over_is_taken_once_and_what_waited_for_long_is_left_to_its_lease() {
        let handover = Handover::default();
        assert!(!handover.is_open(), "until a relay says so");
        handover.set_open(true);
        assert!(handover.is_open());
        let now = Instant::now();
        handover.hand(now - FRESH, [event(1)]);
        handover.hand(now, [event(2), event(3)]);
        let taken: Vec<u128> = handover.take().iter().map(|event| event.event_id.as_u128()).collect();
        assert_eq!(taken, [2, 3]);
        assert!(handover.take().is_empty());
    }
}
