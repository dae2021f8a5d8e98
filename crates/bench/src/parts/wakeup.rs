//! What waking the relay costs those who write: in process, as the service does, and by NOTIFY, as it does not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::{sync::Notify, task::JoinSet, time::Instant};

use crate::{
    bench::{Bench, Findings},
    figure::Figure,
    people::ORGANIZATION,
    world::{Wish, World},
};

/// Connections that write.
const WRITERS: u32 = 16;

const INSERT: &str = "INSERT INTO outbox (event_id, routing_key, organization_id, header, body)
    VALUES (gen_random_uuid(), 'identity.credential.changed.v1', $1::uuid, '', decode(repeat('00', 900), 'hex'))";
const INSERT_AND_NOTIFY: &str = "WITH event AS (
         INSERT INTO outbox (event_id, routing_key, organization_id, header, body)
         VALUES (gen_random_uuid(), 'identity.credential.changed.v1', $1::uuid, '', decode(repeat('00', 900), 'hex'))
     )
     SELECT pg_notify('outbox', '')";

/// Runs it.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let world = World::make(bench, Wish::new("wakeup")).await?;
    let pool = PgPoolOptions::new()
        .max_connections(WRITERS)
        .min_connections(WRITERS)
        .test_before_acquire(false)
        .connect(world.database_url())
        .await?;
    let [mut off, mut on, mut notify] = [const { Vec::new() }; 3];
    for _ in bench.rounds_of("commits with and without a wake-up") {
        for (sql, rings, rates) in
            [(INSERT, false, &mut off), (INSERT, true, &mut on), (INSERT_AND_NOTIFY, false, &mut notify)]
        {
            rates.push(write(&pool, sql, rings, bench.time(2.0)).await?);
            world.sql("TRUNCATE outbox")?;
        }
    }
    let figure = |name: &str, rates: &[f64]| Figure::against(name, "commits/s", rates, "without a wake-up", &off);
    Ok(Findings {
        figures: vec![
            figure("Commits with the wake-up in process", &on)
                .at_least(0.95)
                .note("16 connections, one row a commit; the relay is rung and publishes nothing"),
            figure("Commits with NOTIFY, which Sandi does without", &notify),
        ],
        ..Findings::default()
    })
}

/// One row a commit on every connection.
async fn write(pool: &PgPool, sql: &'static str, rings: bool, time: Duration) -> Result<f64> {
    let (bell, rung, over) = (Arc::new(Notify::new()), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let relay = {
        let (bell, rung, over) = (Arc::clone(&bell), Arc::clone(&rung), Arc::clone(&over));
        tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                bell.notified().await;
                rung.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let end = Instant::now() + time;
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (pool, bell) = (pool.clone(), Arc::clone(&bell));
        writers.spawn(async move {
            let mut count = 0_u32;
            while Instant::now() < end {
                sqlx::query(sql).bind(ORGANIZATION).execute(&pool).await?;
                if rings {
                    bell.notify_one();
                }
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut all = 0;
    while let Some(count) = writers.join_next().await {
        all += count??;
    }
    over.store(true, Ordering::Relaxed);
    bell.notify_one();
    relay.await?;
    Ok(f64::from(all) / time.as_secs_f64())
}
