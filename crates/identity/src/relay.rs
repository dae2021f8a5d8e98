//! Publishes what is due in the outbox, through a window of confirms, and looks after mails that wait.
//!
//! A mail's row stays until its final status. What was revoked, completed or re-addressed meanwhile
//! is not published any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use messaging::TraceHeaders;
use messaging::broker::Broker;
use messaging::publisher::{Message, PublishError, Publisher};
use messaging::seal::{SealedEvent, encode_event};
use messaging::topology::{
    self, CREDENTIAL_CHANGED, IDENTITY_EVENTS, MAILER_REQUESTS, NOTICE_REQUESTED, RESET_REQUESTED,
};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};
use runtime::trace::TraceContext;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::domain::states::{DeliveryEvent, NotSentReason};
use crate::service::Service;
use crate::store::outbox::{self, Claimed};
use crate::store::resets::{self, Beside};
use crate::store::{self, StoreError};

/// Rows of one claim, and confirms awaited at one time: one claim is one window, so that a lease need
/// only outlast one confirm.
const WINDOW: usize = 64;
/// How long a claim holds: longer than a confirm may take (10 s).
const LEASE: Duration = Duration::from_secs(12);
/// How long to sleep when nobody rings.
const POLL: Duration = Duration::from_secs(1);
/// How long a row rests that could not be published.
const REST: Duration = Duration::from_secs(1);
/// How often it is tried to mark what was published.
const MARK_TRIES: u32 = 5;
const MARK_PAUSE: Duration = Duration::from_millis(100);
/// How long the mailer's queue must have been empty before silence means loss: mailers that come back
/// hold the last of it for a while.
const EMPTY_FOR: Duration = Duration::from_secs(60);
/// How often waiting mails are looked after.
const CARE: Duration = Duration::from_secs(5);
/// How long after its end a mail is given up: time for a status on its way.
const GRACE: Duration = Duration::from_secs(15);
/// Rows looked after at one time.
const CARE_BATCH: i64 = 500;

struct Relay {
    service: Arc<Service>,
    broker: Broker,
    publisher: Publisher,
    published: Counter<u64>,
    duration: Histogram<f64>,
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
        while !stop.is_cancelled() {
            // A broker that is away or takes nothing gets nothing: the rows are as safe where they are.
            let full = self.publisher.connected()
                && !self.publisher.blocked()
                && match self.publish_batch().await {
                    Ok(count) => count == WINDOW,
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "the outbox cannot be read");
                        false
                    }
                };
            if !full {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.service.relay_bell.notified() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
        }
    }

    /// Publishes what is due, and returns how many rows that were.
    async fn publish_batch(&self) -> Result<usize, StoreError> {
        let store = &self.service.store;
        let claimed = outbox::claim(&mut *store.connection().await?, WINDOW, LEASE).await?;
        let count = claimed.len();
        let (wanted, unwanted): (Vec<_>, Vec<_>) =
            claimed.into_iter().partition(|event| event.live && event.active && !event.expired);
        self.settle(&unwanted).await?;

        let mut done = Vec::new();
        let mut mailed = Vec::new();
        let mut failed = Vec::new();
        let any = !wanted.is_empty();
        let mut outcomes = futures::stream::iter(wanted)
            .map(|event| async move {
                let outcome = self.publish(&event).await;
                (event, outcome)
            })
            .buffer_unordered(WINDOW);
        while let Some((event, outcome)) = outcomes.next().await {
            match outcome {
                Ok(()) if event.routing_key == CREDENTIAL_CHANGED => done.push(event.event_id),
                Ok(()) => mailed.push((event.event_id, event.attempt)),
                Err(()) => failed.push(event.event_id),
            }
        }
        drop(outcomes);
        if !any {
            return Ok(count);
        }
        let mut tries = 1;
        while let Err(error) = self.mark(&done, &mailed, &failed).await {
            // What is not marked is published once more.
            if tries == MARK_TRIES {
                return Err(error);
            }
            tokio::time::sleep(MARK_PAUSE * tries).await;
            tries += 1;
        }
        Ok(count)
    }

    async fn mark(&self, done: &[Uuid], mailed: &[(Uuid, i32)], failed: &[Uuid]) -> Result<(), StoreError> {
        let mut transaction = self.service.store.begin().await?;
        outbox::delete(&mut transaction, done).await?;
        let queued = outbox::published(&mut transaction, mailed).await?;
        resets::advance(&mut transaction, &queued, DeliveryEvent::Published, Beside::default()).await?;
        outbox::put_off(&mut transaction, failed, REST).await?;
        transaction.commit().await.map_err(StoreError::from)
    }

    /// Ends mails that nobody wants any more.
    async fn settle(&self, unwanted: &[Claimed]) -> Result<(), StoreError> {
        if unwanted.is_empty() {
            return Ok(());
        }
        let mut transaction = self.service.store.begin().await?;
        for reason in [NotSentReason::Expired, NotSentReason::Revoked, NotSentReason::AccountDisabled] {
            let ids: Vec<Uuid> =
                unwanted.iter().filter(|event| end(event) == reason).map(|event| event.event_id).collect();
            let beside = Beside { not_sent_reason: Some(reason), ..Beside::default() };
            resets::advance(&mut transaction, &ids, DeliveryEvent::NotSent(reason), beside).await?;
            outbox::delete(&mut transaction, &ids).await?;
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
        );
        TraceContext { traceparent: event.traceparent.clone(), tracestate: event.tracestate.clone() }
            .set_as_parent_of(&span);
        let begun = Instant::now();
        let outcome = async {
            let trace = TraceContext::current();
            self.publisher
                .publish(Message {
                    exchange: IDENTITY_EVENTS,
                    routing_key,
                    message_id: event.event_id,
                    body: body(event, routing_key),
                    timestamp: event.create_time,
                    published: self.service.clock.now(),
                    trace: TraceHeaders { traceparent: trace.traceparent, tracestate: trace.tracestate },
                })
                .await
        }
        .instrument(span)
        .await;
        let word = match &outcome {
            Ok(()) => "confirmed",
            Err(PublishError::Unroutable) => "unroutable",
            Err(PublishError::Refused) => "refused",
            Err(PublishError::Disconnected(_)) => "disconnected",
            Err(PublishError::TimedOut) => "timed_out",
        };
        self.duration.record(begun.elapsed().as_secs_f64(), &[KeyValue::new("outcome", word)]);
        self.published.add(1, &[KeyValue::new("routing_key", routing_key), KeyValue::new("outcome", word)]);
        outcome.map_err(|error| {
            tracing::warn!(messaging.message.id = %event.event_id, routing_key, %error, "an event was not published");
        })
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
        let store = &self.service.store;
        sweep(store).await?;
        self.republish_silent(empty_since).await
    }

    /// A mail without a word for long, while the mailer's queue has nothing ready, was lost on its way.
    async fn republish_silent(&self, empty_since: &mut Option<Instant>) -> Result<(), StoreError> {
        let store = &self.service.store;
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
    let beside = Beside { not_sent_reason: Some(reason), ..Beside::default() };
    resets::advance(&mut transaction, &swept, DeliveryEvent::NotSent(reason), beside).await?;
    transaction.commit().await?;
    if !swept.is_empty() {
        tracing::warn!(count = swept.len(), "mails were given up: their links have ended");
    }
    Ok(())
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
