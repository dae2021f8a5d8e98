//! Publishes what is due in the outbox, through a window of confirms, and looks after mails that wait.
//!
//! A mail's row stays until its final status. What was revoked, completed or re-addressed meanwhile
//! is not published any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use messaging::TraceHeaders;
use messaging::broker::Broker;
use messaging::publisher::{Message, PublishError, Publisher};
use messaging::seal::{SealedEvent, encode_event};
use messaging::topology::{
    self, CREDENTIAL_CHANGED, IDENTITY_EVENTS, MAILER_REQUESTS, NOTICE_REQUESTED, RESET_REQUESTED,
};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};
use runtime::trace::{TraceContext, failed};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use crate::cursor::Cursor;
use crate::domain::states::{DeliveryEvent, NotSentReason};
use crate::service::Service;
use crate::store::outbox::{self, Claimed, Swept};
use crate::store::{self, StoreError, resets};

/// Rows of one claim. All are handed to the publisher at once, so that a lease need only outlast one confirm.
const BATCH: usize = 256;
/// What comes within so long after a small claim makes up the next one.
const GATHER: Duration = Duration::from_millis(2);
/// Claims that are published at one time: as many rows as the publisher has under way.
const BATCHES: usize = 4;
/// How long a claim holds: longer than a confirm may take (10 s, the wait for the publisher included).
const LEASE: Duration = Duration::from_secs(12);
/// How long to sleep when nobody rings.
const POLL: Duration = Duration::from_secs(1);
/// How long a row rests that could not be published.
const REST: Duration = Duration::from_secs(1);
/// How often it is tried to mark what was published.
const MARK_TRIES: u32 = 5;
const MARK_PAUSE: Duration = Duration::from_millis(100);
/// Batches that wait to be marked together, and how long small ones are waited for: nobody waits for the mark, and of
/// most mails the status is here by then.
const MARKS: usize = BATCHES;
const MARK_REST: Duration = Duration::from_millis(15);
/// How long the mailer's queue must have been empty before silence means loss: mailers that come back
/// hold the last of it for a while.
const EMPTY_FOR: Duration = Duration::from_secs(60);
/// How often waiting mails are looked after.
const CARE: Duration = Duration::from_secs(5);
/// How long after its end a mail is given up: time for a status on its way.
const GRACE: Duration = Duration::from_secs(15);
/// Rows looked after at one time.
const CARE_BATCH: i64 = 500;

#[derive(Clone)]
struct Relay {
    service: Arc<Service>,
    broker: Broker,
    publisher: Publisher,
    published: Counter<u64>,
    duration: Histogram<f64>,
}

/// What became of a batch.
#[derive(Default)]
struct Told {
    /// Events that nothing more is expected of.
    done: Vec<Uuid>,
    /// Mails, with the number of the attempt.
    mailed: Vec<(Uuid, i32)>,
    /// What was not published.
    failed: Vec<Uuid>,
}

impl Told {
    fn len(&self) -> usize {
        self.done.len() + self.mailed.len() + self.failed.len()
    }

    fn add(&mut self, Self { done, mailed, failed }: Self) {
        self.done.extend(done);
        self.mailed.extend(mailed);
        self.failed.extend(failed);
    }
}

/// Runs until stopped.
pub async fn run(service: Arc<Service>, broker: Broker, publisher: Publisher, stop: CancellationToken) {
    let meter = opentelemetry::global::meter("sandi");
    let relay = Relay {
        service,
        broker,
        publisher,
        published: meter
            .u64_counter("sandi.outbox.published")
            .with_description("Events the relay tried to publish, by routing key and outcome.")
            .build(),
        duration: meter
            .f64_histogram("sandi.outbox.publish.duration")
            .with_unit("s")
            .with_description("From handing an event to the broker to its confirm, its return, or giving up.")
            .build(),
    };
    for routing_key in [RESET_REQUESTED, NOTICE_REQUESTED] {
        // There from the start, so that its first one is an increase.
        relay.published.add(0, &[KeyValue::new("routing_key", routing_key), KeyValue::new("outcome", "unroutable")]);
    }
    tokio::join!(relay.publish_until(&stop), relay.care_until(&stop));
}

