//! The block memory of one thread.

use argon2::Block;

/// More blocks (of 1 KiB) than 32 MiB hold. An allocation of that size is the system's own business, not one of many
/// in a shared piece, so that it can go back when it is freed. What is reserved and never touched costs nothing.
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
            if let Err(error) = advise_huge_pages(&mut self.0, count) {
                tracing::debug!(%error, "hashes do without huge pages");
            }
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

/// A hash reads its blocks all over the place, and each page of 4 KiB that is new to the processor has to be looked up:
/// with pages of 2 MiB hashes are a few per cent faster. It touches the memory of the first `count` blocks only.
fn advise_huge_pages(memory: &mut Vec<Block>, count: usize) -> rustix::io::Result<()> {
    let page = rustix::param::page_size();
    let spare = memory.spare_capacity_mut();
    let count = count.min(spare.len());
    let wanted = &mut spare[..count];
    let begin = wanted.as_mut_ptr().cast::<u8>();
    let skipped = begin.align_offset(page);
    let length = size_of_val(wanted).saturating_sub(skipped) / page * page;
    // SAFETY: the range is of whole pages inside memory that is ours alone, and the advice changes none of its contents.
    #[allow(unsafe_code)]
    unsafe {
        rustix::mm::madvise(begin.wrapping_add(skipped).cast(), length, rustix::mm::Advice::LinuxHugepage)
    }
}
