//! Which publish a returned message belongs to.
//!
//! The broker returns an unroutable message and then acknowledges it all the same. The client hands
//! a returned message to whichever confirmation it resolves next: right for one publish at a time,
//! wrong with several in flight, or when one acknowledgement covers many. Taken at its word, it
//! would call a lost message delivered. So returns are matched by message id, and a publish counts
//! as delivered only when nothing that could still hold its return is left.
//!
//! What that rests on: a return reaches the client before the acknowledgement of the same message,
//! and is handed out in order of arrival. When a confirmation came without a return, nothing was
//! left to hand out at that moment: its own return, if there was one, is with a confirmation that was
//! resolved no later. The caller makes sure that those have been noted (see `publisher`).

use std::collections::HashMap;

/// A confirmation as the client resolved it.
#[derive(Debug)]
pub(crate) struct Confirmed {
    /// The caller's own number of the publish.
    pub(crate) number: u64,
    pub(crate) message_id: String,
    pub(crate) acked: bool,
    /// The message id of the returned message it came with, whosever that is.
    pub(crate) returned: Option<String>,
}

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Unroutable,
    Refused,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Returns whose publish is not settled yet, with how many of each there are.
    returned: HashMap<String, u32>,
    unsure: Vec<Unsure>,
}

/// Acknowledged together with somebody else's return: its own may still come.
#[derive(Debug)]
struct Unsure {
    confirmed: Confirmed,
    /// Whether a batch has passed since: only the one after that was surely resolved later.
    seasoned: bool,
}

impl Ledger {
    /// Takes down what a confirmation brought, as soon as it is seen.
    pub(crate) fn note(&mut self, confirmed: &Confirmed) {
        if let Some(message_id) = &confirmed.returned {
            *self.returned.entry(message_id.clone()).or_default() += 1;
        }
    }

    /// Settles `batch`, when everything that was resolved no later has been noted. `idle` says that
    /// every publish so far is in this batch or an earlier one. Those that cannot be told yet are
    /// settled by a later call.
    pub(crate) fn settle(&mut self, batch: Vec<Confirmed>, idle: bool) -> Vec<(u64, Fate)> {
        // A confirmation without a return proves that everything returned before it was handed out.
        let drained = batch.iter().any(|confirmed| confirmed.returned.is_none());
        let mut fates = Vec::with_capacity(batch.len());
        for Unsure { confirmed, seasoned } in std::mem::take(&mut self.unsure) {
            match self.judge(&confirmed, idle || (seasoned && drained)) {
                Some(fate) => fates.push((confirmed.number, fate)),
                None => self.unsure.push(Unsure { confirmed, seasoned: true }),
            }
        }
        for confirmed in batch {
            match self.judge(&confirmed, idle || confirmed.returned.is_none()) {
                Some(fate) => fates.push((confirmed.number, fate)),
                None => self.unsure.push(Unsure { confirmed, seasoned: false }),
            }
        }
        fates
    }

    fn judge(&mut self, confirmed: &Confirmed, sure: bool) -> Option<Fate> {
        if self.take_return(&confirmed.message_id) {
            return Some(Fate::Unroutable);
        }
        if !confirmed.acked {
            return Some(Fate::Refused);
        }
        sure.then_some(Fate::Delivered)
    }

    fn take_return(&mut self, message_id: &str) -> bool {
        let Some(left) = self.returned.get_mut(message_id) else {
            return false;
        };
        *left -= 1;
        if *left == 0 {
            self.returned.remove(message_id);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acked(number: u64, returned: Option<u64>) -> Confirmed {
        let message_id = number.to_string();
        Confirmed { number, message_id, acked: true, returned: returned.map(|number| number.to_string()) }
    }

    fn settle(ledger: &mut Ledger, batch: Vec<Confirmed>, idle: bool) -> Vec<(u64, Fate)> {
        batch.iter().for_each(|confirmed| ledger.note(confirmed));
        ledger.settle(batch, idle)
    }

    #[test]
    fn an_acknowledged_publish_is_delivered() {
        let fates = settle(&mut Ledger::default(), vec![acked(1, None), acked(2, None)], false);
        assert_eq!(fates, [(1, Fate::Delivered), (2, Fate::Delivered)]);
    }

    #[test]
    fn a_returned_publish_is_unroutable_although_acknowledged() {
        let fates = settle(&mut Ledger::default(), vec![acked(1, Some(1))], false);
        assert_eq!(fates, [(1, Fate::Unroutable)]);
    }

    #[test]
    fn a_refused_publish_is_refused() {
        let refused = Confirmed { acked: false, ..acked(1, None) };
        assert_eq!(settle(&mut Ledger::default(), vec![refused], false), [(1, Fate::Refused)]);
    }

    #[test]
    fn a_return_counts_for_its_own_publish_in_the_same_batch() {
        let fates = settle(&mut Ledger::default(), vec![acked(1, Some(2)), acked(2, None)], false);
        assert_eq!(fates, [(2, Fate::Unroutable)]);
        let fates = settle(&mut Ledger::default(), vec![acked(1, Some(2)), acked(2, None)], true);
        assert_eq!(fates, [(1, Fate::Delivered), (2, Fate::Unroutable)]);
    }

    #[test]
    fn a_return_seen_while_a_batch_waits_counts_for_the_batch() {
        let mut ledger = Ledger::default();
        let batch = vec![acked(2, None)];
        let later = acked(1, Some(2));
        batch.iter().chain([&later]).for_each(|confirmed| ledger.note(confirmed));
        assert_eq!(ledger.settle(batch, false), [(2, Fate::Unroutable)]);
    }

    #[test]
    fn a_publish_confirmed_with_anothers_return_may_still_get_its_own() {
        let mut ledger = Ledger::default();
        assert_eq!(settle(&mut ledger, vec![acked(1, Some(2))], false), []);
        let fates = settle(&mut ledger, vec![acked(2, Some(1))], false);
        assert_eq!(fates, [(1, Fate::Unroutable), (2, Fate::Unroutable)]);
    }

    #[test]
    fn a_publish_confirmed_with_anothers_return_is_delivered_once_no_return_is_left() {
        let mut ledger = Ledger::default();
        assert_eq!(settle(&mut ledger, vec![acked(1, Some(2))], false), []);
        assert_eq!(settle(&mut ledger, vec![acked(2, None)], false), [(2, Fate::Unroutable)]);
        assert_eq!(settle(&mut ledger, vec![acked(3, None)], false), [(1, Fate::Delivered), (3, Fate::Delivered)]);
    }

    #[test]
    fn each_of_two_equal_publishes_takes_one_return() {
        let again = Confirmed { number: 2, ..acked(1, Some(1)) };
        let mut ledger = Ledger::default();
        let fates = settle(&mut ledger, vec![acked(1, Some(1)), again], false);
        assert_eq!(fates, [(1, Fate::Unroutable), (2, Fate::Unroutable)]);
        assert!(ledger.returned.is_empty());
    }
}
