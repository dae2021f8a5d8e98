//! Randomness as a parameter, so that tests own it.

use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::clock::Clock;

/// Gives random bytes.
pub trait Random: Send + Sync + 'static {
    /// Fills all of `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator, fit for tokens, salts and keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    /// # Panics
    /// When the operating system has no randomness to give: nothing safe can be done then.
    #[expect(clippy::disallowed_methods, reason = "the one place that draws from the operating system")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// The same bytes for the same seed (SplitMix64). For tests, never for secrets.
#[derive(Debug)]
pub struct SeededRandom(Mutex<u64>);

impl SeededRandom {
    /// A generator that starts at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = *state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^= word >> 31;
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A new id that sorts by time (UUID version 7, RFC 9562). An id, never a secret: its first half
/// is the time in milliseconds.
pub fn uuid_v7(clock: &dyn Clock, random: &dyn Random) -> Uuid {
    let milliseconds = clock.now().unix_timestamp_nanos() / 1_000_000;
    let mut bytes = [0; 10];
    random.fill(&mut bytes);
    // A clock before 1970 gives zero, which still makes a valid id.
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(milliseconds).unwrap_or(0), &bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::clock::FixedClock;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let draw = |seed| {
            let mut bytes = [0; 19];
            SeededRandom::new(seed).fill(&mut bytes);
            bytes
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn the_system_fills_all_of_the_bytes() {
        let mut bytes = [0; 64];
        SystemRandom.fill(&mut bytes);
        assert!(bytes.iter().any(|byte| *byte != 0));
    }

    #[test]
    fn ids_carry_the_time_and_sort_by_it() {
        let clock = FixedClock::new(OffsetDateTime::UNIX_EPOCH);
        let random = SeededRandom::new(1);
        let first = uuid_v7(&clock, &random);
        clock.advance(std::time::Duration::from_millis(1));
        let second = uuid_v7(&clock, &random);
        assert_eq!(first.get_version_num(), 7);
        assert!(first < second);
    }
}
