//! What parameters of Argon2id cost on this machine.

use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};

use super::memory::Memory;
use super::{SALT_BYTES, TAG_BYTES};

/// The weakest that the settings take (OWASP Password Storage), as memory in KiB and passes.
pub const FLOOR: Choice = Choice { memory_kib: 19_456, iterations: 2 };
/// Memory that is tried, in KiB, and passes over it.
const MEMORY: [u32; 7] = [19_456, 32_768, 47_104, 65_536, 98_304, 131_072, 262_144];
const ITERATIONS: [u32; 3] = [2, 3, 4];
/// How long each is tried for, and how often at least.
const TRIAL: Duration = Duration::from_millis(400);
const HASHES: u32 = 3;

/// Parameters with one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Memory of one hash in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
}

/// What they cost while every thread hashes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// The parameters.
    pub choice: Choice,
    /// One hash.
    pub time: Duration,
    /// Hashes in a second, of all threads.
    pub rate: f64,
    /// Memory of all threads in MiB.
    pub memory_mib: u64,
}

/// Measures from the weakest on what may be within `target`, telling `progress` how far it is, of how many.
pub fn measure(threads: usize, target: Duration, mut progress: impl FnMut(usize, usize)) -> Vec<Cost> {
    let mut costs = Vec::new();
    let all = MEMORY.len() * ITERATIONS.len();
    'all: for (row, memory_kib) in MEMORY.into_iter().enumerate() {
        for (column, iterations) in ITERATIONS.into_iter().enumerate() {
            progress(row * ITERATIONS.len() + column, all);
            let cost = cost(threads, Choice { memory_kib, iterations });
            let over = cost.time > target;
            costs.push(cost);
            if over && column == 0 {
                // More memory takes longer still.
                break 'all;
            }
            if over {
                // And so do more passes.
                break;
            }
        }
    }
    progress(all, all);
    costs
}

/// The strongest within the target: the one that costs an attacker most memory times passes (RFC 9106), of equals the
/// one with more memory. Never below the floor, however slow the machine is.
pub fn choose(costs: &[Cost], target: Duration) -> Choice {
    let strength = |choice: Choice| (u64::from(choice.memory_kib) * u64::from(choice.iterations), choice.memory_kib);
    let within = costs.iter().filter(|cost| cost.time <= target).map(|cost| cost.choice);
    within.max_by_key(|choice| strength(*choice)).unwrap_or(FLOOR)
}

fn cost(threads: usize, choice: Choice) -> Cost {
    let begun = Instant::now();
    let hashes: u32 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| hash_for_a_while(choice))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or_default()).sum()
    });
    let rate = f64::from(hashes.max(1)) / begun.elapsed().as_secs_f64();
    Cost {
        choice,
        time: Duration::from_secs_f64(threads as f64 / rate),
        rate,
        memory_mib: u64::from(choice.memory_kib) * threads as u64 / 1024,
    }
}

fn hash_for_a_while(choice: Choice) -> u32 {
    let parameters = Params::new(choice.memory_kib, choice.iterations, 1, Some(TAG_BYTES));
    let parameters = parameters.expect("RFC 9106 allows them");
    let blocks = parameters.block_count();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    let mut memory = Memory::default();
    memory.blocks(blocks);
    let (begun, mut hashes) = (Instant::now(), 0);
    while hashes < HASHES || begun.elapsed() < TRIAL {
        let mut tag = [0; TAG_BYTES];
        argon2
            .hash_password_into_with_memory(
                b"kuda laut di padang rumput",
                &[7; SALT_BYTES],
                &mut tag,
                memory.blocks(blocks),
            )
            .expect("the lengths are those that Argon2 accepts");
        std::hint::black_box(tag);
        hashes += 1;
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(memory_kib: u32, iterations: u32, milliseconds: u64) -> Cost {
        let choice = Choice { memory_kib, iterations };
        Cost { choice, time: Duration::from_millis(milliseconds), rate: 1.0, memory_mib: 1 }
    }

    #[test]
    fn the_strongest_within_the_target_is_chosen_and_never_less_than_the_floor() {
        let costs = [cost(19_456, 2, 15), cost(19_456, 4, 29), cost(32_768, 2, 28), cost(65_536, 2, 60)];
        let target = Duration::from_millis;
        assert_eq!(choose(&costs, target(30)), Choice { memory_kib: 19_456, iterations: 4 });
        assert_eq!(choose(&costs, target(60)), Choice { memory_kib: 65_536, iterations: 2 });
        assert_eq!(choose(&costs, target(1)), FLOOR);
    }
}
