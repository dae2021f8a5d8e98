//! Whether a relay may be tried now. After a failure of our own only one attempt at a time goes
//! through, at growing, jittered intervals of 1 to 30 seconds; the first success opens it for all.

use std::sync::Arc;
use std::time::Duration;

use runtime::{Random, backoff};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::outcome::Phase;

const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Why a relay is not tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How far the last attempt got.
    pub phase: Phase,
    /// What happened, without addresses or secrets.
    pub cause: String,
}

/// The state of a relay, as health shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It has not been tried.
    New,
    /// It works.
    Open,
    /// It failed; the next try is due at a moment.
    Closed {
        /// In a row.
        failures: u32,
        /// When one may try again.
        due: Instant,
        /// The last one.
        fault: Fault,
    },
    /// It failed, and somebody is trying.
    Probing {
        /// In a row.
        failures: u32,
        /// The last one.
        fault: Fault,
    },
}

/// Lets attempts through, or not.
pub struct Gate {
    state: watch::Sender<State>,
    random: Arc<dyn Random>,
}

/// The right to one attempt. When it is dropped without a result, the next one may try at once.
pub struct Pass<'a> {
    gate: &'a Gate,
    probe: bool,
}

impl Gate {
    /// A gate that lets everybody through.
    pub fn new(random: Arc<dyn Random>) -> Self {
        Self { state: watch::Sender::new(State::New), random }
    }

    /// Tells of every change.
    pub fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// May one try now?
    ///
    /// # Errors
    /// The last fault, when it is too early or somebody else is trying.
    pub fn enter(&self) -> Result<Pass<'_>, Fault> {
        let mut entered = Ok(Pass { gate: self, probe: false });
        self.state.send_if_modified(|state| match state {
            State::New | State::Open => false,
            State::Closed { failures, due, fault } if *due <= Instant::now() => {
                *state = State::Probing { failures: *failures, fault: fault.clone() };
                entered = Ok(Pass { gate: self, probe: true });
                true
            }
            State::Closed { fault, .. } | State::Probing { fault, .. } => {
                entered = Err(fault.clone());
                false
            }
        });
        entered
    }

    /// The fault that keeps the gate closed now, if it would let nobody through.
    pub fn fault(&self) -> Option<Fault> {
        match &*self.state.borrow() {
            State::Closed { due, fault, .. } if *due > Instant::now() => Some(fault.clone()),
            State::Probing { fault, .. } => Some(fault.clone()),
            _ => None,
        }
    }

    /// Returns when [`Gate::enter`] may let one through.
    pub async fn ready(&self) {
        let mut changes = self.state.subscribe();
        loop {
            let state = changes.borrow_and_update().clone();
            match state {
                State::New | State::Open => return,
                State::Closed { due, .. } => {
                    tokio::select! {
                        () = tokio::time::sleep_until(due) => return,
                        _ = changes.changed() => {}
                    }
                }
                State::Probing { .. } => {
                    // The sender is ours and lives.
                    let _ = changes.changed().await;
                }
            }
        }
    }

    fn close(&self, fault: Fault) {
        self.state.send_modify(|state| {
            let failures = match state {
                State::New | State::Open => 0,
                // Under way when the gate closed: together they count as one failure.
                State::Closed { failures, .. } => *failures,
                State::Probing { failures, .. } => *failures + 1,
            };
            let wait = backoff::wait(failures, FIRST_WAIT, LONGEST_WAIT, &*self.random);
            *state = State::Closed { failures, due: Instant::now() + wait, fault };
        });
    }
}

impl Pass<'_> {
    /// Whether this is the one attempt that finds out.
    pub fn is_probe(&self) -> bool {
        self.probe
    }

    /// The relay did its part, whatever became of the mail.
    pub fn works(mut self) {
        self.probe = false;
        self.gate.state.send_if_modified(|state| {
            let changed = *state != State::Open;
            *state = State::Open;
            changed
        });
    }

    /// The relay failed us.
    pub fn fails(mut self, fault: Fault) {
        self.probe = false;
        self.gate.close(fault);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.probe {
            return;
        }
        self.gate.state.send_modify(|state| {
            if let State::Probing { failures, fault } = state {
                *state = State::Closed { failures: *failures, due: Instant::now(), fault: fault.clone() };
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use runtime::SeededRandom;

    use super::*;

    fn gate() -> Gate {
        Gate::new(Arc::new(SeededRandom::new(1)))
    }

    fn fault(cause: &str) -> Fault {
        Fault { phase: Phase::Connect, cause: cause.to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_one_attempt_at_a_time_goes_through() {
        let gate = gate();
        gate.enter().unwrap().fails(fault("refused"));
        assert_eq!(gate.enter().err(), Some(fault("refused")));
        gate.ready().await;
        let probe = gate.enter().unwrap();
        assert!(probe.is_probe());
        assert!(gate.enter().is_err(), "somebody is trying");
        probe.works();
        assert!(!gate.enter().unwrap().is_probe());
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_from_a_second_to_half_a_minute() {
        let gate = gate();
        gate.enter().unwrap().fails(fault("refused"));
        let mut waits = Vec::new();
        for _ in 0..8 {
            let from = Instant::now();
            gate.ready().await;
            waits.push(from.elapsed());
            gate.enter().unwrap().fails(fault("refused"));
        }
        assert!(waits.iter().all(|wait| *wait >= Duration::from_secs(1)));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(31)));
        assert!(waits[7] >= Duration::from_secs(15));
        assert!(waits[0] <= Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_wakes_everybody_who_waits() {
        let gate = gate();
        gate.enter().unwrap().fails(fault("refused"));
        gate.ready().await;
        let probe = gate.enter().unwrap();
        let waiting = futures::future::join(gate.ready(), gate.ready());
        let (_, ()) = futures::future::join(waiting, async { probe.works() }).await;
        assert!(gate.enter().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_lets_the_next_one_try_at_once() {
        let gate = gate();
        gate.enter().unwrap().fails(fault("refused"));
        gate.ready().await;
        drop(gate.enter().unwrap());
        assert!(gate.enter().unwrap().is_probe());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_that_come_together_count_as_one() {
        let gate = gate();
        let together = [gate.enter().unwrap(), gate.enter().unwrap(), gate.enter().unwrap()];
        for pass in together {
            pass.fails(fault("lost"));
        }
        let from = Instant::now();
        gate.ready().await;
        assert!(from.elapsed() <= Duration::from_secs(3));
    }
}
