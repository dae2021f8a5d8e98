//! Whose fault a refusal by policy (5.7.x) is: one recipient's, or ours.
//!
//! It is about us as often as about the recipient. Several recipients refused in a row mean that the
//! relay refuses us, and then nobody's mail fails; one alone is that recipient's bounce. So the first
//! ones wait a moment for what becomes of their neighbours.

use std::time::Duration;

use lettre::Address;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// So many different recipients in a row are no coincidence.
const SEVERAL: usize = 3;
/// How long a refusal waits for its neighbours.
const PATIENCE: Duration = Duration::from_secs(2);
/// Refusals further apart than this are no row.
const ROW: Duration = Duration::from_secs(60 * 60);

/// The refusals by policy since a relay last took a mail.
pub(super) struct Doubt(watch::Sender<Row>);

#[derive(Default)]
struct Row {
    recipients: Vec<Address>,
    latest: Option<Instant>,
    /// Counts the rows, so that whoever waits knows whether his own is over.
    number: u64,
}

impl Default for Doubt {
    fn default() -> Self {
        Self(watch::Sender::new(Row::default()))
    }
}

impl Doubt {
    /// A recipient was refused: true when that is about us.
    pub(super) async fn is_about_us(&self, recipient: &Address) -> bool {
        let number = self.note(recipient);
        let mut row = self.0.subscribe();
        let known = row.wait_for(|row| row.number != number || row.recipients.len() >= SEVERAL);
        matches!(timeout(PATIENCE, known).await, Ok(Ok(row)) if row.number == number)
    }

    fn note(&self, recipient: &Address) -> u64 {
        let mut number = 0;
        self.0.send_modify(|row| {
            if row.latest.is_some_and(|latest| latest.elapsed() > ROW) {
                row.end();
            }
            row.latest = Some(Instant::now());
            if row.recipients.len() < SEVERAL && !row.recipients.contains(recipient) {
                row.recipients.push(recipient.clone());
            }
            number = row.number;
        });
        number
    }

    /// The relay took a mail.
    pub(super) fn is_over(&self) {
        self.0.send_if_modified(|row| {
            let doubted = !row.recipients.is_empty();
            if doubted {
                row.end();
            }
            doubted
        });
    }
}

impl Row {
    fn end(&mut self) {
        self.recipients.clear();
        self.number += 1;
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    fn people(count: usize) -> Vec<Address> {
        (0..count).map(|n| format!("orang{n}@kopi.example").parse().unwrap()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn one_refusal_is_the_recipients_own() {
        let doubt = Doubt::default();
        for _ in 0..5 {
            assert!(!doubt.is_about_us(&people(1)[0]).await, "the same one however often");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn several_in_a_row_are_about_us_the_first_ones_too() {
        let doubt = Doubt::default();
        let people = people(4);
        let verdicts = join_all(people.iter().map(|person| doubt.is_about_us(person))).await;
        assert_eq!(verdicts, [true; 4]);
        assert!(doubt.is_about_us(&people[0]).await, "until it takes one");
        doubt.is_over();
        assert!(!doubt.is_about_us(&people[0]).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_mail_that_is_taken_meanwhile_ends_the_row() {
        let doubt = Doubt::default();
        let people = people(3);
        let two = join_all(people[..2].iter().map(|person| doubt.is_about_us(person)));
        let (verdicts, ()) = tokio::join!(two, async { doubt.is_over() });
        assert_eq!(verdicts, [false; 2]);
        assert!(!doubt.is_about_us(&people[2]).await);
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_of_another_hour_are_forgotten() {
        let doubt = Doubt::default();
        let people = people(3);
        for person in &people {
            assert!(!doubt.is_about_us(person).await);
            tokio::time::advance(ROW).await;
        }
    }
}
