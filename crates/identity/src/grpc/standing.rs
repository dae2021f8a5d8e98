//! How far a connection has come, told by those who answer its calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use runtime::places::Hold;

/// Clones are of the same connection; requests carry one in their extensions.
#[derive(Clone)]
pub struct Standing {
    called: Arc<AtomicBool>,
    hold: Hold,
}

impl Standing {
    /// Of a connection without a call yet, that loses its place to others until a known caller has called on it.
    pub fn new(hold: Hold) -> Self {
        Self { called: Arc::default(), hold }
    }

    /// A call came.
    pub fn called(&self) {
        self.called.store(true, Relaxed);
    }

    /// A call of a known caller came.
    pub fn known(&self) {
        self.hold.keep(true);
    }

    /// Whether any call came yet.
    pub fn has_called(&self) -> bool {
        self.called.load(Relaxed)
    }
}
