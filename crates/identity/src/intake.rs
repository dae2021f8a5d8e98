//! Writes accepted reset requests: those that came while the last commit was under way share the next one.
//!
//! Each caller is answered after the commit of its own request. A group that fails is taken apart, so that a request
//! fails for reasons of its own only.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::global;
use opentelemetry::metrics::Histogram;
use tokio::sync::Notify;

use crate::group::{Bounds, Group, Groups, Member, Write};
use crate::store::idempotency::{Claim, Stored};
use crate::store::requests::{self, NewRequest};
use crate::store::{Session, Store, StoreError};

/// Requests of one statement, statements at one time, and requests in line. They wait there no longer than they would
/// for a session of their own.
const BOUNDS: Bounds = Bounds { group: 64, writers: 2, line: 1024, wait: Duration::from_secs(2), rest: Duration::ZERO };
/// How long a group waits for an idempotency key that a call under way has claimed. Then it is taken apart, and only
/// the request with that key waits on.
const PATIENCE: Duration = Duration::from_millis(250);

/// What became of a request.
pub type Written = Result<Claim, StoreError>;

/// Writes groups of requests.
pub struct Intake {
    store: Store,
    bell: Arc<Notify>,
    sizes: Histogram<u64>,
}

impl Intake {
    /// Writes to this database, and rings this bell when something was written.
    pub fn start(store: Store, bell: Arc<Notify>) -> Arc<Groups<Self>> {
        let sizes = global::meter("sandi")
            .u64_histogram("sandi.requests.group")
            .with_description("How many reset requests were written by one statement.")
            .with_boundaries(SIZES.to_vec())
            .build();
        Groups::new(Self { store, bell, sizes }, BOUNDS)
    }
}

/// Buckets of the size of groups.
const SIZES: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

impl Write for Intake {
    type Item = NewRequest;
    type Answer = Written;
    type Session = Session;

    async fn session(&self) -> Option<Session> {
        match self.store.connection().await {
            Ok(session) => Some(session),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "requests cannot be written");
                None
            }
        }
    }

    async fn write(&self, mut session: Session, group: Group<Self>) {
        self.sizes.record(group.len() as u64, &[]);
        let (firsts, repeats) = apart(group);
        let rows: Vec<&NewRequest> = firsts.iter().map(|first| &first.item).collect();
        match requests::insert(&mut session, &rows, Some(PATIENCE)).await {
            Ok(claims) => {
                drop(session);
                self.answer(firsts, claims, repeats);
            }
            Err(error) => {
                let count = firsts.len() + repeats.len();
                tracing::warn!(
                    count,
                    error = &error as &dyn std::error::Error,
                    "requests failed together, trying each alone"
                );
                drop(session);
                for member in firsts.into_iter().chain(repeats) {
                    tokio::spawn(alone(self.store.clone(), Arc::clone(&self.bell), member));
                }
            }
        }
    }
}

type Waiting = Member<NewRequest, Written>;

impl Intake {
    fn answer(&self, firsts: Vec<Waiting>, claims: Vec<Claim>, repeats: Vec<Waiting>) {
        if claims.iter().any(|claim| matches!(claim, Claim::Fresh)) {
            self.bell.notify_one();
        }
        let mut stored: HashMap<(Arc<str>, String), Stored> = HashMap::new();
        for (first, claim) in firsts.into_iter().zip(claims) {
            if let Some((key, fingerprint)) = &first.item.once {
                let stored_now = match &claim {
                    Claim::Taken(stored) => stored.clone(),
                    Claim::Fresh => Stored {
                        fingerprint: fingerprint.clone(),
                        resource_id: Some(first.item.request_id),
                        credential_version: None,
                    },
                };
                stored.insert((Arc::clone(&first.item.caller), key.clone()), stored_now);
            }
            first.answer(Ok(claim));
        }
        for repeat in repeats {
            let key = repeat.item.once.as_ref().map(|(key, _)| (Arc::clone(&repeat.item.caller), key.clone()));
            if let Some(stored) = key.and_then(|key| stored.get(&key)) {
                repeat.answer(Ok(Claim::Taken(stored.clone())));
            }
        }
    }
}

/// Those that come first with their key or have none, and those that repeat the key of one before them: the
/// first one's success is theirs, as it would be if they had come after its commit.
fn apart(group: Vec<Waiting>) -> (Vec<Waiting>, Vec<Waiting>) {
    let mut seen = HashSet::new();
    group.into_iter().partition(|member| {
        let request = &member.item;
        request.once.as_ref().is_none_or(|(key, _)| seen.insert((Arc::clone(&request.caller), key.clone())))
    })
}

/// Writes one request that failed in company. It may have been written all the same, by a statement whose answer was
/// lost: its own id tells.
async fn alone(store: Store, bell: Arc<Notify>, member: Waiting) {
    let written = async {
        let mut session = store.connection().await?;
        match requests::insert(&mut session, &[&member.item], None).await {
            Ok(mut claims) => Ok(claims.pop().unwrap_or(Claim::Fresh)),
            Err(StoreError::Taken { constraint }) if constraint == "reset_requests_pkey" => Ok(Claim::Fresh),
            Err(error) => Err(error),
        }
    };
    let written = written.await;
    if matches!(written, Ok(Claim::Fresh)) {
        bell.notify_one();
    }
    member.answer(written);
}
