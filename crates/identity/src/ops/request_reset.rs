//! RequestReset: one INSERT, no lookup. The same work, time and answer for every name.

use uuid::Uuid;

use super::call::Call;
use super::error::{Error, Result};
use super::idempotency::Once;
use crate::domain::identifier::Identifier;
use crate::domain::names::IdempotencyKey;
use crate::service::Service;
use crate::store::idempotency::Claim;
use crate::store::requests::{self, IdentifierKind, NewRequest};

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
    let ip_prefix = call.requester.ip_prefix();
    let request = NewRequest {
        request_id,
        caller: &call.caller.name,
        kind: command.kind,
        identifier: command.identifier.as_str(),
        locale: call.requester.locale,
        device: &call.requester.device,
        ip_prefix: ip_prefix.as_deref(),
        traceparent: call.trace.traceparent.as_deref(),
        tracestate: call.trace.tracestate.as_deref(),
    };
    let mut connection = service.store.connection().await?;
    let Some(once) = once else {
        requests::insert(&mut connection, &request).await?;
        service.issuer_bell.notify_one();
        return Ok(request_id);
    };
    match requests::insert_once(&mut connection, &request, once.key(), once.fingerprint()).await? {
        Claim::Fresh => {
            service.issuer_bell.notify_one();
            Ok(request_id)
        }
        Claim::Taken(stored) => once.check(stored)?.resource_id.ok_or(Error::IdempotencyMismatch),
    }
}
