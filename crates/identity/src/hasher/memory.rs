//! The block memory of one thread.

use argon2::Block;

/// More blocks (of 1 KiB) than 32 MiB hold. From there on the allocator of glibc takes memory from the system for each
/// allocation by itself, and returns it at once when it is freed; smaller ones may stay with the process for good. What
/// is reserved and never touched costs nothing.
const RESERVED: usize = 32 * 1024 + 64;

/// Blocks, allocated when they are first needed and then used again: fresh memory would cost a third of the rate, in
/// page faults.
#[derive(Default)]
pub struct Memory(Vec<Block>);

impl Memory {
    /// So many blocks at least.
    pub fn blocks(&mut self, count: usize) -> &mut [Block] {
        if self.0.len() < count {
            // What was there needs not be copied.
            self.0 = Vec::new();
            self.0.reserve_exact(count.max(RESERVED));
            self.0.resize(count, Block::default());
        }
        &mut self.0
    }

    /// Whether there is any.
    pub fn is_held(&self) -> bool {
        !self.0.is_empty()
    }

    /// Gives everything back if there is more than this.
    pub fn shrink(&mut self, count: usize) {
        if self.0.len() > count {
            self.0 = Vec::new();
        }
    }
}
