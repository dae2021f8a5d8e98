//! Where a worker reads on in its queue.
//!
//! What was claimed and is done leaves dead entries at the head of the queue's index until they are vacuumed, and a
//! claim from the head walks over all of them. So a claim begins where the last one ended. That is a hint and no more:
//! rows whose transactions end late, and rows that come due again, stand before it. So every few seconds one claim
//! begins at the head.

use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::store::Place;

/// The longest that a row may stand before the cursor.
const LIFE: Duration = Duration::from_secs(3);
/// How far back is looked once the end was reached: transactions do not end in the order in which they begin.
const SLACK: Duration = Duration::from_secs(1);

/// Where to read on.
#[derive(Default)]
pub struct Cursor {
    place: Option<Place>,
    looked: Option<Instant>,
}

impl Cursor {
    /// Behind which row to claim; none: from the head.
    pub fn place(&mut self) -> Option<Place> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LIFE) {
            self.looked = Some(Instant::now());
            return None;
        }
        self.place
    }

    /// Begins at the head with the next claim.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Notes the last row of a claim. A full one is followed at once by the next, which begins right behind it.
    pub fn moved(&mut self, last: Option<Place>, full: bool) {
        match last {
            Some(last) if full => self.place = Some(last),
            Some((due_time, _)) => self.place = self.place.max(Some((due_time - SLACK, Uuid::nil()))),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    fn at(seconds: u64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    const ID: Uuid = Uuid::from_u128(7);

    #[test]
    fn a_cursor_goes_on_and_looks_back_where_the_end_was_reached() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.place(), None, "nothing is known");
        cursor.moved(Some((at(100), ID)), true);
        assert_eq!(cursor.place(), Some((at(100), ID)));
        cursor.moved(Some((at(200), ID)), false);
        let seen = Some((at(200) - SLACK, Uuid::nil()));
        assert_eq!(cursor.place(), seen, "what ends late is seen");
        cursor.moved(None, false);
        cursor.moved(Some((at(50), ID)), false);
        assert_eq!(cursor.place(), seen, "one that stood before it does not bring it back");
    }

    #[test]
    fn from_time_to_time_it_begins_at_the_head() {
        let mut cursor = Cursor::default();
        cursor.place();
        cursor.moved(Some((at(100), ID)), true);
        cursor.looked = Instant::now().checked_sub(LIFE);
        assert_eq!(cursor.place(), None);
        assert_eq!(cursor.place(), Some((at(100), ID)), "once");
    }
}
