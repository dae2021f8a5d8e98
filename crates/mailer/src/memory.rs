//! What became of recent events, so that a message that comes twice is not mailed twice.
//!
//! Only this process remembers: mails go out twice at most when a mailer is killed between the
//! mail server's answer and the broker's acknowledgement.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::mailer::events::v1::MailStatus;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::time::Instant;
use uuid::Uuid;

use crate::outcome::Outcome;

/// Events remembered; about 30 MB.
const CAPACITY: usize = 100_000;
/// For how long: the longest link life and an hour.
const LIFE: Duration = Duration::from_secs(25 * 60 * 60);

/// What the last attempt of an event came to.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its outcome.
    pub outcome: Outcome,
    /// As it was reported.
    pub status: MailStatus,
}

impl Known {
    /// Whether this answers for attempt number `attempt` too: the same or an older one, or any
    /// once the mail server took the mail or refused it for good. What was parked is looked at again:
    /// whoever replays it has mended the cause.
    pub fn answers(&self, attempt: u32) -> bool {
        self.outcome.is_settled() || (self.outcome != Outcome::Parked && self.status.attempt >= attempt)
    }
}

type Slot = Arc<AsyncMutex<Option<Known>>>;

/// The right to handle an event: whoever else has a message of the same event waits.
pub type Turn = OwnedMutexGuard<Option<Known>>;

/// Recent events.
pub struct Memory {
    entries: Mutex<Entries>,
    capacity: usize,
}

#[derive(Default)]
struct Entries {
    slots: HashMap<Uuid, Slot>,
    order: VecDeque<(Instant, Uuid)>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::of(CAPACITY)
    }
}

impl Memory {
    fn of(capacity: usize) -> Self {
        Self { entries: Mutex::default(), capacity }
    }

    /// Waits for one's turn at an event.
    pub async fn turn(&self, event_id: Uuid) -> Turn {
        let slot = self.slot(event_id);
        slot.lock_owned().await
    }

    fn slot(&self, event_id: Uuid) -> Slot {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = entries.slots.get(&event_id) {
            return slot.clone();
        }
        entries.forget(self.capacity - 1);
        entries.order.push_back((Instant::now(), event_id));
        entries.slots.entry(event_id).or_default().clone()
    }
}

impl Entries {
    /// Forgets what is too old, and the oldest beyond `keep`.
    fn forget(&mut self, keep: usize) {
        while let Some((since, event_id)) = self.order.front() {
            if self.order.len() <= keep && since.elapsed() < LIFE {
                return;
            }
            self.slots.remove(event_id);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::outcome::Bounce;

    fn known(outcome: Outcome, attempt: u32) -> Known {
        Known { outcome, status: MailStatus { attempt, ..MailStatus::default() } }
    }

    #[rstest]
    #[case(Outcome::Deferred, 1, 1, true)]
    #[case(Outcome::Deferred, 1, 2, false)]
    #[case(Outcome::Deferred, 2, 1, true)]
    #[case(Outcome::Unknown, 1, 2, false)]
    #[case(Outcome::Sent, 1, 2, true)]
    #[case(Outcome::Bounced(Bounce::Address), 1, 9, true)]
    #[case(Outcome::Parked, 1, 1, false)]
    fn the_last_attempt_answers_for_older_ones_and_a_settled_one_for_all(
        #[case] outcome: Outcome,
        #[case] last: u32,
        #[case] attempt: u32,
        #[case] answers: bool,
    ) {
        assert_eq!(known(outcome, last).answers(attempt), answers);
    }

    #[tokio::test]
    async fn the_second_message_of_an_event_waits_for_the_first() {
        let memory = Memory::default();
        let id = Uuid::from_u128(1);
        let mut first = memory.turn(id).await;
        let second = memory.turn(id);
        tokio::pin!(second);
        assert!(futures::poll!(second.as_mut()).is_pending());
        *first = Some(known(Outcome::Sent, 1));
        drop(first);
        assert!(second.await.as_ref().unwrap().answers(1));
        assert!(memory.turn(Uuid::from_u128(2)).await.is_none(), "another event does not wait");
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_are_forgotten_beyond_the_capacity_and_after_a_day() {
        let memory = Memory::of(2);
        for n in 1..=3 {
            *memory.turn(Uuid::from_u128(n)).await = Some(known(Outcome::Sent, 1));
        }
        let remembered = |n| memory.entries.lock().unwrap().slots.contains_key(&Uuid::from_u128(n));
        assert_eq!([remembered(1), remembered(2), remembered(3)], [false, true, true]);
        tokio::time::advance(LIFE).await;
        memory.turn(Uuid::from_u128(4)).await;
        assert_eq!([remembered(2), remembered(3), remembered(4)], [false, false, true]);
    }
}
