//! The canary: a reset of nobody's, asked for every few minutes and taken through the very same path to a mailbox that
//! nobody reads, so that somebody is told when mails stop, also in a night without any.
//!
//! Its user is made like any other (`identity user create`). Replicas share the work: who finds that it is time, asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::global;
use opentelemetry::metrics::Gauge;
use runtime::trace::TraceContext;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::domain::identifier::Identifier;
use crate::hasher::Patience;
use crate::ops::call::{Caller, Requester, Scope};
use crate::ops::request_reset::{RequestReset, request_reset};
use crate::ops::{Call, Error};
use crate::service::Service;
use crate::store::canary::{self, Flight};
use crate::store::requests::IdentifierKind;

/// Who asks. No caller can have this name, so that nobody else is outside the silent limits.
pub const CALLER: &str = canary::CALLER;
/// Longest time between two looks.
const LOOK: Duration = Duration::from_secs(15);
/// How long asking may take.
const PATIENCE: Duration = Duration::from_secs(10);

struct Canary {
    service: Arc<Service>,
    identifier: Identifier,
    every: Duration,
    arrival: Arrival,
    age: Gauge<f64>,
}

/// When the last canary arrived, as was last seen; before one did, when we started.
#[derive(Clone, Copy)]
struct Arrival {
    /// How long before it was seen, in seconds.
    ago: f64,
    seen: Instant,
}

impl Arrival {
    /// Since it arrived, in seconds, by our own clock.
    fn age(self, now: Instant) -> f64 {
        self.ago + now.saturating_duration_since(self.seen).as_secs_f64()
    }

    /// What the database says now; nothing: no canary is known to have arrived.
    fn saw(&mut self, ago: Option<f64>, now: Instant) {
        if let Some(ago) = ago {
            *self = Self { ago, seen: now };
        }
    }
}

/// Runs until stopped; not at all when no user is set.
pub async fn run(service: Arc<Service>, stop: CancellationToken) {
    let settings = &service.settings.canary;
    let Ok(identifier) = Identifier::parse(&settings.username) else { return };
    let seconds =
        |name, description| global::meter("sandi").f64_gauge(name).with_unit("s").with_description(description).build();
    seconds("sandi.canary.interval", "How often the canary is asked for.").record(settings.every.as_secs_f64(), &[]);
    let age = seconds("sandi.canary.age", "Time since the last canary was asked for that the mail server accepted.");
    let (every, arrival) = (settings.every, Arrival { ago: 0.0, seen: Instant::now() });
    let mut canary = Canary { service: Arc::clone(&service), identifier, every, arrival, age };
    while !stop.is_cancelled() {
        canary.look().await;
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK.min(every / 4)) => {}
        }
    }
}

impl Canary {
    /// Measures, and asks when it is time. While the database is away the age grows by our own clock.
    async fn look(&mut self) {
        let flight = match self.flight().await {
            Ok(flight) => flight,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the canary cannot be followed");
                return self.age.record(self.arrival.age(Instant::now()), &[]);
            }
        };
        let now = Instant::now();
        self.arrival.saw(flight.arrived_ago, now);
        self.age.record(self.arrival.age(now), &[]);
        if flight.asked_ago.is_none_or(|ago| ago >= self.every.as_secs_f64()) {
            let span = tracing::info_span!("canary", otel.kind = "internal");
            if let Err(error) = self.ask().instrument(span).await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the canary cannot be asked for");
            }
        }
    }

    async fn flight(&self) -> Result<Flight, Error> {
        let mut connection = self.service.background.connection().await?;
        Ok(canary::flight(&mut connection, self.identifier.as_str()).await?)
    }

    async fn ask(&self) -> Result<(), Error> {
        let caller = Caller { name: CALLER.into(), scopes: [Scope::PasswordReset].into_iter().collect() };
        let patience = Patience { deadline: Instant::now() + PATIENCE, gone: CancellationToken::new() };
        let call = Call::new("RequestReset", caller, Requester::default(), patience, TraceContext::current());
        let command =
            RequestReset { kind: IdentifierKind::Username, identifier: self.identifier.clone(), idempotency_key: None };
        request_reset(&self.service, &call, command).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_nothing_is_seen_the_age_grows_from_the_last_arrival_and_not_from_the_start() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut arrival = Arrival { ago: 0.0, seen: start };
        assert_eq!(arrival.age(at(60)), 60.0, "none was seen since the start");
        arrival.saw(None, at(60));
        assert_eq!(arrival.age(at(90)), 90.0, "none has arrived");
        arrival.saw(Some(20.5), at(86_400));
        assert_eq!(arrival.age(at(86_400)), 20.5);
        assert_eq!(arrival.age(at(86_460)), 80.5, "the database has been away for a minute");
        arrival.saw(None, at(86_500));
        assert_eq!(arrival.age(at(86_500)), 120.5, "its user was made anew");
        assert_eq!(arrival.age(start), 20.5);
    }
}
