//! VerifyPassword against the hash function itself, and what it leaves for other calls.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use argon2::{Algorithm, Argon2, Block, Version};

use crate::{
    bench::{Bench, Findings, cores},
    calls::Calls,
    figure::{Figure, median},
    load::{Sample, closed, millis, open},
    machine::memory_mib,
    people::{PASSWORD, parameters},
    plot::{Plot, Series, Shape},
    world::{Wish, World},
};

/// How much is offered of an unrelated cheap call, a second.
const CHEAP: f64 = 500.0;
/// The service's default bound on waiting for a hash (`passwords.max_wait`), and what a call takes besides.
const QUEUE_MS: f64 = 2_000.0 + 100.0;
/// Block memory of one thread.
const BUFFER_MIB: f64 = 19.0;

/// Blocks of 1 KiB, more than 32 MiB of which glibc's allocator keeps none.
const KEPT: usize = 32 * 1024 + 64;

/// Runs it.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let world = World::start(bench, Wish::new("hash").people(10_000)).await?;
    let calls = Calls::new(world.clients(&[0]).await?, world.people);
    let (verify, get) = (calls.verify_password(), calls.get_user());
    let (warm, time) = (bench.warm(), bench.time(3.0));
    let mut findings = Findings::default();

    let [mut reused, mut fresh, mut few, mut many] = [const { Vec::new() }; 4];
    for _ in bench.rounds_of("hashes") {
        reused.push(raw(true, time)?);
        few.push(closed(&verify, 16, warm, time).await.sound()?.rate());
        many.push(closed(&verify, 64, warm, time).await.sound()?.rate());
        fresh.push(raw(false, time)?);
    }
    let threads = format!("{} threads", cores());
    for (callers, rates) in [(16, &few), (64, &many)] {
        let against = format!("the hash alone, {threads}, memory reused");
        let name = format!("VerifyPassword, {callers} callers");
        findings.figures.push(Figure::against(name, "calls/s", rates, &against, &reused).at_least(0.95));
    }
    let against = format!("the hash alone, {threads}, memory from the system each time");
    let name = "VerifyPassword, 64 callers, memory reused";
    findings.figures.push(Figure::against(name, "calls/s", &many, &against, &fresh).at_least(1.25));

    let most = BUFFER_MIB * cores() as f64 + 40.0;
    let peak = memory_mib(world.identity_pid(0)?, "VmHWM").context("no memory is told")?;
    findings.figures.push(
        Figure::new("Largest resident memory under 64 hash callers", "MiB", &[peak])
            .at_most(most)
            .note(format!("{} buffers of 19 MiB and 40 MiB are allowed", cores())),
    );

    let cheap_time = bench.time(6.0);
    let (mut idle, mut loaded) = (Vec::new(), Vec::new());
    for _ in bench.rounds_of("a cheap call beside hashes") {
        idle.push(open(&get, CHEAP, warm, cheap_time).await.sound()?);
        let beside = closed(&verify, 64, warm, cheap_time);
        let (sample, hashes) = tokio::join!(open(&get, CHEAP, warm, cheap_time), beside);
        hashes.sound()?;
        loaded.push(sample.sound()?);
    }
    let p99 = |samples: &[Sample]| samples.iter().map(|sample| sample.ms(99.0)).collect::<Vec<_>>();
    let longest = loaded.iter().map(|sample| sample.ms(100.0)).fold(0.0, f64::max);
    findings.figures.push(
        Figure::new("GetUser p99, 500/s, while 64 callers saturate the hasher", "ms", &p99(&loaded))
            .at_most(5.0)
            .stretch(2.0)
            .note(format!("the longest single call took {longest:.1} ms")),
    );
    let worst = p99(&loaded).into_iter().fold(0.0, f64::max);
    findings.figures.push(Figure::new("The same in the worst round", "ms", &[worst]).at_most(20.0));
    findings.figures.push(Figure::new("GetUser p99, 500/s, without load", "ms", &p99(&idle)));
    let middle = |samples: &[Sample]| percentiles(&samples[samples.len() / 2]);
    findings.plots.push(Plot {
        name: "cheap-calls".to_owned(),
        title: "GetUser at 500 calls a second, beside nothing and beside 64 hash callers".to_owned(),
        shape: Shape::Lines {
            x: "of all calls took no longer (%)".to_owned(),
            y: "milliseconds".to_owned(),
            log_x: false,
            log_y: true,
            series: vec![Series::new("hashing", middle(&loaded)), Series::new("idle", middle(&idle))],
        },
    });

    overload(bench, &world, &calls, median(&many), &mut findings).await?;
    Ok(findings)
}

