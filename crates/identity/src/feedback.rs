//! Turns the mailer's statuses into states, and schedules the next attempts.
//!
//! A status informs and schedules; it never decides who may be mailed. Statuses that queue while others are written are
//! written together. A group that fails is taken apart, so that one bad status never blocks its neighbours.

mod status;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use messaging::broker::Broker;
use messaging::consumer::{Delivery, Verdict, consume};
use messaging::topology::{IDENTITY_MAIL_STATUS, MAILER_EVENTS, destination};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};
use proto::mailer::events::v1::mail_status::Outcome;
use runtime::SkewAlarm;
use runtime::trace::{TraceContext, failed};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::domain::smtp_code::is_ours;
use crate::domain::states::{DeliveryEvent, NotSentReason, ResetKind};
use crate::group::{Bounds, Group, Groups, Missed, Write};
use crate::service::Service;
use crate::store::delivery_attempts::{self, NewAttempt};
use crate::store::outbox::{self, NextAttempt, Waiting};
use crate::store::resets::{self, Moved};
use crate::store::{StoreError, Transaction, users};
use status::Status;

/// Statuses taken from the queue at one time.
const PREFETCH: u16 = 256;
/// Statuses of one transaction, and transactions at one time.
const BOUNDS: Bounds = Bounds { group: 64, writers: 1, line: PREFETCH as usize, wait: FOREVER, rest: REST };
/// Nobody waits for a status, and seven statements cost the same for one as for many.
const REST: Duration = Duration::from_millis(15);
/// They wait for a database that is away: the broker holds no more than the prefetch meanwhile.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);
/// Statuses tried alone at one time: one of them may wait for a lock as long as the database lets it.
const ALONE: usize = 2;
/// The last attempt comes no later than this before the end of the link.
const LAST_CALL: Duration = Duration::from_secs(2 * 60);
/// How long to wait before a status is tried again that the database would not take.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs until stopped. `state` is told whether the broker is there.
pub async fn run(
    service: Arc<Service>,
    broker: Broker,
    stop: CancellationToken,
    state: impl Fn(Result<(), String>) + Send + Sync + 'static,
) {
    let feedback = Arc::new(Feedback {
        service,
        skew_alarm: SkewAlarm::default(),
        measures: Measures::new(),
        ended: stop.clone(),
        alone: Semaphore::new(ALONE),
    });
    let groups = Groups::new(Arc::clone(&feedback), BOUNDS);
    consume(broker, IDENTITY_MAIL_STATUS, PREFETCH, stop, state, move |delivery| {
        let (feedback, groups) = (Arc::clone(&feedback), Arc::clone(&groups));
        async move {
            let destination = destination(MAILER_EVENTS, &delivery.routing_key, Some(IDENTITY_MAIL_STATUS));
            let span = tracing::info_span!(
                "mail_status",
                otel.name = format!("process {destination}"),
                otel.kind = "consumer",
                messaging.system = "rabbitmq",
                messaging.destination.name = destination,
                messaging.rabbitmq.destination.routing_key = delivery.routing_key,
                messaging.operation.name = "process",
                messaging.operation.type = "process",
                messaging.message.id = delivery.message_id.as_deref().filter(|id| id.len() <= 64),
                reset.id = Empty,
                otel.status_code = Empty,
                error.type = Empty,
            );
            let trace =
                TraceContext::from_headers(delivery.trace.traceparent.as_deref(), delivery.trace.tracestate.as_deref());
            trace.set_as_parent_of(&span);
            feedback.handle(&groups, &delivery).instrument(span).await
        }
    })
    .await;
}

struct Feedback {
    service: Arc<Service>,
    skew_alarm: SkewAlarm,
    measures: Measures,
    ended: CancellationToken,
    alone: Semaphore,
}

/// What is measured of the statuses.
#[derive(Clone)]
struct Measures {
    statuses: Counter<u64>,
    acceptance: Histogram<f64>,
}

impl Measures {
    fn new() -> Self {
        let meter = opentelemetry::global::meter("sandi");
        Self {
            statuses: meter
                .u64_counter("sandi.mail.statuses")
                .with_description("Statuses of delivery attempts, by outcome.")
                .build(),
            acceptance: meter
                .f64_histogram("sandi.reset.acceptance")
                .with_unit("s")
                .with_description("From the request of a reset to the mail server's yes, by kind of reset.")
                .build(),
        }
    }
}

