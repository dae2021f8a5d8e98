//! Two installations side by side that differ in one thing: how many users there are, what the statistics say, or how
//! many old links lie about.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{
    bench::{Bench, Findings},
    calls::{CHOSEN, Calls, LINKS},
    figure::{Figure, count, median},
    load::{Op, closed, open},
    people::{self, sql_id},
    plot::{Plot, Shape},
    world::{Wish, World},
};

/// Callers of every call, and what is left out at the begin.
const CALLERS: usize = 16;
const WARM: Duration = Duration::from_millis(150);
/// Calls that hash: few of them are done in a second, so they are measured for twice as long.
const HASHING: [&str; 3] = ["CompleteReset", "ChangePassword", "VerifyPassword"];
/// Requests whose way through issuer and relay is timed.
const BURST: u64 = 5_000;
/// Requests a second while old links are thrown away.
const BESIDE: f64 = 500.0;

/// Names of calls and how to make them.
type Named = Vec<(&'static str, Op)>;

/// A call's rates in both installations, round by round.
struct Pair {
    name: &'static str,
    ours: Vec<f64>,
    limit: Vec<f64>,
}

/// All calls of the API whose work may depend on how much there is.
fn all(calls: &Calls) -> Named {
    let mut all = few(calls);
    all.extend([
        ("ChangePassword", calls.change_password()),
        ("GetUser", calls.get_user()),
        ("ListUsers", calls.list_users()),
        ("UpdateUser", calls.update_user()),
        ("CreateUser", calls.create_user()),
        ("GetOrganization", calls.get_organization()),
        ("ListAuditEvents", calls.list_audit_events()),
    ]);
    all
}

/// Those that work with links and queues.
fn few(calls: &Calls) -> Named {
    vec![
        ("RequestReset", calls.request_reset_of_nobody()),
        ("CheckReset", calls.check_reset()),
        ("CompleteReset", calls.complete_reset()),
        ("VerifyPassword", calls.verify_password()),
        ("AdminReset", calls.admin_reset()),
        ("GetReset", calls.get_reset()),
        ("ListResets", calls.list_resets()),
        ("RevokeReset", calls.revoke_reset()),
        ("ExplainReset", calls.explain_reset()),
    ]
}

/// 1,000,000 users against 10,000.
pub async fn users(bench: &Bench) -> Result<Findings> {
    let (few, many) = (CHOSEN, bench.pick(1_000_000, 100_000));
    bench.step(format!("writing {many} users"));
    let small = with_links(bench, Wish::new("users_few").people(few)).await?;
    let large = with_links(bench, Wish::new("users_many").people(many)).await?;
    let mut findings = Findings::default();
    let pairs = compare(bench, &large, &small, all, &mut findings).await?;
    let (few, many) = (count(few), count(many));
    for pair in &pairs {
        let figure = pair.figure(&format!("with {many} users"), &format!("with {few} users"));
        findings.figures.push(figure.at_least(0.75).stretch(0.85));
    }
    findings.plots.push(ratios("users", format!("{many} users against {few}"), &pairs, 75.0));
    Ok(findings)
}

/// Statistics of a quiet moment against fresh ones.
pub async fn statistics(bench: &Bench) -> Result<Findings> {
    let mut worlds = Vec::new();
    for (name, quiet) in [("statistics_fresh", false), ("statistics_quiet", true)] {
        let mut world = World::make(bench, Wish::new(name).people(CHOSEN)).await?;
        // Nobody looks again until the end.
        let tables = ["resets", "reset_requests", "outbox", "delivery_attempts", "guesses", "idempotency_keys"];
        let off = tables.map(|table| format!("ALTER TABLE {table} SET (autovacuum_enabled = false); "));
        world.sql(&off.concat())?;
        if quiet {
            world.sql("ANALYZE")?;
        }
        people::links(bench, name, 1, LINKS, &Calls::owner(CHOSEN), "1 minute")?;
        world.sql(&waiting())?;
        if !quiet {
            world.sql("ANALYZE")?;
        }
        world.sql("CHECKPOINT")?;
        world.start_identity(0)?;
        worlds.push(world);
    }
    let [fresh, quiet] = &worlds[..] else { unreachable!("there are two") };
    let mut findings = Findings::default();
    let mut pairs = compare(bench, quiet, fresh, few, &mut findings).await?;
    let (mut ours, mut limit) = (Vec::new(), Vec::new());
    for _ in bench.rounds_of("issuer and relay") {
        limit.push(burst(fresh).await?);
        ours.push(burst(quiet).await?);
    }
    pairs.push(Pair { name: "issuer and relay", ours, limit });
    for pair in &pairs {
        let figure = pair.figure("after ANALYZE at a quiet moment", "with fresh statistics");
        findings.figures.push(figure.at_least(0.8));
    }
    let title = "Statistics of a quiet moment, then 10,000 rows of everything, against fresh statistics";
    findings.plots.push(ratios("statistics", title.to_owned(), &pairs, 80.0));
    Ok(findings)
}

/// Ten thousand requests, events and answers that wait for later.
fn waiting() -> String {
    let id = sql_id("n");
    let organization = people::ORGANIZATION;
    format!(
        "INSERT INTO reset_requests (request_id, caller, identifier_kind, identifier, device, due_time)
         SELECT {id}, 'gateway', 1, 'user' || n, '', now() + interval '10 hours' FROM generate_series(1, 10000) n;
         INSERT INTO outbox (event_id, routing_key, organization_id, header, body, expire_time, due_time)
         SELECT {id}, 'identity.reset.requested.v1', '{organization}', '\\x00', '\\x00', now() + interval '20 hours',
             CASE n % 2 WHEN 0 THEN now() + interval '10 hours' END FROM generate_series(1, 10000) n;
         UPDATE outbox SET heard_time = now() + interval '10 hours' WHERE due_time IS NULL;
         INSERT INTO idempotency_keys (caller, idempotency_key, fingerprint)
         SELECT 'gateway', 'key' || n, '\\x00' FROM generate_series(1, 10000) n;"
    )
}

/// How many requests a second go from the table through the issuer and the relay into the queue.
async fn burst(world: &World<'_>) -> Result<f64> {
    world.purge().await?;
    let begin = Instant::now();
    world.sql(&format!(
        "INSERT INTO reset_requests (request_id, caller, identifier_kind, identifier, device)
         SELECT gen_random_uuid(), 'gateway', 1, 'user' || (1 + (n * 7919) % {CHOSEN}), ''
         FROM generate_series(1, {BURST}) n"
    ))?;
    let end = world.depth_until(|depth| depth >= BURST).await?;
    Ok(BURST as f64 / (end - begin).as_secs_f64())
}

/// Two million links whose time is over, and throwing them away.
pub async fn stale(bench: &Bench) -> Result<Findings> {
    let old = bench.pick(2_000_000_u64, 100_000);
    let people = 10 * CHOSEN;
    let clean = with_links(bench, Wish::new("stale_none").people(people)).await?;
    let mut laden = World::make(bench, Wish::new("stale_many").people(people)).await?;
    bench.step(format!("writing {old} old links"));
    people::links(bench, "stale_many", 1, LINKS, &Calls::owner(people), "1 minute")?;
    let from = 10_000_000;
    // Older than their life, and not yet as old as what is thrown away.
    people::links(bench, "stale_many", from, from + old - 1, &format!("1 + n % {people}"), "10 days")?;
    people::settle(bench, "stale_many")?;
    laden.start_identity(0)?;
    let mut findings = Findings::default();
    let pairs = compare(bench, &laden, &clean, few, &mut findings).await?;
    let old = count(old);
    for pair in &pairs {
        findings.figures.push(pair.figure(&format!("with {old} old links"), "without").at_least(0.95));
    }
    findings.plots.push(ratios("old-links", format!("{old} old links against none"), &pairs, 95.0));

    let calls = Calls::new(laden.clients(&[0]).await?, people);
    let op = calls.request_reset_of_nobody();
    let mut before = Vec::new();
    for _ in bench.rounds_of("before old links are thrown away") {
        before.push(open(&op, BESIDE, bench.warm(), bench.time(4.0)).await.sound()?.ms(99.0));
    }
    laden.stop_identity(0)?;
    laden.set(&["identity.retention.resets=48h"])?;
    laden.start_identity(0)?;
    // It begins at once.
    let op = Calls::new(laden.clients(&[0]).await?, people).request_reset_of_nobody();
    let left =
        |world: &World| world.count("SELECT count(*) FROM resets WHERE request_time < now() - interval '2 days'");
    let (begin, had) = (Instant::now(), left(&laden)?);
    let mut during = Vec::new();
    for _ in bench.rounds_of("while old links are thrown away") {
        during.push(open(&op, BESIDE, bench.warm(), bench.time(4.0)).await.sound()?.ms(99.0));
    }
    let (took, has) = (begin.elapsed(), left(&laden)?);
    let note = format!(
        "RequestReset at 500/s; {:.0} rows a second were thrown away, {has} are left",
        had.saturating_sub(has) as f64 / took.as_secs_f64()
    );
    let name = "RequestReset p99 while old links are thrown away";
    findings.figures.push(Figure::against(name, "ms", &during, "before", &before).at_most(2.0).note(note));
    Ok(findings)
}

/// An installation with links, whose identity service runs.
async fn with_links<'b>(bench: &'b Bench, wish: Wish) -> Result<World<'b>> {
    let mut world = World::make(bench, wish).await?;
    let people = world.people;
    people::links(bench, world.name(), 1, LINKS, &Calls::owner(people), "1 minute")?;
    people::settle(bench, world.name())?;
    world.start_identity(0)?;
    Ok(world)
}

