//! The kernel's automatic groups of processes (`man 7 sched`, "The autogroup feature"), switched off while it is measured.
//!
//! With them each session has the same share of the processors, whatever its threads' nice values are: each of
//! PostgreSQL's processes is one, and identity with its hashing threads is one. So a statement would wait for hashes,
//! which are meant to give way to everything.

use std::{
    fs, io,
    sync::atomic::{AtomicBool, Ordering},
};

const SWITCH: &str = "/proc/sys/kernel/sched_autogroup_enabled";

static SWITCHED: AtomicBool = AtomicBool::new(false);

/// Switches them off until [`restore`], if they are on and we may.
///
/// # Errors
/// They stay on.
pub fn switch_off() -> io::Result<()> {
    if is_on() {
        // First: a signal may come between the two.
        SWITCHED.store(true, Ordering::SeqCst);
        fs::write(SWITCH, "0").inspect_err(|_| SWITCHED.store(false, Ordering::SeqCst))?;
    }
    Ok(())
}

/// Makes it as it was.
pub fn restore() {
    if SWITCHED.swap(false, Ordering::SeqCst)
        && let Err(error) = fs::write(SWITCH, "1")
    {
        eprintln!("bench: {SWITCH} stays 0: {error}");
    }
}

/// Whether the kernel has them, and uses them.
pub fn is_on() -> bool {
    fs::read_to_string(SWITCH).is_ok_and(|text| text.trim() == "1")
}