impl Feedback {
    async fn handle(&self, groups: &Arc<Groups<Arc<Self>>>, delivery: &Delivery) -> Verdict {
        let Some(status) = Status::read(&delivery.body) else {
            failed(&Span::current(), "not_understood");
            tracing::warn!("a status cannot be understood and is parked");
            return Verdict::Park;
        };
        if let Some(published) = delivery.published {
            self.skew_alarm.compare(published, self.service.clock.now());
        }
        self.measures.statuses.add(1, &[KeyValue::new("outcome", status.label())]);
        let status = Arc::new(status);
        match groups.pass(Arc::clone(&status)).await {
            Ok(true) => Verdict::Ack,
            Ok(false) | Err(Missed::Full | Missed::Late | Missed::Lost) => self.handle_alone(&status).await,
            Err(Missed::Away) => Verdict::Requeue,
        }
    }

    /// Handles a status whose group failed, for as long as it takes.
    async fn handle_alone(&self, status: &Arc<Status>) -> Verdict {
        loop {
            match self.apply_alone(status).await {
                Ok(()) => return Verdict::Ack,
                Err(StoreError::Unavailable(_) | StoreError::Collision(_)) => {
                    tokio::select! {
                        () = tokio::time::sleep(PATIENCE) => {}
                        () = self.ended.cancelled() => return Verdict::Requeue,
                    }
                }
                Err(error) => {
                    failed(&Span::current(), "not_applied");
                    tracing::error!(
                        messaging.message.id = %status.event_id,
                        error = &error as &dyn std::error::Error,
                        "a status cannot be applied and is parked"
                    );
                    return Verdict::Park;
                }
            }
        }
    }

    async fn apply_alone(&self, status: &Arc<Status>) -> Result<(), StoreError> {
        // Never closed.
        let _turn = self.alone.acquire().await;
        let transaction = self.service.background.begin().await?;
        self.apply(transaction, std::slice::from_ref(status)).await
    }

    async fn apply(&self, mut transaction: Transaction, statuses: &[Arc<Status>]) -> Result<(), StoreError> {
        let mut accepted = Vec::new();
        for round in rounds(statuses) {
            accepted.extend(apply(&self.service, &mut transaction, &round).await?);
        }
        transaction.commit().await?;
        if statuses.iter().any(|status| status.outcome == Outcome::Again) {
            self.service.relay_bell.notify_one();
        }
        for (kind, seconds) in accepted {
            self.measures.acceptance.record(seconds.max(0.0), &[KeyValue::new("kind", kind_label(kind))]);
        }
        Ok(())
    }
}

/// Whether a status was applied; if not, it is to be tried alone.
impl Write for Arc<Feedback> {
    type Item = Arc<Status>;
    type Answer = bool;
    type Session = Transaction;

    /// Waits for a database that is away; none when the program ends.
    async fn session(&self) -> Option<Transaction> {
        loop {
            match self.service.background.begin().await {
                Ok(transaction) => return Some(transaction),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "statuses have to wait");
                    self.ended.run_until_cancelled(tokio::time::sleep(PATIENCE)).await?;
                }
            }
        }
    }

    async fn write(&self, transaction: Transaction, group: Group<Self>) {
        let statuses: Vec<Arc<Status>> = group.iter().map(|member| Arc::clone(&member.item)).collect();
        let applied = self.apply(transaction, &statuses).await;
        if let Err(error) = &applied {
            let count = group.len();
            tracing::warn!(
                count,
                error = error as &dyn std::error::Error,
                "statuses failed together, trying each alone"
            );
        }
        group.into_iter().for_each(|member| member.answer(applied.is_ok()));
    }
}

/// The statuses in their order, in rounds in each of which a mail has one at most.
fn rounds(statuses: &[Arc<Status>]) -> Vec<Vec<&Status>> {
    let mut rounds: Vec<(HashSet<Uuid>, Vec<&Status>)> = Vec::new();
    for status in statuses {
        match rounds.iter_mut().find(|(mails, _)| !mails.contains(&status.event_id)) {
            Some((mails, round)) => {
                mails.insert(status.event_id);
                round.push(status);
            }
            None => rounds.push((HashSet::from([status.event_id]), vec![status])),
        }
    }
    rounds.into_iter().map(|(_, round)| round).collect()
}

/// Whether a message is a status that can be applied.
pub fn is_understood(body: &[u8]) -> bool {
    Status::read(body).is_some()
}

