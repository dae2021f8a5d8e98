//! RequestReset against pgbench, which inserts the same row and nothing else.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::block_in_place;

use super::hash::percentiles;
use crate::{
    bench::{Bench, Findings},
    calls::Calls,
    figure::{Figure, median},
    load::{closed, open},
    plot::{Plot, Series, Shape},
    world::{Wish, World},
};

/// A database with nothing but pgbench in it.
const REFERENCE: &str = "requests_pgbench";
/// The row that the service writes. Ids go up for each client, as those of the service do.
const INSERT: &str = r"\set n :n + 1
INSERT INTO reset_requests
    (request_id, caller, identifier_kind, identifier, locale, device, ip_prefix, traceparent, tracestate)
VALUES (
    ('0193577e-8a00-7000-8' || lpad(:run::text, 3, '0') || '-' || lpad(:client_id::text, 3, '0')
        || lpad(:n::text, 9, '0'))::uuid,
    'gateway', 1, 'nobody' || :n, 'id', 'Firefox on Linux', '203.0.113.0/24',
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', NULL);
";

/// Runs it.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let world = World::start(bench, Wish::new("requests").people(10_000)).await?;
    let calls = Calls::new(world.clients(&[0]).await?, world.people);
    let nobody = calls.request_reset_of_nobody();
    block_in_place(|| bench.ground.database(REFERENCE))?;
    let mut reference = Reference { bench, run: 0 };
    let (warm, time) = (bench.warm(), bench.time(3.0));
    let mut findings = Findings::default();

    let (mut best, mut sweep) = (Vec::new(), Vec::new());
    for clients in [1, 2, 4, 8, 16, 32, 64] {
        bench.step(format!("pgbench with {clients} clients"));
        let rate = reference.rate(clients, bench.time(2.0))?;
        sweep.push((clients as f64, rate));
        best.push((rate, clients));
    }
    let clients = best.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).context("pgbench ran")?.1;

    let [mut limit, mut few, mut many, mut mailed] = [const { Vec::new() }; 4];
    for _ in bench.rounds_of("RequestReset beside pgbench") {
        limit.push(reference.rate(clients, time)?);
        for (callers, op, rates) in
            [(16, &nobody, &mut few), (64, &nobody, &mut many), (16, &calls.request_reset(), &mut mailed)]
        {
            rates.push(closed(op, callers, warm, time).await.sound()?.rate());
            world.clear().await?;
        }
    }
    let against = format!("pgbench, {clients} clients, one row a commit");
    for (callers, rates) in [(16, &few), (64, &many)] {
        let name = format!("RequestReset accepted, {callers} callers");
        let figure = Figure::against(name, "calls/s", rates, &against, &limit).at_least(1.5).stretch(2.5);
        findings.figures.push(figure.note("the issuer works beside it in the same process, as always"));
    }
    let name = "RequestReset accepted, 16 callers, every name an account";
    let note = "beside them the links are made, sealed and published";
    findings.figures.push(Figure::against(name, "calls/s", &mailed, &against, &limit).note(note));

    let half = median(&few).max(median(&many)) / 2.0;
    let mut samples = Vec::new();
    for _ in bench.rounds_of("RequestReset at half its limit") {
        samples.push(open(&nobody, half, warm, bench.time(4.0)).await.sound()?);
        world.clear().await?;
    }
    let p99: Vec<f64> = samples.iter().map(|sample| sample.ms(99.0)).collect();
    let figure = Figure::new("RequestReset p99 at half its limit", "ms", &p99).at_most(10.0).stretch(4.0);
    findings.figures.push(figure.note(format!("{half:.0} calls/s, open loop")));

    let mut ours = Vec::new();
    for callers in [1, 2, 4, 8, 16, 32, 64, 128] {
        bench.step(format!("RequestReset with {callers} callers"));
        let sample = closed(&nobody, callers, warm, bench.time(2.0)).await.sound()?;
        ours.push((callers as f64, sample.rate()));
        world.clear().await?;
    }
    findings.plots.push(Plot {
        name: "request-reset".to_owned(),
        title: "RequestReset, and pgbench inserting the same row, by callers".to_owned(),
        shape: Shape::Lines {
            x: "callers".to_owned(),
            y: "a second".to_owned(),
            log_x: true,
            log_y: false,
            series: vec![Series::new("RequestReset", ours), Series::new("pgbench", sweep)],
        },
    });
    findings.plots.push(Plot {
        name: "request-reset-latency".to_owned(),
        title: format!("RequestReset at half its limit, {half:.0} calls a second"),
        shape: Shape::Lines {
            x: "of all calls took no longer (%)".to_owned(),
            y: "milliseconds".to_owned(),
            log_x: false,
            log_y: true,
            series: vec![Series::new("RequestReset", percentiles(&samples[samples.len() / 2]))],
        },
    });
    Ok(findings)
}

struct Reference<'b> {
    bench: &'b Bench,
    run: usize,
}

impl Reference<'_> {
    /// On an empty table each time.
    fn rate(&mut self, clients: usize, time: Duration) -> Result<f64> {
        self.run += 1;
        block_in_place(|| {
            let rate = self.bench.ground.pgbench(REFERENCE, INSERT, clients, self.run, time)?;
            self.bench.ground.sql(REFERENCE, "TRUNCATE reset_requests")?;
            Ok(rate)
        })
    }
}
