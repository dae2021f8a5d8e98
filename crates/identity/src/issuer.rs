//! Turns requests into links and mails: resolves who was meant, applies the silent limits, mints the
//! tokens and writes the sealed events, a batch in one transaction.
//!
//! A batch that fails is taken apart, so that one bad request never blocks its neighbours.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use runtime::trace::{TraceContext, about_resets};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::canary;
use crate::cursor::Cursor;
use crate::domain::address::Address;
use crate::domain::limits::{MailLimits, SentMail};
use crate::domain::states::{NotSentReason, ResetKind};
use crate::domain::username::canonical_for_lookup;
use crate::events::{self, EventError, Issue, MAX_ACCOUNTS};
use crate::service::Service;
use crate::store::audit::AuditEvent;
use crate::store::requests::{IdentifierKind, Made, Request};
use crate::store::resets::NewReset;
use crate::store::users::Person;
use crate::store::{Place, StoreError, requests, resets, users};

/// Requests of one transaction.
const BATCH: usize = 128;
/// What comes within so long after a small batch makes up the next one, and shares its statements.
const GATHER: Duration = Duration::from_millis(2);
/// Requests that are decided before calls have their turn: to seal a mail takes a tenth of a millisecond or two.
const TURN: usize = 8;
/// While many calls wait to be written the issuer rests for so many times as long as it works, up to a bound: whoever
/// calls goes first, and what was accepted is not left lying.
const REST: u32 = 3;
const REST_MAX: Duration = Duration::from_millis(200);
/// How long to sleep when nobody rings.
const POLL: Duration = Duration::from_secs(1);
/// Failures of ours after which a request ends as INTERNAL.
const MAX_TRIES: i16 = 5;

/// Why a batch was not issued.
#[derive(Debug, thiserror::Error)]
enum IssueError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Event(#[from] EventError),
}

