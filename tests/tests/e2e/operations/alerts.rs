//! Each alert fires when its fault is there, no other does, and it clears afterwards: as a real Prometheus sees it, by
//! the very rules of `deploy/`, in which a minute is made a second.

mod faults;
mod quick;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use e2e::{
    Mode, Person, World,
    client::Client,
    collector::Collector,
    people::{PASSWORD, requester},
    web::Visitor,
    world::Program,
};
use proto::identity::v1::{RequestResetRequest, request_reset_request::Identifier};
use testbed::{prometheus::Prometheus, proxy::Proxy};
use tokio::{task::AbortHandle, time::sleep};

use super::file;
use crate::{clocks, waiting::until};
use faults::{Cause, FAULTS, Fault};

/// How long an alert may take to fire: the gauges of what waits are renewed every 5 s, the longest `for` is 60 s here.
const FIRES: Duration = Duration::from_secs(90);
/// How long after its fault an alert may go on, or one that follows from it: the longest window is 60 s here, beside
/// one of 6 minutes that never decides alone.
const CLEARS: Duration = Duration::from_secs(90);
/// How long nothing may fire while nothing is wrong.
const QUIET: Duration = Duration::from_secs(6);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);
/// Between two requests of the people who know of no fault.
const REQUESTS: Duration = Duration::from_millis(200);
/// How many look at pages at the same time.
const VISITORS: usize = 2;

/// A world that is watched.
pub struct Stage {
    world: World,
    /// Between the programs and the collector.
    collector: Proxy,
    /// An authority whose certificate the gateway has.
    certificate: PathBuf,
    /// How far identity's clock is ahead.
    clock: PathBuf,
    /// Somebody who is logged in at the gateway.
    member: Visitor,
    _scratch: tempfile::TempDir,
}

/// What fires, and what may.
struct Watch {
    prometheus: Prometheus,
    /// Alerts of faults that are over, and until when they may still fire.
    fading: BTreeMap<&'static str, Instant>,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_alert_fires_with_its_fault_and_with_no_other_and_clears_afterwards() {
    let mut stage = Stage::set_up().await;
    let mut watch = Watch { prometheus: stage.prometheus(), fading: BTreeMap::new() };
    let people = (People::ask(stage.world.gateway()), Visitors::come(stage.member.clone()));
    watch.quiet().await;
    let faults: Vec<&Fault> = FAULTS.iter().filter(|fault| e2e::full() || fault.quick).collect();
    for fault in &faults {
        watch.cleared(fault.fires).await;
        let undo = stage.bring_about(fault.cause).await;
        watch.fires(fault).await;
        if fault.cause == Cause::CertificateEnds {
            watch.pages("SandiCertificateEnds").await;
        }
        stage.end(fault.cause, undo).await;
        watch.over(fault);
    }
    watch.cleared_all().await;
    drop(people);
    if e2e::full() {
        let tried: BTreeSet<&str> = faults.iter().flat_map(|fault| fault.fires).copied().collect();
        for alert in quick::alerts(&file("deploy/prometheus/rules.yaml")) {
            assert!(tried.contains(alert.as_str()), "{alert} was never brought about");
        }
    }
    every_name_and_expression_is_known(&watch.prometheus);
}

impl Stage {
    async fn set_up() -> Self {
        let collector = Collector::start().await.expect("a collector starts");
        let proxy = Proxy::start(collector.address()).await.expect("a proxy starts");
        let scratch = tempfile::tempdir().expect("a folder can be made");
        let certificate = scratch.path().join("ca.crt");
        faults::write_certificate(&certificate, 365);
        let clock = scratch.path().join("clock");
        std::fs::write(&clock, "+0").expect("it can be written");
        let world = clocks::as_a_file_says(Program::Identity, &clock)
            .gateway()
            .proxies()
            .wide_limits()
            .set("identity.canary.username=canary")
            .set("identity.canary.every=10s")
            .set("identity.passwords.threads=1")
            .set("identity.passwords.max_wait=500ms")
            .set(format!("gateway.identity.ca_file={}", certificate.display()))
            .environment("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", proxy.address()))
            .start()
            .await;
        let kopi = world.organization("kopi").await;
        for name in ["budi", "wati", "canary"] {
            world.user(&kopi, Person::named(name).email(&format!("{name}@kopi.example")).password("")).await;
        }
        world.user(&kopi, Person::named("sari")).await;
        // Pages and hashes, so that their metrics are there.
        let mut member = world.visitor("id");
        let member = tokio::task::spawn_blocking(move || {
            member.log_in("sari", PASSWORD);
            member
        });
        let member = member.await.expect("she is logged in");
        Self { world, collector: proxy, certificate, clock, member, _scratch: scratch }
    }

    fn prometheus(&self) -> Prometheus {
        let plan = self.world.sandi().plan();
        let gateway = plan.gateway.expect("there is one");
        let jobs = [("identity", plan.identities[0].admin), ("mailer", plan.mailers[0]), ("gateway", gateway.admin)];
        let settings = quick::settings(&jobs);
        let rules = quick::rules(&file("deploy/prometheus/rules.yaml"));
        let started = Prometheus::start(&self.world.path("prometheus"), &settings, &rules);
        started.unwrap_or_else(|error| panic!("{error:#}"))
    }
}