/// Rates of every call in both installations, in turn. A call that fails is left out from then on, and told.
async fn compare(
    bench: &Bench,
    ours: &World<'_>,
    limit: &World<'_>,
    named: fn(&Calls) -> Named,
    findings: &mut Findings,
) -> Result<Vec<Pair>> {
    let worlds = [ours, limit];
    let mut sides = Vec::new();
    for world in worlds {
        sides.push(named(&Calls::new(world.clients(&[0]).await?, world.people)));
    }
    let mut pairs = Vec::new();
    for (index, (name, _)) in sides[0].iter().enumerate() {
        pairs.push((index, Pair { name, ours: Vec::new(), limit: Vec::new() }));
    }
    for round in 0..bench.rounds() {
        for (index, pair) in &mut pairs {
            bench.step(format!("{}, round {} of {}", pair.name, round + 1, bench.rounds()));
            let time = bench.time(if HASHING.contains(&pair.name) { 2.0 } else { 1.0 });
            // Whoever is first has the colder machine: that changes from round to round.
            for side in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
                let sample = closed(&sides[side][*index].1, CALLERS, WARM, time).await;
                match sample.sound() {
                    Ok(sample) if side == 0 => pair.ours.push(sample.rate()),
                    Ok(sample) => pair.limit.push(sample.rate()),
                    Err(error) => findings.problems.push(format!("{}: {error:#}", pair.name)),
                }
                worlds[side].rest().await?;
            }
        }
        pairs.retain(|(_, pair)| pair.ours.len() == round + 1 && pair.limit.len() == round + 1);
    }
    Ok(pairs.into_iter().map(|(_, pair)| pair).collect())
}

impl Pair {
    fn figure(&self, ours: &str, limit: &str) -> Figure {
        let name = format!("{} {ours}", self.name);
        Figure::against(name, "a second", &self.ours, &format!("the same {limit}"), &self.limit)
    }

    /// The median of the rounds' ratios, in per cent.
    fn percent(&self) -> f64 {
        let ratios: Vec<f64> = self.ours.iter().zip(&self.limit).map(|(ours, limit)| 100.0 * ours / limit).collect();
        median(&ratios)
    }
}

/// Ratios as bars.
fn ratios(name: &str, title: String, pairs: &[Pair], asked: f64) -> Plot {
    let bars = pairs.iter().map(|pair| (pair.name.to_owned(), pair.percent())).collect();
    let unit = "rate in per cent of the other; the dashed line is what is asked for".to_owned();
    Plot { name: name.to_owned(), title, shape: Shape::Bars { unit, bars, mark: Some(asked) } }
}
