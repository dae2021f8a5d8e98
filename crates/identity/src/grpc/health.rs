//! grpc.health.v1: SERVING needs the database, not the broker.

use std::time::Duration;

use runtime::admin::Checks;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::service::Service;

/// How often the database is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How long it may take to answer.
const BOUND: Duration = Duration::from_secs(3);
/// The names health is asked for; empty: the whole server.
const SERVICES: [&str; 4] =
    ["", "sandi.identity.v1.IdentityService", "sandi.identity.v1.DirectoryService", "sandi.identity.v1.SupportService"];

/// Tells the truth about the service until stopped, and then, at once, that it does not serve.
pub async fn run(service: &Service, reporter: HealthReporter, checks: Checks, stop: CancellationToken) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = every.tick() => {}
        }
        // A database that keeps us waiting does not put off the goodbye.
        let answer = tokio::select! {
            () = stop.cancelled() => break,
            answer = tokio::time::timeout(BOUND, service.store.check()) => answer,
        };
        let answer = answer.unwrap_or_else(|_| Err("the database does not answer".to_owned()));
        let status = if answer.is_ok() { ServingStatus::Serving } else { ServingStatus::NotServing };
        checks.set("database", answer);
        set(&reporter, status).await;
    }
    checks.set("shutdown", Err("shutting down".into()));
    set(&reporter, ServingStatus::NotServing).await;
}

async fn set(reporter: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        reporter.set_service_status(service, status).await;
    }
}
