//! The keys of a running program, read again when the files change.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Keys, KeysError, Role};
use crate::broker::reason;

/// How often the directory is looked at. SIGHUP is quicker.
const EVERY: Duration = Duration::from_secs(5);

/// The keys as the files have them. Keys that were in use when a file changed stay until they are let go.
#[derive(Debug)]
pub struct KeyRing {
    directory: PathBuf,
    own: Role,
    keys: RwLock<Arc<Keys>>,
}

impl KeyRing {
    /// Reads the keys for the first time, as [`Keys::load`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Keys::load`].
    pub fn load(directory: &Path, own: Role) -> Result<Self, KeysError> {
        let keys = RwLock::new(Arc::new(Keys::load(directory, own)?));
        Ok(Self { directory: directory.to_owned(), own, keys })
    }

    /// The keys at this moment.
    #[must_use]
    pub fn current(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again. True: something changed. Reads a few small files, and blocks for that.
    ///
    /// # Errors
    ///
    /// Those of [`Keys::load`]; the keys from before stay in use.
    pub fn reload(&self) -> Result<bool, KeysError> {
        let new = Keys::load(&self.directory, self.own)?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if new.same_as(&keys) {
            return Ok(false);
        }
        tracing::info!(own = ?new.shown(false), peers = ?new.shown(true), "the keys were read again");
        *keys = Arc::new(new);
        Ok(true)
    }

    /// Reads the files again every 5 s and at SIGHUP, until stopped. `state` is told each time whether
    /// they are as they should be.
    ///
    /// # Panics
    ///
    /// When SIGHUP cannot be handled.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken, state: impl Fn(Result<(), String>)) {
        let mut hangup = signal(SignalKind::hangup()).expect("SIGHUP can be handled");
        let mut told = Ok(());
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
            let ring = Arc::clone(&self);
            let read = tokio::task::spawn_blocking(move || ring.reload().map(drop).map_err(|error| reason(&error)));
            let Ok(result) = read.await else { continue };
            if let Err(error) = &result
                && result != told
            {
                tracing::warn!(error, "the keys cannot be read again; those from before stay in use");
            }
            state(result.clone());
            told = result;
        }
    }
}

#[cfg(test)]
mod tests;
