use std::{fs, sync::Mutex};

use rustix::process::{Signal, getpid, kill_process};

use super::*;
use crate::keys::{generate, tests::Pair};

#[test]
fn what_changed_in_the_directory_is_used_and_what_is_broken_is_not() {
    let pair = Pair::new();
    let ring = KeyRing::load(pair.directory(Role::Identity), Role::Identity).expect("keys");
    assert!(!ring.reload().expect("as before"));
    let before = ring.current();
    let new = pair.add_key(Role::Identity, 40);
    assert!(ring.reload().expect("another key"));
    assert!(ring.current().own(new.as_str()).is_some() && before.own(new.as_str()).is_none());
    assert_eq!(ring.current().sealing_id(), before.sealing_id(), "a new key waits for its turn");

    let broken = pair.directory(Role::Identity).join("identity-0000000000000000.key");
    fs::write(&broken, "half a li").expect("writes");
    assert!(matches!(ring.reload(), Err(KeysError::Malformed(path)) if path == broken));
    assert!(ring.current().own(new.as_str()).is_some(), "those from before stay");
}

#[tokio::test]
async fn a_hangup_reads_the_keys_again_and_tells_how_they_are() {
    let pair = Pair::new();
    let ring = Arc::new(KeyRing::load(pair.directory(Role::Mailer), Role::Mailer).expect("keys"));
    let stop = CancellationToken::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (watched, seen) = (Arc::clone(&ring), Arc::clone(&told));
    let watch = tokio::spawn(watched.watch(stop.clone(), move |state| seen.lock().expect("a lock").push(state)));
    // It runs up to its first wait, and handles the signal from then on.
    tokio::task::yield_now().await;
    let now = time::OffsetDateTime::UNIX_EPOCH;
    let id = generate(pair.directory(Role::Mailer), Role::Mailer, now, &|bytes| bytes.fill(50)).expect("a pair");
    kill_process(getpid(), Signal::HUP).expect("a signal to ourselves");
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while ring.current().own(id.as_str()).is_none() {
        assert!(std::time::Instant::now() < end, "the new key is not read");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    watch.await.expect("it ends");
    assert!(told.lock().expect("a lock").iter().all(Result::is_ok));
}
