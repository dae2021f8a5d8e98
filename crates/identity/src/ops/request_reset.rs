//! RequestReset: one row, no look-up, in a statement that it shares with whoever asks at the same time. The same work,
//! time and answer for every name.

use std::sync::Arc;

use uuid::Uuid;

use super::call::Call;
use super::error::{Error, Result};
use super::idempotency::Once;
use crate::domain::identifier::Identifier;
use crate::domain::names::IdempotencyKey;
use crate::group::Missed;
use crate::service::Service;
use crate::store::StoreError;
use crate::store::idempotency::Claim;
use crate::store::requests::{IdentifierKind, NewRequest};

/// What was asked.
pub struct RequestReset {
    /// What was typed: a username or an address.
    pub kind: IdentifierKind,
    /// The text.
    pub identifier: Identifier,
    /// Key of the call.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// Accepts a request; the issuer looks later whether there is such an account.
///
/// # Errors
/// `IDEMPOTENCY_MISMATCH`, or the database's.
pub async fn request_reset(service: &Service, call: &Call, command: RequestReset) -> Result<Uuid> {
    let kind = [command.kind as u8];
    let fields: [&[u8]; 2] = [&kind, command.identifier.as_str().as_bytes()];
    let once = Once::new(service, call, command.idempotency_key, &fields);
    let request_id = service.new_id();
    let request = NewRequest {
        request_id,
        caller: Arc::clone(&call.caller.name),
        kind: command.kind,
        identifier: command.identifier,
        locale: call.requester.locale,
        device: call.requester.device.clone(),
        ip_prefix: call.requester.ip_prefix(),
        traceparent: call.trace.traceparent.clone(),
        tracestate: call.trace.tracestate.clone(),
        once: once.as_ref().map(|once| (once.key().to_owned(), once.fingerprint().to_vec())),
    };
    let written = tokio::select! {
        written = service.intake.pass(request) => written,
        // Whoever has gone before the request's turn came has asked for nothing.
        () = call.patience.gone.cancelled() => return Err(Error::DeadlineExceeded),
    };
    let claim = match written {
        Ok(written) => written?,
        Err(Missed::Full | Missed::Late | Missed::Away) => return Err(StoreError::away().into()),
        Err(missed @ Missed::Lost) => return Err(Error::Internal(missed.into())),
    };
    match (claim, once) {
        (Claim::Taken(stored), Some(once)) => once.check(stored)?.resource_id.ok_or(Error::IdempotencyMismatch),
        _ => Ok(request_id),
    }
}