/// Runs until stopped.
pub async fn run(service: Arc<Service>, stop: CancellationToken) {
    let issued = opentelemetry::global::meter("sandi")
        .u64_counter("sandi.resets.issued")
        .with_description("Requests the issuer has finished, by outcome.")
        .build();
    // There from the start, so that its first one is an increase.
    issued.add(0, &[KeyValue::new("outcome", "internal")]);
    let mut cursor = Cursor::default();
    while !stop.is_cancelled() {
        let begun = Instant::now();
        let count = issue_batch(&service, &mut cursor, &issued).await;
        if service.intake.is_pressed() {
            tokio::time::sleep((begun.elapsed() * REST).min(REST_MAX)).await;
        } else if count < BATCH {
            if count > 0 {
                tokio::time::sleep(GATHER).await;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = service.issuer_bell.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

/// Issues what is due, a batch at most, and says how many requests that were.
async fn issue_batch(service: &Service, cursor: &mut Cursor, issued: &Counter<u64>) -> usize {
    let mut claimed = Vec::new();
    match issue(service, Claim::Due(cursor.place()), &mut claimed, issued).await {
        Ok(()) => {
            cursor.moved(claimed.last().map(Request::place), claimed.len() == BATCH);
            return claimed.len();
        }
        Err(error) if claimed.is_empty() => {
            tracing::warn!(error = &error as &dyn std::error::Error, "requests cannot be claimed");
        }
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a batch failed, trying its requests one by one");
            for request in &claimed {
                // The database is away: none of the others would fare better.
                if issue_alone(service, request, issued).await.is_err() {
                    break;
                }
            }
        }
    }
    cursor.reset();
    0
}

/// Issues one request, or puts it off, in its own trace.
async fn issue_alone(service: &Service, request: &Request, issued: &Counter<u64>) -> Result<(), StoreError> {
    let request_id = request.request_id;
    let Err(error) = issue(service, Claim::One(request_id), &mut Vec::new(), issued).await else { return Ok(()) };
    let ours = !matches!(error, IssueError::Store(StoreError::Unavailable(_) | StoreError::Collision(_)));
    let span = tracing::info_span!(
        "put_off",
        otel.kind = "internal",
        otel.status_code = "ERROR",
        error.type = if ours { "internal" } else { "unavailable" },
        request.id = %request_id,
        reset.id = Empty
    );
    trace_of(request).set_as_parent_of(&span);
    let waits = async {
        if ours {
            tracing::error!(request.id = %request_id, error = &error as &dyn std::error::Error, "a request cannot be issued");
        } else {
            tracing::warn!(request.id = %request_id, error = &error as &dyn std::error::Error, "a request has to wait");
        }
        put_off(service, request_id, ours, issued).await.inspect_err(|error| {
            tracing::warn!(request.id = %request_id, error = error as &dyn std::error::Error, "a request has to wait");
        })
    };
    waits.instrument(span).await
}

fn trace_of(request: &Request) -> TraceContext {
    TraceContext { traceparent: request.traceparent.clone(), tracestate: request.tracestate.clone() }
}

/// Tries a request later. A fault of ours is counted, and ends the request when it happened too often;
/// trouble in the database is not, and lasts no longer than the life of the link.
async fn put_off(service: &Service, request_id: Uuid, ours: bool, issued: &Counter<u64>) -> Result<(), StoreError> {
    let mut transaction = service.background.begin().await?;
    let [jitter] = service.random_bytes();
    let delay = Duration::from_millis(2000 + u64::from(jitter) * 8);
    let tries = requests::put_off(&mut transaction, request_id, delay, ours).await?;
    if ours
        && tries.is_some_and(|tries| tries >= MAX_TRIES)
        && let Some(request) = requests::claim(&mut transaction, request_id).await?
    {
        let mut batch = Batch::new(service, request.now, HashMap::new(), TraceContext::default());
        batch.refuse(&request, None, NotSentReason::Internal, None);
        about_resets(batch.made.resets.iter().map(|reset| reset.reset_id));
        requests::finish(&mut transaction, &[request_id], &batch.made).await?;
        count(issued, "internal");
    }
    transaction.commit().await?;
    Ok(())
}

enum Claim {
    /// What is due, behind this place or from the head.
    Due(Option<Place>),
    One(Uuid),
}

async fn issue(
    service: &Service,
    claim: Claim,
    claimed: &mut Vec<Request>,
    issued: &Counter<u64>,
) -> Result<(), IssueError> {
    let mut transaction = service.background.begin().await?;
    *claimed = match claim {
        Claim::Due(after) => requests::claim_due(&mut transaction, BATCH, after).await?,
        Claim::One(request_id) => requests::claim(&mut transaction, request_id).await?.into_iter().collect(),
    };
    let requests = claimed.as_slice();
    if requests.is_empty() {
        return Ok(());
    }

    let wanted: Vec<Wanted> = requests.iter().map(Wanted::of).collect();
    let usernames: Vec<String> = wanted.iter().filter_map(|wanted| wanted.username.clone()).collect();
    let emails: Vec<String> = wanted.iter().filter_map(|wanted| wanted.email.clone()).collect();
    let people = users::lock_matching(&mut transaction, &usernames, &emails).await?;
    let user_ids: Vec<Uuid> = people.iter().map(|person| person.user_id).collect();
    let mut sent: HashMap<Uuid, Vec<SentMail>> = HashMap::new();
    for mail in resets::counted_mails(&mut transaction, &user_ids).await? {
        let counted = SentMail { issue_time: mail.issue_time, expire_time: mail.expire_time, live: mail.live };
        sent.entry(mail.user_id).or_default().push(counted);
    }
    // Each request goes on in its own trace; the batch is linked from there.
    let span = tracing::info_span!("issue_batch", otel.kind = "internal", batch.size = requests.len());
    let trace = span.in_scope(TraceContext::current);
    let now = requests.first().map_or(OffsetDateTime::UNIX_EPOCH, |request| request.now);
    let mut batch = Batch::new(service, now, sent, trace);
    for (turn, wanted) in requests.chunks(TURN).zip(wanted.chunks(TURN)) {
        for (request, wanted) in turn.iter().zip(wanted) {
            batch.add(request, &wanted.find(&people))?;
        }
        tokio::task::yield_now().await;
    }

    let request_ids: Vec<Uuid> = requests.iter().map(|request| request.request_id).collect();
    requests::finish(&mut transaction, &request_ids, &batch.made).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    for (outcome, number) in &batch.outcomes {
        issued.add(*number, &[KeyValue::new("outcome", *outcome)]);
    }
    if !batch.made.events.is_empty() {
        service.relay_bell.notify_one();
    }
    Ok(())
}

fn count(issued: &Counter<u64>, outcome: &'static str) {
    issued.add(1, &[KeyValue::new("outcome", outcome)]);
}

/// Whom a request means.
struct Wanted {
    username: Option<String>,
    email: Option<String>,
}

impl Wanted {
    fn of(request: &Request) -> Self {
        let text = request.identifier.as_deref().unwrap_or_default();
        match request.kind() {
            IdentifierKind::Username => Self { username: canonical_for_lookup(text), email: None },
            IdentifierKind::Email => {
                let email = Address::parse(text.trim()).ok().map(|address| address.as_str().to_owned());
                Self { username: None, email }
            }
        }
    }

    /// The account of this name, or every active account on this address, the latest first. An address
    /// with disabled accounts only is answered for one of them.
    fn find<'a>(&self, people: &'a [Person]) -> Vec<&'a Person> {
        if let Some(username) = &self.username {
            return people.iter().filter(|person| person.username == *username).collect();
        }
        let Some(email) = &self.email else { return Vec::new() };
        let mut accounts: Vec<&Person> = people.iter().filter(|person| person.email.as_ref() == Some(email)).collect();
        accounts.sort_by_key(|person| (std::cmp::Reverse(person.is_active()), std::cmp::Reverse(person.create_time)));
        let active = accounts.iter().filter(|person| person.is_active()).count();
        accounts.truncate(active.clamp(1, MAX_ACCOUNTS));
        accounts
    }
}

/// What one transaction will write.
struct Batch<'s> {
    service: &'s Service,
    now: OffsetDateTime,
    trace: TraceContext,
    sent: HashMap<Uuid, Vec<SentMail>>,
    made: Made,
    outcomes: BTreeMap<&'static str, u64>,
}

