//! The whole of it: for minutes, in two processes, from a cold start.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use proto::identity::v1::{GetUserRequest, get_user_request::Key};
use testbed::{ports, smtp::Sink};
use tokio::task::block_in_place;

use crate::{
    bench::{Bench, Findings},
    calls::{Calls, request_reset},
    clients::Clients,
    figure::{Figure, Goal, count as shown, number},
    load::{Op, Sample, closed, open},
    machine::memory_mib,
    people::username,
    plot::{Plot, Series, Shape},
    world::{Wish, World},
};

/// Between two looks at what waits.
const LOOK: Duration = Duration::from_secs(5);
/// Starts of which the median counts.
const STARTS: usize = 9;

/// What waits: requests that are not issued, and mails whose outcome is not known.
const WAITING: &str = "SELECT (SELECT count(*) FROM reset_requests WHERE due_time IS NOT NULL) \
                       + (SELECT count(*) FROM outbox)";

/// 1,500 resets a second for five minutes.
pub async fn sustained(bench: &Bench) -> Result<Findings> {
    let (_sink, address) = bench.ground.smtp_sink()?;
    let world = World::start(bench, Wish::new("sustained").people(100_000).mailer(address)).await?;
    let op = Calls::new(world.clients(&[0]).await?, world.people).request_reset();
    let mut findings = Findings::default();
    let mut series = Vec::new();
    for (rate, time) in [(1_500.0, bench.pick(300, 10)), (2_500.0, bench.pick(60, 5))] {
        let time = Duration::from_secs(time);
        bench.step(format!("{rate:.0} resets a second for {} s", time.as_secs()));
        world.clear().await?;
        let (sample, seen) = tokio::join!(open(&op, rate, Duration::from_secs(2), time), watch(&world, time));
        let (sample, seen) = (sample.sound()?, seen?);
        let grown = growth(&seen);
        let name = format!("Growth of the backlog in {} s at {} resets/s", time.as_secs(), number(rate));
        let last = seen.last().map_or(0, |look| look.1);
        let note = format!(
            "{:.0} accepted a second, p99 {:.1} ms; {last} mails under way at the end; one second's worth may be",
            sample.rate(),
            sample.ms(99.0)
        );
        let figure = Figure::new(name, "mails", &[grown]).note(note);
        findings.figures.push(match findings.figures.is_empty() {
            true => figure.at_most(rate),
            false => Figure { stretch: Some(Goal::AtMost(rate)), ..figure },
        });
        let points = seen.iter().map(|(at, waiting)| (at.as_secs_f64(), *waiting as f64)).collect();
        series.push(Series::new(&format!("{} resets/s", number(rate)), points));
    }
    findings.plots.push(Plot {
        name: "sustained".to_owned(),
        title: "Requests and mails under way".to_owned(),
        shape: Shape::Lines { x: "seconds".to_owned(), y: "under way".to_owned(), log_x: false, log_y: false, series },
    });
    Ok(findings)
}

/// What waits, every few seconds.
async fn watch(world: &World<'_>, time: Duration) -> Result<Vec<(Duration, u64)>> {
    let begin = Instant::now();
    let mut seen = Vec::new();
    let step = LOOK.min(time / 8);
    while begin.elapsed() < time {
        tokio::time::sleep(step).await;
        seen.push((begin.elapsed(), world.count(WAITING)?));
    }
    Ok(seen)
}

/// How much more waits in the last fifth than in the first one.
fn growth(seen: &[(Duration, u64)]) -> f64 {
    let fifth = (seen.len() / 5).max(1);
    let mean = |looks: &[(Duration, u64)]| looks.iter().map(|look| look.1 as f64).sum::<f64>() / looks.len() as f64;
    mean(&seen[seen.len() - fifth..]) - mean(&seen[..fifth])
}

