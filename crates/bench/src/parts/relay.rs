//! The relay, from a full outbox, against a publisher that has no database; and when a million rows wait.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use tokio::task::block_in_place;

use crate::{
    bench::{Bench, Findings},
    events::{Sealer, publish},
    figure::{Figure, count as shown},
    people::{ORGANIZATION, sql_id},
    plot::{Plot, Series, Shape},
    world::{Wish, World},
};

/// People whose links the events carry.
const PEOPLE: u64 = 10_000;
/// How long nothing may move.
const PATIENCE: Duration = Duration::from_secs(60);

/// The relay against the bare publisher.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let mut world = World::make(bench, Wish::new("relay").people(PEOPLE)).await?;
    let count = bench.pick(60_000, 20_000);
    let outbox = Outbox::new(&world)?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in bench.rounds_of("relay beside a bare publisher") {
        outbox.fill(&world, count, round)?;
        ours.push(rate_of(&drain(&mut world, count, 10).await?));
        world.clear().await?;
        let body = Arc::clone(&outbox.message);
        bare.push(publish(world.channel().await?, usize::try_from(count)?, |_| Arc::clone(&body)).await?);
        world.purge().await?;
    }
    let figure = Figure::against(
        "Relay from a full outbox",
        "events/s",
        &ours,
        "the same messages from 16 tasks with 16 confirms each, without a database",
        &bare,
    );
    let note = format!("{} sealed events to a quorum queue; rows are claimed, published and marked", shown(count));
    Ok(Findings { figures: vec![figure.at_least(0.7).stretch(0.85).note(note)], ..Findings::default() })
}

/// One long outbox.
pub async fn backlog(bench: &Bench) -> Result<Findings> {
    let mut world = World::make(bench, Wish::new("backlog").people(PEOPLE)).await?;
    let count = bench.pick(1_000_000, 100_000);
    let outbox = Outbox::new(&world)?;
    bench.step(format!("writing {count} rows"));
    outbox.fill(&world, count, 0)?;
    bench.step(format!("publishing {count} rows"));
    let seen = drain(&mut world, count, 10).await?;
    // Tenths of the outbox; the first one without the start.
    let mut tenths = Vec::new();
    for pair in seen.windows(2) {
        let [(from, begin), (to, end)] = [pair[0], pair[1]];
        tenths.push((to as f64 / 1000.0, (to - from) as f64 / (end - begin).as_secs_f64()));
    }
    let (first, last) = (tenths[0].1, tenths[tenths.len() - 1].1);
    let name = format!("Relay with {} rows waiting: the last tenth", shown(count));
    let figure = Figure::against(name, "events/s", &[last], "the first tenth of the same outbox", &[first]);
    let plot = Plot {
        name: "backlog".to_owned(),
        title: format!("Relay draining {} rows", shown(count)),
        shape: Shape::Lines {
            x: "thousand rows published".to_owned(),
            y: "events a second".to_owned(),
            log_x: false,
            log_y: false,
            series: vec![Series::new("relay", tenths)],
        },
    };
    let note = "one run; all messages stay in the queue, so the broker's share is in it";
    Ok(Findings {
        figures: vec![figure.at_least(0.85).stretch(0.95).note(note)],
        plots: vec![plot],
        ..Findings::default()
    })
}

/// Events per second from the first to the last look.
fn rate_of(seen: &[(u64, Instant)]) -> f64 {
    let [(from, begin), (to, end)] = [seen[0], seen[seen.len() - 1]];
    (to - from) as f64 / (end - begin).as_secs_f64()
}

/// Starts the identity service, waits until `count` events are in the queue, and ends it. Gives when each of `parts`
/// equal parts was through; the first look is when the first events had come.
pub async fn drain(world: &mut World<'_>, count: u64, parts: u64) -> Result<Vec<(u64, Instant)>> {
    world.start_identity(0)?;
    let mut seen: Vec<(u64, Instant)> = Vec::new();
    let mut last = (0, Instant::now());
    loop {
        let depth = world.depth().await?;
        let now = Instant::now();
        if depth > last.0 {
            last = (depth, now);
        }
        let next = seen.len() as u64 * count / parts;
        if depth > 0 && depth >= next {
            seen.push((depth, now));
        }
        if depth >= count {
            break;
        }
        if now - last.1 > PATIENCE {
            bail!("the relay stands still at {depth} of {count} events");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    world.stop_identity(0)?;
    Ok(seen)
}

/// Rows for the outbox.
pub struct Outbox {
    header: String,
    body: String,
    message: Arc<Vec<u8>>,
}

impl Outbox {
    /// With events of the real size.
    pub fn new(world: &World<'_>) -> Result<Self> {
        let sealer = Sealer::new(&world.sandi().path("keys/identity"))?;
        let event = sealer.seal(1)?;
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { header: hex(&event.header), body: hex(&event.sealed), message: Arc::new(sealer.body(1)?) })
    }

    /// Writes due events with a live link each; `round` keeps their ids apart.
    pub fn fill(&self, world: &World<'_>, count: u64, round: usize) -> Result<()> {
        let Self { header, body, .. } = self;
        let from = 1_000_000_000 + u64::try_from(round)? * 10_000_000;
        let (event_id, user_id) = (sql_id("n"), sql_id(&format!("1 + n % {}", world.people)));
        let to = from + count - 1;
        block_in_place(|| {
            world.sql(&format!(
                "SET session_replication_role = replica;
                 INSERT INTO resets (reset_id, request_id, event_id, kind, user_id, organization_id, token_digest,
                     delivery_state, link_state, request_time, expire_time, support_code)
                 SELECT {event_id}, {event_id}, {event_id}, 1, {user_id}, '{ORGANIZATION}',
                     sha256(convert_to('relay' || n, 'UTF8')), 1, 2, now(), now() + interval '20 hours', NULL
                 FROM generate_series({from}::bigint, {to}::bigint) n;
                 INSERT INTO outbox (event_id, routing_key, organization_id, header, body, expire_time)
                 SELECT {event_id}, 'identity.reset.requested.v1', '{ORGANIZATION}', '\\x{header}', '\\x{body}',
                     now() + interval '20 hours'
                 FROM generate_series({from}::bigint, {to}::bigint) n;
                 ANALYZE resets; ANALYZE outbox; CHECKPOINT;"
            ))
        })
        .map(drop)
    }
}