impl<'s> Batch<'s> {
    fn new(service: &'s Service, now: OffsetDateTime, sent: HashMap<Uuid, Vec<SentMail>>, trace: TraceContext) -> Self {
        Self { service, now, sent, trace, made: Made::default(), outcomes: BTreeMap::new() }
    }

    /// Decides about one request, in its trace.
    fn add(&mut self, request: &Request, accounts: &[&Person]) -> Result<(), EventError> {
        let _in_its_trace = self.span(request).entered();
        let before = self.made.resets.len();
        let decided = self.decide(request, accounts);
        about_resets(self.made.resets[before..].iter().map(|reset| reset.reset_id));
        decided
    }

    fn decide(&mut self, request: &Request, accounts: &[&Person]) -> Result<(), EventError> {
        if accounts.is_empty() {
            self.refuse(request, None, NotSentReason::NoSuchAccount, None);
            return Ok(());
        }
        let life = self.service.settings.resets.self_service_life;
        let late = self.now - request.request_time >= life;
        let mut mailed: Vec<&Person> = Vec::new();
        for person in accounts {
            let refusal = if late {
                Some((NotSentReason::Expired, None))
            } else if !person.is_active() {
                Some((NotSentReason::AccountDisabled, None))
            } else if person.email.is_none() {
                Some((NotSentReason::NoAddress, None))
            } else {
                self.limit(request, person).err().map(|until| (NotSentReason::CoolingDown, Some(until)))
            };
            match refusal {
                Some((reason, until)) => self.refuse(request, Some(person), reason, until),
                None => mailed.push(person),
            }
        }
        if mailed.is_empty() { Ok(()) } else { self.mail(request, &mailed) }
    }

