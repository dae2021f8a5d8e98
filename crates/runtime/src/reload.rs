//! Files that are read again when they change, so that keys, certificates and callers are replaced without a restart.
//!
//! Files are compared by their bytes, not by their times: a mounted secret changes by moving a link, and a restored
//! file may be older than the one before.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use opentelemetry::KeyValue;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

type Read<T> = Box<dyn Fn() -> anyhow::Result<T> + Send + Sync>;

/// A value that is made from files, and made anew when they change. While a new content is broken, the last good value
/// stays.
pub struct Reloaded<T> {
    what: &'static str,
    files: Vec<PathBuf>,
    read: Read<T>,
    current: ArcSwap<T>,
    seen: AtomicU64,
}

impl<T: Send + Sync + 'static> Reloaded<T> {
    /// Reads the value for the first time. `what` names it in logs and in the metric `sandi.reloads`.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn load(
        what: &'static str,
        files: Vec<PathBuf>,
        read: impl Fn() -> anyhow::Result<T> + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        // Before the value: what changes in between is found by the first look.
        let seen = AtomicU64::new(fingerprint(&files));
        let current = ArcSwap::from_pointee(read()?);
        Ok(Self { what, files, read: Box::new(read), current, seen })
    }

    /// The value of the present files.
    pub fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// Looks at the files every 2 s, and at once on SIGHUP, until stopped.
    ///
    /// # Panics
    /// When the signal's handler cannot be set up.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut hangup = signal(SignalKind::hangup()).expect("SIGHUP can be handled");
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
                _ = hangup.recv() => {}
            }
            let looking = Arc::clone(&self);
            // Files may stand on a slow disk.
            let _ = tokio::task::spawn_blocking(move || looking.look()).await;
        }
    }

    /// Reads the value anew if the files have changed since the last look.
    fn look(&self) {
        let now = fingerprint(&self.files);
        if self.seen.swap(now, Ordering::Relaxed) == now {
            return;
        }
        let outcome = match (self.read)() {
            Ok(value) => {
                self.current.store(Arc::new(value));
                tracing::info!(what = self.what, "read again");
                "ok"
            }
            Err(error) => {
                tracing::error!(
                    what = self.what,
                    error = format!("{error:#}"),
                    "cannot be read again; the last one stays"
                );
                "failed"
            }
        };
        let meter = opentelemetry::global::meter("sandi");
        let reloads = meter
            .u64_counter("sandi.reloads")
            .with_description("Files that changed and were read again, by what they hold and outcome.")
            .build();
        reloads.add(1, &[KeyValue::new("what", self.what), KeyValue::new("outcome", outcome)]);
    }
}

/// Tells contents apart; a file that cannot be read has one too.
fn fingerprint(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        std::fs::read(file).ok().hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn number(path: PathBuf) -> Reloaded<u32> {
        let files = vec![path.clone()];
        Reloaded::load("number", files, move || Ok(fs::read_to_string(&path)?.trim().parse()?)).expect("a number")
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_leaves_the_last_value() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        fs::write(&path, "1").unwrap();
        let value = number(path.clone());
        for (content, now) in [("2", 2), ("two", 2), ("", 2), ("3", 3)] {
            fs::write(&path, content).unwrap();
            value.look();
            assert_eq!(*value.current(), now, "{content:?}");
        }
        fs::remove_file(&path).unwrap();
        value.look();
        assert_eq!(*value.current(), 3);
        fs::write(&path, "4").unwrap();
        value.look();
        assert_eq!(*value.current(), 4);
    }
}