/// Applies statuses of different mails, and returns the kinds of the resets whose mails were accepted, with the seconds
/// since they were asked for. A mail's row in the outbox is locked before anything of the mail is changed.
async fn apply(
    service: &Service,
    transaction: &mut Transaction,
    statuses: &[&Status],
) -> Result<Vec<(ResetKind, f64)>, StoreError> {
    let about: Vec<(Uuid, bool)> =
        statuses.iter().filter_map(|status| Some((status.event_id, status.speaks_of_address()?))).collect();
    let of_addresses = !about.is_empty() && users::lock_addressees(transaction, &about).await?;
    let ids: Vec<Uuid> = statuses.iter().map(|status| status.event_id).collect();
    let waiting: HashMap<Uuid, Waiting> =
        outbox::lock_waiting(transaction, &ids).await?.into_iter().map(|waiting| (waiting.event_id, waiting)).collect();
    let statuses = ours(transaction, statuses, &waiting).await?;
    if statuses.is_empty() {
        return Ok(Vec::new());
    }
    let made = statuses.iter().filter(|status| status.outcome != Outcome::Again);
    let attempts: Vec<NewAttempt<'_>> = made.map(|status| status.attempt()).collect();
    if !attempts.is_empty() {
        delivery_attempts::record(transaction, &attempts).await?;
    }

    let news = News::of(service, &statuses, &waiting);
    if !news.expected.is_empty() {
        resets::expect_attempts(transaction, &news.expected).await?;
    }
    let mut accepted = Vec::new();
    for (event, mails) in &news.events {
        let moved = resets::advance(transaction, mails, *event).await?;
        if *event == DeliveryEvent::Sent {
            accepted = moved;
        }
    }
    if !news.next.is_empty() {
        outbox::schedule(transaction, &news.next).await?;
    }
    if !news.held.is_empty() {
        outbox::heard(transaction, &news.held).await?;
    }
    if !news.over.is_empty() {
        outbox::delete(transaction, &news.over).await?;
    }
    if of_addresses {
        judge_addresses(transaction, &statuses).await?;
    }
    Ok(accepted)
}

/// Those of a mail that is known here: others were swept away by the retention, or never ours.
async fn ours<'a>(
    transaction: &mut Transaction,
    statuses: &[&'a Status],
    waiting: &HashMap<Uuid, Waiting>,
) -> Result<Vec<&'a Status>, StoreError> {
    let done: Vec<Uuid> =
        statuses.iter().map(|status| status.event_id).filter(|event_id| !waiting.contains_key(event_id)).collect();
    let known = if done.is_empty() { HashMap::new() } else { resets::with_resets(transaction, &done).await? };
    let ours = |status: &&&Status| {
        let _in_its_trace = status.span.enter();
        let (waiting, known) = (waiting.get(&status.event_id), known.get(&status.event_id));
        let ours = waiting.is_some() || known.is_some();
        status.span.record("reset.id", waiting.and_then(|waiting| waiting.reset_ids.as_ref()).or(known));
        if !ours {
            tracing::info!(messaging.message.id = %status.event_id, "a status of an unknown mail");
        }
        ours
    };
    Ok(statuses.iter().filter(ours).copied().collect())
}

/// What statuses change.
#[derive(Default)]
struct News {
    /// What happened, and to which mails.
    events: Vec<(DeliveryEvent, Vec<Moved>)>,
    /// Next attempts, and rows that wait for an operator.
    next: Vec<NextAttempt>,
    /// Mails whose next attempt is told.
    expected: Vec<Moved>,
    /// Mails that the mailer holds.
    held: Vec<Uuid>,
    /// Mails for which nothing more is tried.
    over: Vec<Uuid>,
}

impl News {
    fn of(service: &Service, statuses: &[&Status], waiting: &HashMap<Uuid, Waiting>) -> Self {
        let mut news = Self::default();
        for status in statuses {
            news.add(service, status, waiting.get(&status.event_id));
        }
        news
    }

    fn add(&mut self, service: &Service, status: &Status, waiting: Option<&Waiting>) {
        if status.outcome == Outcome::Again {
            return status.span.in_scope(|| self.try_again(status, waiting));
        }
        let current = waiting.map_or(status.attempt, |waiting| waiting.attempt);
        let event = delivery_event(status, waiting);
        // The same silence told twice is one silence.
        let told_before = status.outcome == Outcome::Unknown && status.attempt < current;
        if told_before || !event.concerns(status.attempt.unsigned_abs(), current.unsigned_abs()) {
            return;
        }
        let mut next_attempt_time = None;
        match (event, waiting) {
            (DeliveryEvent::Deferred | DeliveryEvent::Unknown { second: false }, Some(waiting)) => {
                let next = next_attempt(service, status, waiting);
                next_attempt_time = next.due_time;
                self.expected.push((status.event_id, next.due_time));
                self.next.push(next);
            }
            // An operator may have it tried again once the cause is gone: its row waits for that.
            (DeliveryEvent::NotSent(NotSentReason::Parked), Some(waiting)) => {
                self.next.push(same_attempt(waiting));
            }
            (DeliveryEvent::Held, _) => self.held.push(status.event_id),
            _ if event.is_final() => self.over.push(status.event_id),
            _ => {}
        }
        let mail = (status.event_id, next_attempt_time);
        match self.events.iter_mut().find(|(known, _)| *known == event) {
            Some((_, mails)) => mails.push(mail),
            None => self.events.push((event, vec![mail])),
        }
    }

