//! Throws away what has passed its retention, and looks after the partitions of the audit.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ops::guesses::bounds;
use crate::service::Service;
use crate::store::{StoreError, guesses, maintenance};

/// How often.
const EVERY: Duration = Duration::from_secs(60);
/// Rows of one table at one time.
const BATCH: i64 = 2000;

/// Runs until stopped.
pub async fn run(service: Arc<Service>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = tidy(&service, &stop).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "old rows cannot be thrown away");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn tidy(service: &Service, stop: &CancellationToken) -> Result<(), StoreError> {
    let retention = &service.settings.retention;
    let mut connection = service.background.connection().await?;
    if let Err(error) = maintenance::maintain_audit_partitions(&mut connection).await {
        // Somebody reads the audit for long; there are two months of partitions to spare.
        tracing::info!(error = &error as &dyn std::error::Error, "the audit's partitions are looked after later");
    }
    loop {
        let gone = maintenance::prune_resets(&mut connection, retention.resets, BATCH).await?
            + maintenance::prune_idempotency_keys(&mut connection, retention.idempotency, BATCH).await?
            + guesses::forget(&mut connection, bounds(service), BATCH).await?;
        if gone == 0 || stop.is_cancelled() {
            return Ok(());
        }
    }
}