/// Ten times what the hasher can do.
async fn overload(
    bench: &Bench,
    world: &World<'_>,
    calls: &Calls,
    saturated: f64,
    findings: &mut Findings,
) -> Result<()> {
    let verify = calls.verify_password();
    let [mut rates, mut base, mut refused, mut accepted, mut told] = [const { Vec::new() }; 5];
    for _ in bench.rounds_of("ten times the hasher's rate") {
        let time = bench.time(5.0);
        base.push(closed(&verify, 64, bench.warm(), time).await.sound()?.rate());
        let sample = open(&verify, 10.0 * saturated, Duration::from_secs(2), time).await;
        anyhow::ensure!(sample.failed == 0, "{} calls failed otherwise than for want of room", sample.failed);
        rates.push(sample.rate());
        refused.push(millis(&sample.refused, 99.0));
        accepted.push(sample.ms(99.0));
        told.push(sample.told as f64 / sample.refused.len().max(1) as f64);
        // What waits is over before the next round.
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let offered = format!("10 times the hasher's rate is offered ({:.0} calls/s)", 10.0 * saturated);
    findings.figures.extend([
        Figure::against("Overload: accepted calls", "calls/s", &rates, "64 callers, closed loop", &base)
            .at_least(0.9)
            .note(offered),
        Figure::new("Overload: p99 of refusals", "ms", &refused).at_most(10.0),
        Figure::new("Overload: p99 of accepted calls", "ms", &accepted)
            .at_most(QUEUE_MS)
            .note("the queue is bounded by 2 s of waiting"),
        Figure::new("Overload: refusals that say when to come back", "of all", &told).at_least(1.0),
    ]);
    if let Some(peak) = memory_mib(world.identity_pid(0)?, "VmHWM") {
        findings.figures.push(Figure::new("Largest resident memory under overload", "MiB", &[peak]));
    }
    Ok(())
}

/// Hashes a second on all cores, without anything around them.
fn raw(reused: bool, time: Duration) -> Result<f64> {
    let hash = move || {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters());
        let (salt, mut tag) = ([7_u8; 16], [0_u8; 32]);
        let mut memory = blocks();
        let mut one = || {
            if !reused {
                memory = blocks();
            }
            argon2.hash_password_into_with_memory(PASSWORD.as_bytes(), &salt, &mut tag, &mut memory)
        };
        one().map_err(|error| anyhow::anyhow!("{error}"))?;
        let (begin, mut count) = (Instant::now(), 0_u32);
        while begin.elapsed() < time {
            one().map_err(|error| anyhow::anyhow!("{error}"))?;
            count += 1;
        }
        anyhow::Ok(f64::from(count) / begin.elapsed().as_secs_f64())
    };
    tokio::task::block_in_place(|| {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..cores()).map(|_| scope.spawn(hash)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a hash does not panic")).sum()
        })
    })
}

/// Memory for one hash, from the system and back to it: smaller pieces are kept by glibc's allocator once they are
/// freed, and would be no fresh memory the next time.
fn blocks() -> Vec<Block> {
    let count = parameters().block_count();
    let mut blocks = Vec::with_capacity(count.max(KEPT));
    blocks.resize(count, Block::default());
    blocks
}

/// The points of a percentile plot.
pub fn percentiles(sample: &Sample) -> Vec<(f64, f64)> {
    [5.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9].map(|percentile| (percentile, sample.ms(percentile))).to_vec()
}