/// Who goes on asking for resets, whatever happens.
struct People(AbortHandle);

impl People {
    fn ask(client: Client) -> Self {
        let ask = async move {
            loop {
                let request = RequestResetRequest {
                    identifier: Some(Identifier::Username("budi".to_owned())),
                    requester: requester("203.0.113.7", "id"),
                    ..Default::default()
                };
                // One that hangs keeps no other from being asked.
                let mut identity = client.identity.clone();
                tokio::spawn(async move { identity.request_reset(request).await });
                sleep(REQUESTS).await;
            }
        };
        Self(tokio::spawn(ask).abort_handle())
    }
}

impl Drop for People {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Who go on looking at a page of the gateway, whatever happens. Each look asks identity about the session.
struct Visitors(Arc<AtomicBool>);

impl Visitors {
    fn come(member: Visitor) -> Self {
        let gone = Arc::new(AtomicBool::new(false));
        for _ in 0..VISITORS {
            let (mut member, gone) = (member.clone(), Arc::clone(&gone));
            thread::spawn(move || {
                while !gone.load(Ordering::Relaxed) {
                    let _ = member.try_get("/");
                    thread::sleep(REQUESTS);
                }
            });
        }
        Self(gone)
    }
}

impl Drop for Visitors {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Watch {
    /// What fires now; stops at what may not.
    fn look(&self, during: &str, allowed: &[&[&str]]) -> BTreeSet<String> {
        let firing = self.prometheus.firing().expect("Prometheus answers");
        for alert in &firing {
            let fades = self.fading.get(alert.as_str()).is_some_and(|end| Instant::now() < *end);
            let due = allowed.iter().any(|some| some.contains(&alert.as_str()));
            assert!(fades || due, "{during}: {alert} fires, which it ought not to");
        }
        firing
    }

    async fn quiet(&self) {
        // Before the first scrapes nobody is there.
        until("all programs are scraped, and so nothing fires", async || {
            let scraped = self.prometheus.query("sum(up) == 3").expect("Prometheus answers");
            let seen = scraped.as_array().is_some_and(|found| !found.is_empty());
            (seen && self.prometheus.firing().expect("Prometheus answers").is_empty()).then_some(())
        })
        .await;
        let end = Instant::now() + QUIET;
        while Instant::now() < end {
            self.look("nothing is wrong", &[]);
            sleep(PAUSE).await;
        }
    }

    async fn fires(&self, fault: &Fault) {
        let during = format!("{:?}", fault.cause);
        let end = Instant::now() + FIRES;
        loop {
            let firing = self.look(&during, &[fault.fires, fault.may]);
            let missing: Vec<_> = fault.fires.iter().filter(|alert| !firing.contains(**alert)).collect();
            if missing.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "{during}: {missing:?} do not fire");
            sleep(PAUSE).await;
        }
    }

    /// Waits until the alert of that name, which begins as a ticket, is a page too.
    async fn pages(&self, alert: &str) {
        let page = format!(r#"ALERTS{{alertname="{alert}", severity="page", alertstate="firing"}}"#);
        until("it is a page", async || {
            let found = self.prometheus.query(&page).expect("Prometheus answers");
            found.as_array().is_some_and(|found| !found.is_empty()).then_some(())
        })
        .await;
    }

    fn over(&mut self, fault: &Fault) {
        let end = Instant::now() + CLEARS;
        self.fading.extend([fault.fires, fault.may, fault.after].concat().into_iter().map(|alert| (alert, end)));
    }

    /// Waits until none of these fires.
    async fn cleared(&self, alerts: &[&str]) {
        while self.look("before the next fault", &[]).iter().any(|alert| alerts.contains(&alert.as_str())) {
            sleep(PAUSE).await;
        }
    }

    async fn cleared_all(&self) {
        while !self.look("all faults are over", &[]).is_empty() {
            sleep(PAUSE).await;
        }
    }
}

/// Every metric that rules and dashboards name is there, and Prometheus can answer each of their expressions.
fn every_name_and_expression_is_known(prometheus: &Prometheus) {
    let known = prometheus.names().expect("Prometheus answers");
    let mut missing = BTreeSet::new();
    for expression in quick::expressions() {
        prometheus.query(&expression).unwrap_or_else(|error| panic!("{expression}: {error:#}"));
        missing.extend(quick::metrics(&expression).into_iter().filter(|name| !known.contains(name)));
    }
    assert!(missing.is_empty(), "named in deploy/, but no program has them: {missing:?}");
}

/// A line between programs, disturbed or not.
fn line(broken: bool, mode: Mode) -> Mode {
    if broken { mode } else { Mode::Pass }
}
