//! One call: who calls, for whom, how long they wait, and what the audit will say.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use runtime::trace::TraceContext;
use uuid::Uuid;

use super::error::{Error, Result};
use crate::domain::locale::Locale;
use crate::domain::messages::Reason;
use crate::hasher::Patience;
use crate::service::Service;
use crate::store::StoreError;
use crate::store::audit::AuditEvent;
use crate::store::users::Person;

/// The cause of a refusal for the form alone.
pub const MALFORMED: &str = "malformed";
/// The cause of a refusal that proved the current password all the same.
pub const PROVED: &str = "right current password";
/// How often a transaction that collided with another is tried.
const COLLISION_TRIES: u32 = 3;

/// What a caller may do. Everything not granted is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// RequestReset, CheckReset, CompleteReset.
    PasswordReset,
    /// ChangePassword.
    PasswordChange,
    /// VerifyPassword.
    PasswordVerify,
    /// AdminReset, RevokeReset, for an actor.
    PasswordAdmin,
    /// Reading users, organisations and resets.
    DirectoryRead,
    /// Writing them as the system of record.
    DirectoryWrite,
    /// Writing users for an actor.
    DirectoryAdmin,
    /// Reading resets of every organisation.
    SupportRead,
    /// Acting in every organisation, with a reason.
    SupportAct,
    /// Reading the audit.
    AuditRead,
    /// Having one's `requester` believed.
    ForwardRequester,
    /// Having one's `actor.user_id` believed.
    AssertActor,
}

impl Scope {
    /// Every scope with its name.
    pub const NAMES: [(Self, &'static str); 12] = [
        (Self::PasswordReset, "password.reset"),
        (Self::PasswordChange, "password.change"),
        (Self::PasswordVerify, "password.verify"),
        (Self::PasswordAdmin, "password.admin"),
        (Self::DirectoryRead, "directory.read"),
        (Self::DirectoryWrite, "directory.write"),
        (Self::DirectoryAdmin, "directory.admin"),
        (Self::SupportRead, "support.read"),
        (Self::SupportAct, "support.act"),
        (Self::AuditRead, "audit.read"),
        (Self::ForwardRequester, "forward-requester"),
        (Self::AssertActor, "assert-actor"),
    ];

    /// Its name, as in the callers file.
    pub fn name(self) -> &'static str {
        Self::NAMES.into_iter().find(|(scope, _)| *scope == self).map_or("", |(_, name)| name)
    }

    /// The scope of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, known)| *known == name).map(|(scope, _)| scope)
    }
}

/// A service that calls.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its name, for the audit, the limits and the idempotency keys.
    pub name: Arc<str>,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
}

impl Caller {
    /// Whether it has this scope.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// The person at the other end of the caller, as far as the caller is believed.
#[derive(Debug, Clone, Default)]
pub struct Requester {
    /// Address of the person.
    pub ip: Option<IpAddr>,
    /// Kind of device; may be empty.
    pub device: String,
    /// Language of the person.
    pub locale: Option<Locale>,
}

impl Requester {
    /// The /24 or /48 the person is in, for the audit.
    pub fn ip_prefix(&self) -> Option<String> {
        self.ip.map(|ip| match ip.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            IpAddr::V6(v6) => {
                let [a, b, c, ..] = v6.segments();
                format!("{a:x}:{b:x}:{c:x}::/48")
            }
        })
    }
}

/// What the audit will say beside the outcome.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The exact cause, which the caller is not told.
    pub cause: &'static str,
    /// The person on whose behalf.
    pub actor_user_id: Option<Uuid>,
    /// The person it is done to.
    pub user_id: Option<Uuid>,
    /// The organisation it is done in.
    pub organization_id: Option<Uuid>,
    /// The reason given.
    pub reason: String,
    /// Keyed digest of a name that no account matched.
    pub subject_digest: Option<Vec<u8>>,
}

