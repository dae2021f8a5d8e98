//! Every check with the seeds, and with a bounded number of other inputs, the same in every run.

use std::path::Path;

use foreign::CHECKS;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Inputs of each check. Those that open sockets are slow.
fn cases(name: &str) -> u32 {
    match name {
        "smtp" => 150,
        "settings" | "mails" | "actors" => 500,
        _ => 2000,
    }
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("it is listed").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{name} has no seeds");
    files.iter().map(|file| std::fs::read(file).expect("it is readable")).collect()
}

/// Anything, any text, and seeds with some bytes changed and their end cut off.
fn inputs(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let altered = (select(seeds), vec((any::<usize>(), any::<u8>()), 0..6), any::<usize>()).prop_map(
        |(mut bytes, changes, keep)| {
            if bytes.is_empty() {
                return bytes;
            }
            for (at, byte) in changes {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            // Half of them stay whole.
            let length = bytes.len();
            bytes.truncate(keep % (2 * length) + 1);
            bytes
        },
    );
    prop_oneof![vec(any::<u8>(), 0..300), "\\PC{0,80}".prop_map(String::into_bytes), altered]
}

#[test]
fn whatever_strangers_send_nothing_breaks_and_nothing_forged_is_believed() {
    for (name, check) in CHECKS {
        let seeds = seeds(name);
        seeds.iter().for_each(|seed| check(seed));
        let config = Config { cases: cases(name), failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let run = runner.run(&inputs(seeds), |bytes| {
            check(&bytes);
            Ok(())
        });
        run.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
