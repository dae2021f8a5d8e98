//! The same key and the same request: the stored success. The same key and another request: ABORTED.

use subtle::ConstantTimeEq as _;

use super::call::Call;
use super::error::{Error, Result};
use crate::domain::names::IdempotencyKey;
use crate::service::Service;
use crate::store::Transaction;
use crate::store::idempotency::{self, Claim, Stored};

/// A call that carries a key.
#[derive(Clone)]
pub struct Once {
    key: IdempotencyKey,
    fingerprint: Vec<u8>,
}

impl Once {
    /// The key of a call, bound to its fields. Passwords are not among the fields: a digest of one,
    /// even a keyed one, is worth stealing. Tokens stand in by their SHA-256.
    pub fn new(service: &Service, call: &Call, key: Option<IdempotencyKey>, fields: &[&[u8]]) -> Option<Self> {
        key.map(|key| Self { key, fingerprint: service.digests.fingerprint(call.rpc, fields) })
    }

    /// The key's text.
    pub fn key(&self) -> &str {
        self.key.as_str()
    }

    /// The keyed digest of method and fields.
    pub fn fingerprint(&self) -> &[u8] {
        &self.fingerprint
    }

    /// The stored success, if it is of the same request.
    ///
    /// # Errors
    /// [`Error::IdempotencyMismatch`].
    pub fn check(&self, stored: Stored) -> Result<Stored> {
        if bool::from(stored.fingerprint.ct_eq(&self.fingerprint)) {
            Ok(stored)
        } else {
            Err(Error::IdempotencyMismatch)
        }
    }
}

/// The stored success of an earlier call, before any work is done.
///
/// # Errors
/// [`Error::IdempotencyMismatch`], or the database's.
pub async fn earlier(service: &Service, call: &Call, once: Option<&Once>) -> Result<Option<Stored>> {
    let Some(once) = once else { return Ok(None) };
    let stored = idempotency::find(&mut *service.store.connection().await?, &call.caller.name, once.key()).await?;
    stored.map(|stored| once.check(stored)).transpose()
}

/// Claims the key for this transaction, or returns the success that another call stored meanwhile.
///
/// # Errors
/// [`Error::IdempotencyMismatch`], or the database's.
pub async fn claim(transaction: &mut Transaction, call: &Call, once: Option<&Once>) -> Result<Option<Stored>> {
    let Some(once) = once else { return Ok(None) };
    match idempotency::claim(transaction, &call.caller.name, once.key(), once.fingerprint()).await? {
        Claim::Fresh => Ok(None),
        Claim::Taken(stored) => once.check(stored).map(Some),
    }
}

/// Stores the success of the call that claimed the key.
///
/// # Errors
/// The database's.
pub async fn succeed(
    transaction: &mut Transaction,
    call: &Call,
    once: Option<&Once>,
    resource_id: Option<uuid::Uuid>,
    credential_version: Option<i64>,
) -> Result<()> {
    if let Some(once) = once {
        idempotency::succeed(transaction, &call.caller.name, once.key(), resource_id, credential_version).await?;
    }
    Ok(())
}