    fn span(&self, request: &Request) -> Span {
        let span =
            tracing::info_span!("issue", otel.kind = "internal", request.id = %request.request_id, reset.id = Empty);
        trace_of(request).set_as_parent_of(&span);
        self.trace.link_from(&span);
        span
    }

    fn limit(&self, request: &Request, person: &Person) -> Result<(), OffsetDateTime> {
        if request.caller == canary::CALLER {
            return Ok(());
        }
        let limits = &self.service.settings.limits;
        let limits = MailLimits {
            per_minute: limits.mails_per_minute,
            live_links: limits.live_links,
            per_day: limits.mails_per_day,
            link_life: self.service.settings.resets.self_service_life,
        };
        limits.admit(self.sent.get(&person.user_id).map_or(&[], Vec::as_slice), self.now)
    }

    fn mail(&mut self, request: &Request, people: &[&Person]) -> Result<(), EventError> {
        let trace = TraceContext::current();
        let issue = Issue {
            kind: ResetKind::SelfService,
            request_id: Some(request.request_id),
            request_time: request.request_time,
            now: self.now,
            life: self.service.settings.resets.self_service_life,
            locale: request.locale(),
            device: &request.device,
            requested_by: None,
            reason: "",
            trace: &trace,
        };
        let issued = events::issue(self.service, &issue, people)?;
        for person in people {
            let mail = SentMail { issue_time: self.now, expire_time: issued.expire_time, live: true };
            self.sent.entry(person.user_id).or_default().push(mail);
            self.note(request, Some(person), "mailed", "");
        }
        self.made.resets.extend(issued.resets);
        self.made.events.push(issued.event);
        Ok(())
    }

    fn refuse(
        &mut self,
        request: &Request,
        person: Option<&Person>,
        reason: NotSentReason,
        cool_until: Option<OffsetDateTime>,
    ) {
        self.made.resets.push(without_mail(self.service, request, person, reason, cool_until));
        self.note(request, person, label(reason), reason.as_str());
    }

    fn note(&mut self, request: &Request, person: Option<&Person>, outcome: &'static str, cause: &'static str) {
        *self.outcomes.entry(outcome).or_default() += 1;
        let trace = TraceContext { traceparent: request.traceparent.clone(), tracestate: None };
        self.made.audit.push(AuditEvent {
            event_id: self.service.new_id(),
            action: "RequestReset",
            // The caller was told OK, whatever became of it.
            outcome: "ok",
            cause: cause.into(),
            caller: request.caller.clone(),
            actor_user_id: None,
            user_id: person.map(|person| person.user_id),
            organization_id: person.map(|person| person.organization.organization_id),
            reason: String::new(),
            subject_digest: match person {
                None => request.identifier.as_deref().map(|text| self.service.digests.subject(text)),
                Some(_) => None,
            },
            trace_id: trace.trace_id(),
            ip_prefix: request.ip_prefix.clone(),
        });
    }
}

/// A reason as a metric's label.
fn label(reason: NotSentReason) -> &'static str {
    match reason {
        NotSentReason::NoSuchAccount => "no_such_account",
        NotSentReason::AccountDisabled => "account_disabled",
        NotSentReason::NoAddress => "no_address",
        NotSentReason::CoolingDown => "cooling_down",
        NotSentReason::Expired => "expired",
        NotSentReason::Revoked => "revoked",
        NotSentReason::Parked => "parked",
        NotSentReason::Internal => "internal",
    }
}

fn without_mail(
    service: &Service,
    request: &Request,
    person: Option<&Person>,
    reason: NotSentReason,
    cool_until: Option<OffsetDateTime>,
) -> NewReset {
    NewReset {
        reset_id: service.new_id(),
        request_id: Some(request.request_id),
        event_id: None,
        kind: ResetKind::SelfService,
        user_id: person.map(|person| person.user_id),
        organization_id: person.map(|person| person.organization.organization_id),
        token_digest: None,
        not_sent_reason: Some(reason),
        request_time: request.request_time,
        expire_time: None,
        cool_until,
        requested_by: None,
        reason: String::new(),
        support_code: None,
        traceparent: request.traceparent.clone(),
    }
}
