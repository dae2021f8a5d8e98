//! Ctrl-C, SIGTERM and a closed terminal.

use std::thread;

use anyhow::Result;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Calls `on_signal` in a thread of its own, at each of them.
///
/// # Errors
/// When the system gives no thread.
pub fn watch(on_signal: impl Fn() + Send + 'static) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let signals: Vec<Signal> = {
        let _context = runtime.enter();
        kinds.into_iter().map(signal).collect::<Result<_, _>>()?
    };
    thread::spawn(move || {
        runtime.block_on(async move {
            let [mut interrupt, mut terminate, mut hangup] = <[Signal; 3]>::try_from(signals).expect("there are three");
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                on_signal();
            }
        });
    });
    Ok(())
}
