//! The hasher's memory, in a process of its own, so that what is resident is this test's.

use identity::hasher::memory::Memory;

/// Blocks of the default parameters: 19 MiB.
const BLOCKS: usize = 19_456;

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is there");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

#[test]
fn memory_is_used_again_and_returned_to_the_system() {
    for _ in 0..3 {
        let mut memory = Memory::default();
        let before = resident();
        let first = memory.blocks(BLOCKS).as_ptr();
        assert!(resident() > before + 15_000, "it is there");
        assert_eq!(memory.blocks(BLOCKS).as_ptr(), first, "it is the same");
        memory.shrink(BLOCKS);
        assert!(memory.is_held(), "as much as today's parameters need stays");
        memory.shrink(0);
        assert!(!memory.is_held());
        assert!(resident() < before + 8_000, "it is gone");
    }
}
