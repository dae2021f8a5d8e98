//! The short way from the issuer to the relay of the same process: events go on in memory, and nobody looks for them in
//! the outbox.
//!
//! Their rows are written with a lease, as if the relay had claimed them. When it does not come to them, or the process
//! ends, the lease does too, and they are claimed like all others.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::store::outbox::Claimed;

/// What has waited longer since its lease began is not published, so that the lease outlasts a confirm.
const FRESH: Duration = Duration::from_secs(1);
/// What has waited even longer may be another relay's by the time it is given back: its lease ends by itself.
const OURS: Duration = Duration::from_secs(6);
/// Events that may wait here; more are left to claims.
const ROOM: usize = 512;

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
        let state = self.lock();
        state.open && state.events.len() < ROOM
    }

    /// Hands over events whose leases began not before `leased`.
    pub fn hand(&self, leased: Instant, events: impl IntoIterator<Item = Claimed>) {
        self.lock().events.extend(events.into_iter().map(|event| (leased, event)));
        self.bell.notify_one();
    }

    /// Takes what was handed over: what is to be published, and what has waited for too long and is to be given back.
    pub fn take(&self) -> (Vec<Claimed>, Vec<Uuid>) {
        let taken = std::mem::take(&mut self.lock().events);
        let (fresh, stale): (Vec<_>, Vec<_>) = taken.into_iter().partition(|(leased, _)| leased.elapsed() < FRESH);
        let stale = stale.into_iter().filter(|(leased, _)| leased.elapsed() < OURS);
        (fresh.into_iter().map(|(_, event)| event).collect(), stale.map(|(_, event)| event.event_id).collect())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

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
    fn what_was_handed_over_is_taken_once_and_what_waited_for_long_is_given_back() {
        let handover = Handover::default();
        assert!(!handover.is_open(), "until a relay says so");
        handover.set_open(true);
        assert!(handover.is_open());
        let now = Instant::now();
        handover.hand(now - OURS, [event(0)]);
        handover.hand(now - FRESH, [event(1)]);
        handover.hand(now, [event(2), event(3)]);
        let (fresh, stale) = handover.take();
        assert_eq!(fresh.iter().map(|event| event.event_id.as_u128()).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(stale, [Uuid::from_u128(1)]);
        let (fresh, stale) = handover.take();
        assert!(fresh.is_empty() && stale.is_empty());
    }
}