impl Relay {
    async fn publish_until(&self, stop: &CancellationToken) {
        let (told, line) = mpsc::channel(MARKS);
        tokio::join!(self.claim_until(stop, told), self.mark_until_closed(line));
    }

    async fn claim_until(&self, stop: &CancellationToken, told: mpsc::Sender<Told>) {
        let mut cursor = Cursor::default();
        let mut batches = JoinSet::new();
        let mut look = true;
        while !stop.is_cancelled() {
            // A broker that is away or takes nothing gets nothing: the rows are as safe where they are.
            let room = batches.len() < BATCHES && self.publisher.connected() && !self.publisher.blocked();
            if look && room {
                let count = self.claim_batch(&mut cursor, &told, &mut batches).await;
                if count == BATCH {
                    continue;
                }
                look = false;
                if count > 0 {
                    tokio::time::sleep(GATHER).await;
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                Some(_) = batches.join_next() => {}
                () = self.service.relay_bell.notified() => look = true,
                () = tokio::time::sleep(POLL) => look = true,
            }
        }
        while batches.join_next().await.is_some() {}
    }

    /// Claims what is due, a batch at most, and begins to publish it. Says how many events that were.
    async fn claim_batch(&self, cursor: &mut Cursor, told: &mpsc::Sender<Told>, batches: &mut JoinSet<()>) -> usize {
        let claimed = async {
            let mut session = self.service.background.connection().await?;
            outbox::claim(&mut session, BATCH, LEASE, cursor.place()).await
        };
        match claimed.await {
            Ok(claimed) => {
                let count = claimed.len();
                cursor.moved(claimed.iter().map(Claimed::place).max(), count == BATCH);
                if !claimed.is_empty() {
                    let (relay, told) = (self.clone(), told.clone());
                    batches.spawn(async move { relay.publish_batch(claimed, &told).await });
                }
                count
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the outbox cannot be read");
                cursor.reset();
                0
            }
        }
    }

    async fn publish_batch(&self, claimed: Vec<Claimed>, line: &mpsc::Sender<Told>) {
        let (wanted, unwanted): (Vec<_>, Vec<_>) =
            claimed.into_iter().partition(|event| event.live && event.active && !event.expired);
        if let Err(error) = self.settle(&unwanted).await {
            // They come due again when their lease is over.
            tracing::warn!(error = &error as &dyn std::error::Error, "mails that nobody wants cannot be ended");
        }
        let mut told = Told::default();
        let mut outcomes: FuturesUnordered<_> = wanted
            .into_iter()
            .map(|event| async move {
                let outcome = self.publish(&event).await;
                (event, outcome)
            })
            .collect();
        while let Some((event, outcome)) = outcomes.next().await {
            match outcome {
                Ok(()) if event.routing_key == CREDENTIAL_CHANGED => told.done.push(event.event_id),
                Ok(()) => told.mailed.push((event.event_id, event.attempt)),
                Err(()) => told.failed.push(event.event_id),
            }
        }
        let refused = told.mailed.is_empty() && told.done.is_empty() && !told.failed.is_empty();
        // It is open for as long as this runs.
        let _ = line.send(told).await;
        if refused {
            // The broker takes nothing of this: no reason to try the next ones at full speed.
            tokio::time::sleep(REST).await;
        }
    }

    async fn mark_until_closed(&self, mut line: mpsc::Receiver<Told>) {
        while let Some(mut told) = line.recv().await {
            if told.len() < BATCH {
                tokio::time::sleep(MARK_REST).await;
            }
            while told.len() < BATCHES * BATCH
                && let Ok(more) = line.try_recv()
            {
                told.add(more);
            }
            self.mark_patiently(&told).await;
        }
    }

    async fn mark_patiently(&self, told: &Told) {
        for tries in 1.. {
            let Err(error) = self.mark(told).await else { return };
            if tries == MARK_TRIES {
                // What is not marked is published once more.
                tracing::warn!(error = &error as &dyn std::error::Error, "what was published cannot be marked");
                return;
            }
            tokio::time::sleep(MARK_PAUSE * tries).await;
        }
    }

    /// Writes down what became of a batch; to do it twice changes nothing.
    async fn mark(&self, told: &Told) -> Result<(), StoreError> {
        let Told { done, mailed, failed } = told;
        if done.is_empty() && mailed.is_empty() && failed.is_empty() {
            return Ok(());
        }
        let mut session = self.service.background.connection().await?;
        if !done.is_empty() {
            outbox::delete(&mut session, done).await?;
        }
        if !mailed.is_empty() {
            outbox::published(&mut session, mailed).await?;
        }
        if !failed.is_empty() {
            outbox::put_off(&mut session, failed, REST).await?;
        }
        Ok(())
    }

    /// Ends mails that nobody wants any more.
    async fn settle(&self, unwanted: &[Claimed]) -> Result<(), StoreError> {
        if unwanted.is_empty() {
            return Ok(());
        }
        let mut transaction = self.service.background.begin().await?;
        for reason in [NotSentReason::Expired, NotSentReason::Revoked, NotSentReason::AccountDisabled] {
            let ids: Vec<Uuid> =
                unwanted.iter().filter(|event| end(event) == reason).map(|event| event.event_id).collect();
            if ids.is_empty() {
                continue;
            }
            // In the order of whoever handles a status: the outbox first.
            outbox::lock_waiting(&mut transaction, &ids).await?;
            outbox::delete(&mut transaction, &ids).await?;
            resets::advance(&mut transaction, &not_again(ids), DeliveryEvent::NotSent(reason)).await?;
        }
        transaction.commit().await.map_err(StoreError::from)
    }

    async fn publish(&self, event: &Claimed) -> Result<(), ()> {
        let Some(routing_key) = known(&event.routing_key) else {
            tracing::error!(messaging.message.id = %event.event_id, "the outbox holds an event of an unknown kind");
            return Err(());
        };
        let destination = topology::destination(IDENTITY_EVENTS, routing_key, None);
        let span = tracing::info_span!(
            "publish",
            otel.name = format!("send {destination}"),
            otel.kind = "producer",
            messaging.system = "rabbitmq",
            messaging.destination.name = destination,
            messaging.rabbitmq.destination.routing_key = routing_key,
            messaging.operation.name = "send",
            messaging.operation.type = "send",
            messaging.message.id = %event.event_id,
            attempt = event.attempt,
            otel.status_code = Empty,
            error.type = Empty,
        );
        TraceContext { traceparent: event.traceparent.clone(), tracestate: event.tracestate.clone() }
            .set_as_parent_about(&span, event.reset_ids.clone());
        let told = async {
            let trace = TraceContext::current();
            let begun = Instant::now();
            let outcome = self
                .publisher
                .publish(Message {
                    exchange: IDENTITY_EVENTS,
                    routing_key,
                    message_id: event.event_id,
                    body: body(event, routing_key),
                    timestamp: event.create_time,
                    published: self.service.clock.now(),
                    trace: TraceHeaders {
                        traceparent: trace.traceparent,
                        tracestate: trace.tracestate,
                        reset_id: event.reset_ids.clone(),
                    },
                })
                .await;
            let word = outcome.as_ref().map_or_else(PublishError::name, |()| "confirmed");
            self.duration.record(begun.elapsed().as_secs_f64(), &[KeyValue::new("outcome", word)]);
            self.published.add(1, &[KeyValue::new("routing_key", routing_key), KeyValue::new("outcome", word)]);
            outcome.map_err(|error| {
                failed(&Span::current(), word);
                tracing::warn!(messaging.message.id = %event.event_id, routing_key, %error, "an event was not published");
            })
        };
        told.instrument(span).await
    }

    async fn care_until(&self, stop: &CancellationToken) {
        let mut empty_since = None;
        while !stop.is_cancelled() {
            if let Err(error) = self.care(&mut empty_since).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "waiting mails cannot be looked after");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(CARE) => {}
            }
        }
    }

    async fn care(&self, empty_since: &mut Option<Instant>) -> Result<(), StoreError> {
        let store = &self.service.background;
        sweep(store).await?;
        self.republish_silent(empty_since).await
    }

    /// A mail without a word for long, while the mailer's queue has nothing ready, was lost on its way.
    async fn republish_silent(&self, empty_since: &mut Option<Instant>) -> Result<(), StoreError> {
        let store = &self.service.background;
        let silence = self.service.settings.resets.silence;
        if !outbox::any_silent(&mut *store.connection().await?, silence).await? {
            return Ok(());
        }
        let ready = topology::ready_messages(&self.broker, MAILER_REQUESTS).await;
        let empty_for = match ready {
            Ok(0) => Some(empty_since.get_or_insert_with(Instant::now).elapsed()),
            _ => {
                *empty_since = None;
                None
            }
        };
        match ready {
            Ok(0) if empty_for.is_some_and(|empty| empty < EMPTY_FOR.min(silence)) => {}
            Ok(0) => {
                let count = outbox::republish_silent(&mut *store.connection().await?, silence, CARE_BATCH).await?;
                tracing::warn!(count, "mails without a status are published again");
                self.service.relay_bell.notify_one();
            }
            Ok(ready) => tracing::info!(ready, "mails are without a status, but still wait in the queue"),
            Err(error) => tracing::warn!(%error, "the mailer's queue cannot be looked at"),
        }
        Ok(())
    }
}

