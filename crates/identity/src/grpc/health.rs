//! grpc.health.v1: SERVING needs the database, not the broker.

use std::time::Duration;

use runtime::admin::Checks;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::service::Service;

/// How often the database is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// The room on its disk is looked at once in so many times, and each time while something is wrong.
const ROOM_EVERY: u32 = 5;
/// How long it may take to answer.
const BOUND: Duration = Duration::from_secs(3);
/// The names health is asked for; empty: the whole server.
const SERVICES: [&str; 4] =
    ["", "sandi.identity.v1.IdentityService", "sandi.identity.v1.DirectoryService", "sandi.identity.v1.SupportService"];

/// Tells the truth about the service until stopped, and then, at once, that it does not serve.
pub async fn run(service: &Service, reporter: HealthReporter, checks: Checks, stop: CancellationToken) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looks = 0_u32;
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = every.tick() => {}
        }
        let room = looks.is_multiple_of(ROOM_EVERY);
        // A database that keeps us waiting does not put off the goodbye.
        let answer = tokio::select! {
            () = stop.cancelled() => break,
            answer = tokio::time::timeout(BOUND, look(service, room)) => answer,
        };
        let answer = answer.unwrap_or_else(|_| Err("the database does not answer".to_owned()));
        looks = if answer.is_ok() { looks.wrapping_add(1) } else { 0 };
        let status = if answer.is_ok() { ServingStatus::Serving } else { ServingStatus::NotServing };
        checks.set("database", answer);
        set(&reporter, status).await;
    }
    checks.set("shutdown", Err("shutting down".into()));
    set(&reporter, ServingStatus::NotServing).await;
}

/// Whether the database can be worked with, and has room if that is asked for.
async fn look(service: &Service, room: bool) -> Result<(), String> {
    service.store.check().await?;
    if room { service.store.check_room().await } else { Ok(()) }
}

async fn set(reporter: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        reporter.set_service_status(service, status).await;
    }
}