    /// An operator wants another attempt at a mail that was put aside. The relay makes it, and looks before it as before
    /// each one: what was revoked, used or re-addressed meanwhile is not mailed.
    fn try_again(&mut self, status: &Status, waiting: Option<&Waiting>) {
        tracing::info!(
            messaging.message.id = %status.event_id,
            waits = waiting.is_some(),
            "a mail is asked for again"
        );
        self.next.extend(waiting.map(|waiting| {
            let next = same_attempt(waiting);
            NextAttempt { attempt: next.attempt.saturating_add(1), due_time: Some(waiting.now), ..next }
        }));
    }
}

/// The attempt that a mail's row stands at.
fn same_attempt(waiting: &Waiting) -> NextAttempt {
    NextAttempt { event_id: waiting.event_id, attempt: waiting.attempt, due_time: None, unknowns: waiting.unknowns }
}

/// A kind as a metric's label.
fn kind_label(kind: ResetKind) -> &'static str {
    match kind {
        ResetKind::SelfService => "self_service",
        ResetKind::Admin => "admin",
        ResetKind::Invitation => "invitation",
    }
}

fn delivery_event(status: &Status, waiting: Option<&Waiting>) -> DeliveryEvent {
    match status.outcome {
        Outcome::Sent => DeliveryEvent::Sent,
        Outcome::Bounced => DeliveryEvent::Bounced,
        Outcome::Deferred => DeliveryEvent::Deferred,
        Outcome::Held => DeliveryEvent::Held,
        Outcome::Unknown => DeliveryEvent::Unknown { second: waiting.is_none_or(|waiting| waiting.unknowns > 0) },
        Outcome::Parked => DeliveryEvent::NotSent(NotSentReason::Parked),
        Outcome::Expired | Outcome::Again | Outcome::Unspecified => DeliveryEvent::NotSent(NotSentReason::Expired),
    }
}

/// The next attempt, unless it would come too late: then the mail only waits for its end.
fn next_attempt(service: &Service, status: &Status, waiting: &Waiting) -> NextAttempt {
    let [jitter] = service.random_bytes();
    // What our own mail server failed at is tried again soon, however often it was tried before.
    let ours = is_ours(status.message.smtp_code.cast_signed(), &status.message.phase);
    let step = if ours { 1 } else { status.attempt };
    let next = waiting.now + gap(&service.settings.resets.retry_gaps, step, jitter);
    NextAttempt {
        event_id: status.event_id,
        attempt: status.attempt.saturating_add(1),
        due_time: waiting.expire_time.is_none_or(|end| next + LAST_CALL <= end).then_some(next),
        unknowns: waiting.unknowns + i16::from(status.outcome == Outcome::Unknown),
    }
}

/// The gap after this attempt, give or take a tenth.
fn gap(gaps: &[Duration], attempt: i32, jitter: u8) -> Duration {
    let index = usize::try_from(attempt.max(1) - 1).unwrap_or_default().min(gaps.len() - 1);
    gaps[index].mul_f64(0.9 + 0.2 * f64::from(jitter) / 255.0)
}

/// Keeps what final answers say of the addresses themselves.
async fn judge_addresses(transaction: &mut Transaction, statuses: &[&Status]) -> Result<(), StoreError> {
    let of = |refused| statuses.iter().filter(move |status| status.speaks_of_address() == Some(refused));
    let refused: Vec<(Uuid, &str)> =
        of(true).map(|status| (status.event_id, status.message.enhanced_code.as_str())).collect();
    let accepted: Vec<Uuid> = of(false).map(|status| status.event_id).collect();
    if !refused.is_empty() {
        users::mark_undeliverable(transaction, &refused).await?;
    }
    if !accepted.is_empty() {
        users::clear_undeliverable(transaction, &accepted).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_grow_and_the_last_one_repeats() {
        let gaps: Vec<Duration> = [1, 4, 10].map(|minutes| Duration::from_secs(minutes * 60)).to_vec();
        for (attempt, seconds) in [(1, 60), (2, 240), (3, 600), (4, 600), (99, 600)] {
            for jitter in [0, 128, 255] {
                let gap = gap(&gaps, attempt, jitter).as_secs_f64() / f64::from(seconds);
                assert!((0.89..=1.11).contains(&gap), "attempt {attempt}: {gap}");
            }
        }
    }
}