/// Gives up mails whose end has passed.
async fn sweep(store: &store::Store) -> Result<(), StoreError> {
    let mut transaction = store.begin().await?;
    let swept = outbox::sweep(&mut transaction, GRACE, CARE_BATCH).await?;
    let reason = NotSentReason::Expired;
    let event_ids = swept.iter().map(|mail| mail.event_id).collect();
    resets::advance(&mut transaction, &not_again(event_ids), DeliveryEvent::NotSent(reason)).await?;
    transaction.commit().await?;
    if !swept.is_empty() {
        tracing::warn!(count = swept.len(), "mails were given up: their links have ended");
    }
    swept.into_iter().for_each(say_given_up);
    Ok(())
}

/// Says it in the trace of the mail, too.
fn say_given_up(Swept { event_id, reset_ids, traceparent, tracestate }: Swept) {
    let span = tracing::info_span!(
        "give_up",
        otel.kind = "internal",
        otel.status_code = "ERROR",
        error.type = "expired",
        messaging.message.id = %event_id
    );
    TraceContext { traceparent, tracestate }.set_as_parent_about(&span, reset_ids);
    span.in_scope(|| tracing::info!("a mail was given up"));
}

/// Mails for which no next attempt is expected.
fn not_again(event_ids: Vec<Uuid>) -> Vec<resets::Moved> {
    event_ids.into_iter().map(|event_id| (event_id, None)).collect()
}

/// Why a mail is not sent any more.
fn end(event: &Claimed) -> NotSentReason {
    match (event.expired, event.live) {
        (true, _) => NotSentReason::Expired,
        (false, false) => NotSentReason::Revoked,
        (false, true) => NotSentReason::AccountDisabled,
    }
}

fn known(routing_key: &str) -> Option<&'static str> {
    [RESET_REQUESTED, NOTICE_REQUESTED, CREDENTIAL_CHANGED].into_iter().find(|known| *known == routing_key)
}

fn body(event: &Claimed, routing_key: &'static str) -> Vec<u8> {
    if routing_key == CREDENTIAL_CHANGED {
        return event.body.clone();
    }
    let sealed = SealedEvent { header: event.header.clone(), sealed: event.body.clone() };
    encode_event(routing_key, &sealed, event.attempt.unsigned_abs())
}
