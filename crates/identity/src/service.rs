//! What every operation works with.

use std::sync::Arc;

use messaging::keys::KeyRing;
use runtime::clock::Clock;
use runtime::random::{Random, uuid_v7};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::digest::DigestKey;
use crate::gates::Gates;
use crate::group::Groups;
use crate::hasher::Hasher;
use crate::intake::Intake;
use crate::settings::Settings;
use crate::store::Store;

/// The parts of the service, made once at start.
pub struct Service {
    /// Settings, checked.
    pub settings: Settings,
    /// The database, for calls.
    pub store: Store,
    /// The same for workers, with a share of its sessions.
    pub background: Store,
    /// The same for the counting of guesses, with a share of its own.
    pub guesses: Store,
    /// The line in which accepted requests wait to be written together.
    pub intake: Arc<Groups<Intake>>,
    /// The hashing threads.
    pub hasher: Hasher,
    /// The gates before them.
    pub gates: Gates,
    /// Keys of the seal, read again when their files change.
    pub keys: Arc<KeyRing>,
    /// Key of the digests.
    pub digests: DigestKey,
    /// The program's clock; expiry follows the database's.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Rung when a request was written.
    pub issuer_bell: Arc<Notify>,
    /// Rung when an event was written.
    pub relay_bell: Notify,
}

impl Service {
    /// A new id.
    pub fn new_id(&self) -> Uuid {
        uuid_v7(&*self.clock, &*self.random)
    }

    /// Random bytes.
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }
}
