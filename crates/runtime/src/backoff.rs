//! Waits that grow and are never the same twice, so that many waiters do not come at once.

use std::time::Duration;

use crate::Random;

/// The wait before try number `tries` (from 0): twice the last one, up to `longest`, of which the
/// upper half is by chance. Never shorter than half of `first`.
pub fn wait(tries: u32, first: Duration, longest: Duration, random: &dyn Random) -> Duration {
    let whole = first.saturating_mul(1 << tries.min(16)).min(longest);
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    let share = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
    whole.mul_f64(0.5 + 0.5 * share)
}

#[cfg(test)]
mod tests {
    use crate::SeededRandom;

    use super::*;

    #[test]
    fn waits_grow_to_their_limit() {
        let random = SeededRandom::new(1);
        let (first, longest) = (Duration::from_secs(2), Duration::from_secs(30));
        for (tries, least, most) in [(0, 1, 2), (1, 2, 4), (3, 8, 16), (4, 15, 30), (40, 15, 30)] {
            let wait = wait(tries, first, longest, &random);
            assert!(wait >= Duration::from_secs(least) && wait <= Duration::from_secs(most));
        }
    }
}
