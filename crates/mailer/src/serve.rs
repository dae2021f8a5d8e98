//! The running program.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use messaging::topology::MAILER_REQUESTS;
use messaging::{Publisher, consume};
use opentelemetry::{KeyValue, global};
use runtime::telemetry::{self, Telemetry};
use runtime::{Admin, Checks, Clock, Failure, Random, SkewAlarm, SystemClock, SystemRandom, admin, shutdown};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::deliver::Deliverer;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::report::reporter;
use crate::settings::{Checked, Settings};
use crate::transport::SmtpTransport;
use crate::transport::gate::{Fault, State};

/// The program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long mails that are under way may take after SIGTERM. With the farewells below it stays
/// under ten seconds.
const DRAIN: Duration = Duration::from_secs(7);
/// How long telemetry may take to go out.
const FLUSH: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When the settings are wrong or the admin port cannot be had. The absence of the broker or of a
/// relay is no error: it is waited for.
pub async fn serve(settings: Settings, source: &str) -> Result<(), Failure> {
    let checked = settings.check()?;
    let telemetry =
        telemetry::init("mailer", VERSION, &settings.log, &settings.telemetry).map_err(telemetry_failure)?;
    let listener = TcpListener::bind(settings.admin.listen)
        .await
        .with_context(|| format!("admin.listen: cannot listen on {}", settings.admin.listen))?;
    let relays: Vec<String> = checked.relays.iter().map(|relay| format!("{}:{}", relay.host, relay.port)).collect();
    tracing::info!(
        version = VERSION,
        config = source,
        admin = %listener.local_addr()?,
        relays = relays.join(" "),
        "mailer starts"
    );
    observe_ages(&settings);
    run(checked, listener, &telemetry).await;
    tracing::info!("mailer ends");
    telemetry.shutdown(FLUSH).await;
    Ok(())
}

/// Shows when certificates end and how old keys are.
fn observe_ages(settings: &Settings) {
    let relays = settings.smtp.relays.iter().filter_map(|relay| Some(("relay_ca", relay.ca_file.clone()?)));
    let broker = settings.amqp.ca_file.clone().map(|file| ("broker_ca", file));
    runtime::ages::observe_certificates(relays.chain(broker).collect());
    let keys = settings.keys.directory.clone();
    runtime::ages::observe_keys(move || messaging::keys::newest(&keys));
}

/// A wrong level or endpoint is a mistake in the settings.
pub fn telemetry_failure(error: telemetry::TelemetryError) -> Failure {
    match error {
        telemetry::TelemetryError::Config(error) => error.into(),
        other => Failure::Failed(other.into()),
    }
}

async fn run(checked: Checked, listener: TcpListener, telemetry: &Telemetry) {
    let stop = shutdown::on_signal();
    // The admin port stays up while the rest ends, and shows it.
    let (probes, ended) = (TaskTracker::new(), CancellationToken::new());
    let checks = Checks::default();
    checks.set("broker", Err("connecting".to_owned()));
    checks.set("relay", Err("connecting".to_owned()));
    probes.spawn(admin::serve(
        listener,
        Admin { service: "mailer", version: VERSION, metrics: telemetry.metrics(), checks: checks.clone() },
        ended.clone(),
    ));

    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let transport = Arc::new(SmtpTransport::new(checked.relays, checked.domain_limit, random.clone()));
    let tasks = TaskTracker::new();
    transport.watch(&tasks, &stop);
    tasks.spawn(stop.clone().run_until_cancelled_owned(show_relays(transport.clone(), checks.clone())));
    let keys = Arc::new(checked.keys);
    let shown = checks.clone();
    tasks.spawn(keys.clone().watch(stop.clone(), move |state| shown.set_informative("keys", state)));
    let publisher = Publisher::new(checked.broker.clone());
    telemetry::observe_blocked(publisher.watch_blocked());
    checks.watch_informative("publishing", publisher.watch());
    let prefetch = u16::try_from(2 * transport.connections()).unwrap_or(u16::MAX);
    let deliverer = Arc::new(Deliverer {
        keys,
        transport: transport.clone(),
        report: reporter(publisher, clock.clone(), random.clone()),
        letterhead: checked.letterhead,
        clock,
        random,
        stop: stop.clone(),
        skew_alarm: SkewAlarm::default(),
        memory: Memory::default(),
        metrics: Metrics::default(),
    });

    let consuming = global::meter("sandi")
        .u64_gauge("sandi.mailer.consuming")
        .with_description("1 while messages can come from the broker.")
        .build();
    let state = move |result: Result<(), String>| {
        consuming.record(u64::from(result.is_ok()), &[]);
        checks.set("broker", result);
    };
    let consumed = consume(checked.broker, MAILER_REQUESTS, prefetch, stop.clone(), state, move |delivery| {
        deliverer.clone().handle(delivery)
    });
    if drained(consumed, &stop).await.is_none() {
        tracing::warn!("mails were under way; they are delivered again to whoever comes next");
    }
    transport.close().await;
    tasks.close();
    tasks.wait().await;
    ended.cancel();
    probes.close();
    probes.wait().await;
}

/// Waits for `work`, from the stop on for so long and no longer.
async fn drained<T>(work: impl Future<Output = T>, stop: &CancellationToken) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN).await;
        } => None,
    }
}

/// Keeps health, log and metrics up to date with the relays: ready while one of them works.
async fn show_relays(transport: Arc<SmtpTransport>, checks: Checks) {
    let up = global::meter("sandi")
        .u64_gauge("sandi.mailer.relay.up")
        .with_description("1 while the relay takes mails.")
        .build();
    let failures = global::meter("sandi")
        .u64_counter("sandi.mailer.relay.failures")
        .with_description("How often the relay began to fail us, by relay and phase.")
        .build();
    let mut states: Vec<_> = transport.relays().iter().map(|relay| relay.gate().subscribe()).collect();
    // A relay may have been reached before we began to look.
    states.iter_mut().for_each(|state| state.mark_changed());
    let mut last: Vec<Option<String>> = vec![Some("connecting".to_owned()); states.len()];
    loop {
        let changed = states.iter_mut().map(|state| Box::pin(state.changed()));
        let _ = futures::future::select_all(changed).await;
        for ((relay, state), last) in transport.relays().iter().zip(&mut states).zip(&mut last) {
            let fault = match &*state.borrow_and_update() {
                State::New => continue,
                State::Open => None,
                State::Closed { fault, .. } | State::Probing { fault, .. } => Some(fault.clone()),
            };
            let name = KeyValue::new("relay", relay.name().to_owned());
            up.record(u64::from(fault.is_none()), std::slice::from_ref(&name));
            let cause = fault.as_ref().map(|fault| fault.cause.clone());
            if cause == *last {
                continue;
            }
            match &fault {
                None => tracing::info!(relay = relay.name(), "relay works"),
                Some(Fault { phase, cause }) => {
                    failures.add(1, &[name, KeyValue::new("phase", phase.name())]);
                    tracing::warn!(relay = relay.name(), phase = phase.name(), cause, "relay fails");
                }
            }
            *last = cause;
        }
        let faults: Vec<String> = transport
            .relays()
            .iter()
            .zip(&last)
            .filter_map(|(relay, fault)| Some(format!("{}: {}", relay.name(), fault.as_ref()?)))
            .collect();
        let works = faults.len() < last.len();
        checks.set("relay", if works { Ok(()) } else { Err(faults.join("; ")) });
    }
}