/// One call.
pub struct Call {
    /// Name of the RPC.
    pub rpc: &'static str,
    /// Who calls.
    pub caller: Caller,
    /// For whom.
    pub requester: Requester,
    /// How long they wait.
    pub patience: Patience,
    /// The trace it belongs to.
    pub trace: TraceContext,
    locale: OnceLock<Locale>,
    facts: Mutex<Facts>,
}

impl Call {
    /// A call about which nothing is known but this.
    pub fn new(
        rpc: &'static str,
        caller: Caller,
        requester: Requester,
        patience: Patience,
        trace: TraceContext,
    ) -> Self {
        Self { rpc, caller, requester, patience, trace, locale: OnceLock::new(), facts: Mutex::default() }
    }

    /// Language of the answer: the requester's, else the user's, else Indonesian.
    pub fn locale(&self) -> Locale {
        self.requester.locale.or(self.locale.get().copied()).unwrap_or_default()
    }

    /// Lets the answer be in this person's language. Only when the caller may know that the person exists.
    pub fn speaks_to(&self, person: &Person) {
        let _ = self.locale.set(person.locale());
    }

    /// Notes something for the audit.
    pub fn note(&self, note: impl FnOnce(&mut Facts)) {
        note(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Notes the exact cause of a refusal, and refuses.
    ///
    /// # Errors
    /// The one that was given.
    pub fn refuse<T>(&self, cause: &'static str, error: Error) -> Result<T> {
        self.note(|facts| facts.cause = cause);
        Err(error)
    }

    /// Whether this cause was noted.
    pub fn is_refused_for(&self, cause: &str) -> bool {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).cause == cause
    }

    /// Notes whom it is done to.
    pub fn note_person(&self, person: &Person) {
        self.note(|facts| {
            facts.user_id = Some(person.user_id);
            facts.organization_id = Some(person.organization.organization_id);
        });
    }

    /// The audit event of this call, when it succeeds.
    pub fn audit_success(&self, service: &Service) -> AuditEvent {
        self.audit(service, "ok")
    }

    /// The audit event of this call, when it fails.
    pub fn audit_failure(&self, service: &Service, reason: Reason) -> AuditEvent {
        self.audit(service, reason.as_str())
    }

    fn audit(&self, service: &Service, outcome: &'static str) -> AuditEvent {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        AuditEvent {
            event_id: service.new_id(),
            action: self.rpc,
            outcome,
            cause: facts.cause.into(),
            caller: self.caller.name.to_string(),
            actor_user_id: facts.actor_user_id,
            user_id: facts.user_id,
            organization_id: facts.organization_id,
            reason: facts.reason,
            subject_digest: facts.subject_digest,
            trace_id: self.trace.trace_id(),
            ip_prefix: self.requester.ip_prefix(),
        }
    }

    /// Tries a transaction again when it collided with another (SQLSTATE 40001, 40P01), a few times.
    ///
    /// # Errors
    /// The transaction's.
    pub async fn until_settled<T, F>(&self, service: &Service, mut transaction: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut tries = 1;
        loop {
            match transaction().await {
                Err(Error::Unavailable(StoreError::Collision(_))) if tries < COLLISION_TRIES => {
                    let [jitter] = service.random_bytes();
                    tokio::time::sleep(Duration::from_millis(5 + u64::from(jitter) / 8) * tries).await;
                    tries += 1;
                }
                settled => return settled,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_keeps_only_the_network_of_an_address() {
        for (ip, prefix) in [
            ("203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ] {
            let requester = Requester { ip: Some(ip.parse().expect("an address")), ..Requester::default() };
            assert_eq!(requester.ip_prefix().as_deref(), Some(prefix));
        }
    }

    #[test]
    fn every_scope_is_found_by_its_name() {
        for (scope, name) in Scope::NAMES {
            assert_eq!(Scope::parse(name), Some(scope));
        }
        assert_eq!(Scope::parse("password"), None);
    }
}
