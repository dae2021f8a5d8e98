//! Signals as the kernel sends them, in a process of its own.

use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

#[tokio::test]
async fn a_signal_stops_what_watches_the_token() {
    let stop = runtime::shutdown::on_signal();
    assert!(!stop.is_cancelled());
    kill_process(getpid(), Signal::TERM).unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(5), stop.cancelled()).await;
    assert!(stopped.is_ok());
}
