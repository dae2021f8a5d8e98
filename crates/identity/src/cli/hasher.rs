//! `identity hasher`.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Subcommand;

use super::say;
use crate::hasher::calibrate::{self, Choice, Cost};
use crate::hasher::simd;
use crate::settings::Settings;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Measure what Argon2id costs on this machine, and print the strongest parameters that one hash has time for.
    ///
    /// The output is TOML for the settings file, with the measurements as comments. Run it while nothing else runs.
    #[command(after_help = "Example: identity hasher calibrate --target 50ms")]
    Calibrate {
        /// How long one hash may take while all threads hash.
        #[arg(long, default_value = "50ms", value_parser = runtime::duration::from_text)]
        target: Duration,
    },
}

pub(super) fn run(command: &Command, settings: &Settings) {
    let Command::Calibrate { target } = command;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if settings.passwords.threads == 0 { cores } else { settings.passwords.threads };
    let costs = calibrate::measure(threads, *target, show);
    say(&report(&costs, calibrate::choose(&costs, *target), threads, *target));
}

/// One line that is written over and over, for a person who waits.
fn show(done: usize, all: usize) {
    if std::io::stderr().is_terminal() {
        let end = if done == all { "\r\x1b[K" } else { "" };
        eprint!("\rmeasuring, {done} of {all} at most{end}");
    }
}

fn report(costs: &[Cost], chosen: Choice, threads: usize, target: Duration) -> String {
    let mut text = format!("# {threads} hashing threads, {}; within {} ms a hash\n", simd(), target.as_millis());
    text += "# memory_kib  iterations  ms a hash  hashes/s  MiB of all threads\n";
    for cost in costs {
        let _ = writeln!(
            text,
            "# {:>10}  {:>10}  {:>9.1}  {:>8.1}  {:>18}{}",
            cost.choice.memory_kib,
            cost.choice.iterations,
            cost.time.as_secs_f64() * 1000.0,
            cost.rate,
            cost.memory_mib,
            if cost.choice == chosen { "  <-" } else { "" },
        );
    }
    let Choice { memory_kib, iterations } = chosen;
    if !costs.iter().any(|cost| cost.choice == chosen && cost.time <= target) {
        text += "# The machine is slower than that; weaker parameters are not offered.\n";
    }
    text + &format!("[passwords]\nmemory_kib = {memory_kib}\niterations = {iterations}\nparallelism = 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_a_settings_file() {
        let chosen = Choice { memory_kib: 32_768, iterations: 3 };
        let cost = Cost { choice: chosen, time: Duration::from_millis(40), rate: 50.0, memory_mib: 64 };
        let text = report(&[cost], chosen, 2, Duration::from_millis(50));
        let settings: Settings = toml::from_str(&text).expect("it is TOML of ours");
        assert_eq!((settings.passwords.memory_kib, settings.passwords.iterations), (32_768, 3));
        assert!(text.contains("<-") && !text.contains("slower"), "{text}");
    }
}