/// Two identity processes on one database.
pub async fn replicas(bench: &Bench) -> Result<Findings> {
    let sink = Sink::start(ports::loopback(0), None).await?;
    let wish = Wish::new("replicas").people(10_000).identities(2).mailer(sink.address());
    let mut world = World::start(bench, wish).await?;
    let mut findings = Findings::default();

    bench.step("2,000 people ask two processes");
    let clients = world.clients(&[0, 1]).await?;
    let count = 2_000_u64;
    let next = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let op: Op = Arc::new(move || {
        let number = 1 + next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Box::pin(ask(clients.clone(), number))
    });
    let asked = open(&op, 1_000.0, Duration::ZERO, Duration::from_secs(count / 1_000)).await.sound()?;
    ensure!(asked.latencies.len() == count, "{} of {count} requests were answered", asked.latencies.len());
    let all = usize::try_from(count)?;
    sink.wait_for(Duration::from_secs(30), |mails| (mails.len() >= all).then_some(())).await?;
    // Whatever comes twice has time to do so.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mails = sink.mails();
    let people: HashSet<&String> = mails.iter().flat_map(|mail| &mail.to).collect();
    let wrong = mails.len().abs_diff(people.len()) + people.len().abs_diff(all);
    let name = format!("Mails lost or sent twice, of {} people who asked two processes", shown(count));
    findings.figures.push(Figure::new(name, "mails", &[wrong as f64]).at_most(0.0));
    world.stop_mailer()?;

    let (mut two, mut one) = (Vec::new(), Vec::new());
    for _ in bench.rounds_of("one and two processes") {
        one.push(nobody(bench, &world, &[0]).await?.rate());
        two.push(nobody(bench, &world, &[0, 1]).await?.rate());
    }
    let name = "RequestReset, 64 callers, two processes on one database";
    let figure = Figure::against(name, "calls/s", &two, "one process", &one).at_least(1.0);
    findings.figures.push(figure.note("all on the same cores: a second process cannot add any"));
    Ok(findings)
}

async fn ask(clients: Clients, number: u64) -> Result<(), tonic::Status> {
    clients.gateway().identity.request_reset(request_reset(username(number))).await.map(drop)
}

async fn nobody(bench: &Bench, world: &World<'_>, identities: &[usize]) -> Result<Sample> {
    let op = Calls::new(world.clients(identities).await?, world.people).request_reset_of_nobody();
    let sample = closed(&op, 64, bench.warm(), bench.time(3.0)).await.sound()?;
    world.clear().await?;
    Ok(sample)
}

/// From nothing to the first answer, and what an idle program holds.
pub async fn start(bench: &Bench) -> Result<Findings> {
    let sink = Sink::start(ports::loopback(0), None).await?;
    let mut world = World::make(bench, Wish::new("start").people(100).mailer(sink.address())).await?;
    let mut times = Vec::new();
    for round in 0..bench.pick(STARTS, 5) {
        bench.step(format!("start {}", round + 1));
        let begin = Instant::now();
        let mut process = world.sandi().start_identity(0)?;
        first_answer(&world, begin).await?;
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
        block_in_place(|| process.stop(testbed::process::TERMINATE, testbed::sandi::DRAIN))?;
    }
    let mut findings = Findings::default();
    let figure = Figure::new("Cold start to the first RPC answered", "ms", &times).at_most(80.0).stretch(40.0);
    findings.figures.push(figure.note("from the start of the process to a GetUser from the database"));

    world.start_identity(0)?;
    world.start_mailer()?;
    bench.step("idling");
    tokio::time::sleep(Duration::from_secs(bench.pick(20, 5))).await;
    let memory = |pid, name| memory_mib(pid, name).unwrap_or(f64::NAN);
    let of_files = |pid| format!("{:.1} MiB of it are pages of the program's own file", memory(pid, "RssFile"));
    let pid = world.identity_pid(0)?;
    // Nothing was hashed, and so there are none.
    let note = format!(
        "without hash buffers, which come with the first hash and go when none is asked for; {}",
        of_files(pid)
    );
    let idle = |name: &str, mib: f64| Figure::new(name, "MiB", &[mib]).at_most(30.0).stretch(18.0);
    findings.figures.push(idle("Idle resident memory, identity, hash buffers aside", memory(pid, "VmRSS")).note(note));
    let pid = world.mailer_pid()?;
    findings.figures.push(idle("Idle resident memory, mailer", memory(pid, "VmRSS")).note(of_files(pid)));
    Ok(findings)
}

/// Asks until it is answered.
async fn first_answer(world: &World<'_>, begin: Instant) -> Result<()> {
    let plan = world.sandi().plan();
    loop {
        if let Ok(clients) = Clients::connect(&[plan.identities[0].grpc], &plan.callers, 1).await {
            let key = Some(Key::Username(username(1)));
            if clients.crm().directory.get_user(GetUserRequest { key }).await.is_ok() {
                return Ok(());
            }
        }
        if begin.elapsed() > Duration::from_secs(30) {
            bail!("no answer within 30 s of the start");
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}
