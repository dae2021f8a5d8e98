//! Runs an operation for an adapter, to its end.

use std::sync::Arc;

use tonic::{Request, Status};

use super::actors::Actors;
use super::edge::Admitted;
use super::fields::Fields;
use super::limits::Limits;
use super::status;
use crate::domain::locale::Locale;
use crate::domain::messages::Reason;
use crate::ops::call::{MALFORMED, PROVED, Requester, Scope};
use crate::ops::{Call, Error};
use crate::service::Service;
use crate::store::audit::{self, AuditEvent};

/// Whether an RPC's failures go to the audit; successes are written by the operation itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Audit {
    /// A security event: its failures are kept.
    Failures,
    /// A look: of its failures those are kept that tell of somebody who may not look.
    Nothing,
}

/// What the adapters share.
#[derive(Clone)]
pub struct Runner {
    pub service: Arc<Service>,
    pub limits: Arc<Limits>,
    pub actors: Arc<Actors>,
}

/// A request, taken apart.
pub struct Incoming<T> {
    pub admitted: Admitted,
    pub message: T,
    pub fields: Fields,
}

impl<T> Incoming<T> {
    /// Takes a request apart; the edge has admitted it.
    pub fn new(request: Request<T>) -> Result<Self, Status> {
        let admitted = request.extensions().get::<Admitted>().cloned();
        let Some(admitted) = admitted else {
            return Err(status::plain(Reason::CallerUnknown, Locale::default(), None));
        };
        Ok(Self { admitted, message: request.into_inner(), fields: Fields::default() })
    }

    /// The requester of the message, if the caller may speak for one.
    pub fn requester(&mut self, requester: Option<&proto::identity::v1::Requester>) -> Requester {
        let believed = self.admitted.caller.has(Scope::ForwardRequester);
        self.fields.requester(requester, believed)
    }
}

impl Runner {
    /// Runs an operation in a task of its own, so that it comes to its end also when the caller goes
    /// away: a transaction that is dropped half way would poison its connection. What has not begun
    /// (a hash in the queue) is given up.
    pub async fn run<T, F>(
        &self,
        admitted: Admitted,
        requester: Requester,
        fields: Fields,
        audit: Audit,
        operation: impl FnOnce(Arc<Service>, Arc<Call>) -> F,
    ) -> Result<T, Status>
    where
        T: Send + 'static,
        F: Future<Output = crate::ops::Result<T>> + Send + 'static,
    {
        let _gone = admitted.patience.gone.clone().drop_guard();
        let password_field = if admitted.rpc == "CreateUser" { "password" } else { "new_password" };
        let call = Arc::new(Call::new(admitted.rpc, admitted.caller, requester, admitted.patience, admitted.trace));
        if let Err(error) = fields.done() {
            return Err(status::of(&error, call.locale(), password_field));
        }
        if let Some(ip) = call.requester.ip
            && let Err(retry_after) = self.limits.address(ip)
        {
            return Err(status::of(&Error::RateLimited { retry_after }, call.locale(), password_field));
        }
        let service = Arc::clone(&self.service);
        let operation = operation(Arc::clone(&service), Arc::clone(&call));
        let for_audit = Arc::clone(&call);
        let task = async move {
            let result = operation.await;
            keep(&service, &for_audit, audit, result.as_ref().err()).await;
            result
        };
        let task = tokio::spawn(tracing::Instrument::in_current_span(task));
        match task.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                log(&error);
                Err(status::of(&error, call.locale(), password_field))
            }
            Err(_) => {
                tracing::error!("an operation panicked");
                Err(status::plain(Reason::Internal, call.locale(), None))
            }
        }
    }
}

/// Keeps the outcome in the audit. An audit that cannot be written does not change the answer.
async fn keep(service: &Service, call: &Call, audit: Audit, error: Option<&Error>) {
    let event = match (audit, error) {
        (_, None) => return,
        (Audit::Nothing, Some(error)) if !is_of_who_asks(error) => return,
        // The database is away, or nobody waits any more: there is nothing to keep, or no way to.
        (_, Some(Error::Unavailable(_) | Error::DeadlineExceeded | Error::HasherBusy { .. })) => return,
        // Bad input is no security event, and changes nothing; that a current password was right is one.
        (_, Some(Error::PasswordRejected { .. })) if !call.is_refused_for(PROVED) => return,
        (_, Some(Error::Fields(_) | Error::ConfirmationMismatch)) => return,
        (_, Some(Error::ResetTokenInvalid)) if call.is_refused_for(MALFORMED) => return,
        (_, Some(error)) => {
            if let Error::ScopeMissing(scope) = error {
                call.note(|facts| facts.cause = scope.name());
            }
            call.audit_failure(service, error.reason())
        }
    };
    append(service, event).await;
}

/// Whether a refusal is about the caller or the actor, and not about what was asked.
fn is_of_who_asks(error: &Error) -> bool {
    matches!(error, Error::ActorInvalid | Error::ActorNotAllowed | Error::ScopeMissing(_))
}

/// Appends an event to the audit. One that cannot be written changes nothing else.
pub async fn append(service: &Service, event: AuditEvent) {
    let kept = async { audit::append(&mut *service.store.connection().await?, &[event]).await };
    if let Err(error) = kept.await {
        tracing::error!(error = &error as &dyn std::error::Error, "an audit event was not kept");
    }
}

fn log(error: &Error) {
    match error {
        Error::Internal(_) => {
            tracing::error!(error = error as &dyn std::error::Error, "a call failed by our own fault");
        }
        Error::Unavailable(_) => {
            tracing::warn!(error = error as &dyn std::error::Error, "a call failed for want of the database");
        }
        _ => {}
    }
}
