//! Telling the identity service what became of a mail.

use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use messaging::topology::{MAIL_STATUS, MAILER_EVENTS, destination};
use messaging::{Message, PublishError, Publisher, TraceHeaders};
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};
use prost::Message as _;
use proto::mailer::events::v1::MailStatus;
use runtime::trace::failed;
use runtime::{Clock, Random, TraceContext, uuid_v7};
use time::OffsetDateTime;
use tracing::field::Empty;
use tracing::{Instrument, Span};

/// What became of statuses.
#[derive(Clone)]
struct Tally {
    published: Counter<u64>,
    duration: Histogram<f64>,
}

impl Tally {
    fn new() -> Self {
        let meter = global::meter("sandi");
        let published = meter
            .u64_counter("sandi.mailer.status.published")
            .with_description("Statuses the mailer tried to publish, by outcome.")
            .build();
        let duration = meter
            .f64_histogram("sandi.mailer.status.publish.duration")
            .with_unit("s")
            .with_description("From handing a status to the broker to its confirm, its return, or giving up.")
            .build();
        // There from the start, so that its first one is an increase.
        published.add(0, &[KeyValue::new("outcome", "unroutable")]);
        Self { published, duration }
    }

    fn add(&self, result: &Result<(), PublishError>, begun: Instant) {
        let outcome = [KeyValue::new("outcome", result.as_ref().map_or_else(PublishError::name, |()| "confirmed"))];
        self.duration.record(begun.elapsed().as_secs_f64(), &outcome);
        self.published.add(1, &outcome);
    }
}

/// Publishes statuses, each in the trace it is called in; done when the broker confirms.
pub fn reporter(
    publisher: Publisher,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
) -> impl Fn(MailStatus) -> BoxFuture<'static, Result<(), PublishError>> {
    let tally = Tally::new();
    move |status| {
        let message_id = uuid_v7(&*clock, &*random);
        let destination = destination(MAILER_EVENTS, MAIL_STATUS, None);
        let span = tracing::info_span!(
            "report",
            otel.name = format!("send {destination}"),
            otel.kind = "producer",
            messaging.system = "rabbitmq",
            messaging.destination.name = destination,
            messaging.rabbitmq.destination.routing_key = MAIL_STATUS,
            messaging.operation.name = "send",
            messaging.operation.type = "send",
            messaging.message.id = %message_id,
            otel.status_code = Empty,
            error.type = Empty,
        );
        let trace = span.in_scope(TraceContext::current);
        let message = Message {
            exchange: MAILER_EVENTS,
            routing_key: MAIL_STATUS,
            message_id,
            body: status.encode_to_vec(),
            timestamp: clock.now(),
            published: clock.now(),
            // The identity service knows the mail's resets itself.
            trace: TraceHeaders { traceparent: trace.traceparent, tracestate: trace.tracestate, reset_id: None },
        };
        let (publisher, tally) = (publisher.clone(), tally.clone());
        let told = async move {
            let begun = Instant::now();
            let told = publisher.publish(message).await;
            tally.add(&told, begun);
            told.inspect_err(|error| failed(&Span::current(), error.name()))
        };
        Box::pin(told.instrument(span))
    }
}

/// A moment as it travels.
pub fn timestamp(time: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.unix_timestamp(),
        nanos: i32::try_from(time.nanosecond()).unwrap_or_default(),
    }
}
