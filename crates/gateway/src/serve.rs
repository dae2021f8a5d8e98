//! The running program.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::middleware::from_fn_with_state;
use runtime::telemetry::{self, Telemetry};
use runtime::{Admin, Checks, Failure, Reloaded, SystemClock, SystemRandom, admin, shutdown};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::identity::{Health, Identity};
use crate::pages;
use crate::server::{self, Edge, edge};
use crate::settings::{Checked, Settings};
use crate::web::{self, App, Visit};

/// The program's name.
pub const SERVICE: &str = "gateway";
/// Its version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long telemetry may take to go out.
const FLUSH: Duration = Duration::from_secs(1);
/// How often the identity service is asked how it is.
const LOOK: Duration = Duration::from_secs(5);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When the settings are wrong or a port cannot be had. The absence of the identity service is no error: pages say so.
pub async fn serve(settings: Settings, source: &str) -> Result<(), Failure> {
    let checked = settings.check()?;
    let telemetry = telemetry::init(SERVICE, VERSION, &settings.log, &settings.telemetry)?;
    let listener = bind("listen", settings.listen).await?;
    let admin = bind("admin.listen", settings.admin.listen).await?;
    tracing::info!(
        version = VERSION,
        config = source,
        listen = %listener.local_addr()?,
        admin = %admin.local_addr()?,
        public_url = settings.public_url,
        "gateway starts"
    );
    observe_ages(&settings);
    run(&settings, checked, listener, admin, &telemetry).await;
    tracing::info!("gateway ends");
    telemetry.shutdown(FLUSH).await;
    Ok(())
}

/// Shows when certificates end.
fn observe_ages(settings: &Settings) {
    let files = [
        ("tls", &settings.tls.certificate),
        ("identity_ca", &settings.identity.ca_file),
        ("identity_client", &settings.identity.certificate),
    ];
    let given = files.into_iter().filter_map(|(name, file)| Some((name, file.clone()?)));
    runtime::ages::observe_certificates(given.collect());
}

async fn bind(setting: &str, address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{setting}: cannot listen on {address}"))
}

async fn run(settings: &Settings, checked: Checked, listener: TcpListener, probes: TcpListener, telemetry: &Telemetry) {
    let stop = shutdown::on_signal();
    let (tasks, ended) = (TaskTracker::new(), CancellationToken::new());
    let checks = Checks::default();
    // Pages answer also while the identity service is away: they say so. Taking us out would show a bare error.
    checks.set("pages", Ok(()));
    checks.set_informative("identity", Err("not asked yet".to_owned()));
    let shown = Admin { service: SERVICE, version: VERSION, metrics: telemetry.metrics(), checks: checks.clone() };
    // The admin port stays up while the rest ends, and shows it.
    tasks.spawn(admin::serve(probes, shown, ended.clone()));
    let health = Health::new(Arc::clone(&checked.upstream));
    tasks.spawn(stop.clone().run_until_cancelled_owned(look(health, checks.clone())));
    watch(&checked, &tasks, &ended);

    let (bounds, proxies, tls) = (checked.bounds, checked.proxies.clone(), checked.tls.clone());
    let (router, edge) = router(settings, checked);
    tasks.spawn(ended.clone().run_until_cancelled_owned(edge.forget()));
    let stopping = stop.clone();
    tasks.spawn(async move {
        stopping.cancelled().await;
        checks.set("pages", Err("shutting down".to_owned()));
    });
    server::serve(listener, tls, router, bounds, proxies, stop).await;
    ended.cancel();
    tasks.close();
    tasks.wait().await;
}

/// Reads keys, token and certificates again when their files change.
fn watch(checked: &Checked, tasks: &TaskTracker, stop: &CancellationToken) {
    fn one<T: Send + Sync + 'static>(files: &Arc<Reloaded<T>>, tasks: &TaskTracker, stop: &CancellationToken) {
        tasks.spawn(Arc::clone(files).watch(stop.clone()));
    }
    one(&checked.upstream, tasks, stop);
    one(&checked.cookies, tasks, stop);
    checked.tls.iter().for_each(|tls| one(tls, tasks, stop));
    checked.signer.iter().for_each(|signer| one(signer, tasks, stop));
}

fn router(settings: &Settings, checked: Checked) -> (Router, Arc<Edge>) {
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let app = Arc::new(App {
        identity: Identity::new(checked.upstream, checked.signer, clock.clone(), random.clone()),
        cookies: checked.cookies,
        base: checked.base,
        product: settings.product_name.clone(),
        support_contact: settings.support_contact.clone(),
        language: checked.language,
        session_life: settings.cookie.session_life,
        clock,
        random,
    });
    let (refusing, assets) = (app.clone(), app.base.path(web::ASSETS));
    let refuse =
        Box::new(move |parts: &http::request::Parts, status| pages::failure::page(Visit::of(parts, &refusing), status));
    let state = Edge::new(checked.proxies, checked.bounds, assets, refuse);
    (pages::router(app).layer(from_fn_with_state(Arc::clone(&state), edge)), state)
}

/// Keeps the informative check up to date.
async fn look(health: Health, checks: Checks) {
    let mut last = None;
    loop {
        let result = health.check().await;
        let changed = last.replace(result.is_ok()) != Some(result.is_ok());
        match &result {
            Err(reason) if changed => tracing::warn!(reason, "the identity service is away"),
            Ok(()) if changed => tracing::info!("the identity service answers"),
            _ => {}
        }
        checks.set_informative("identity", result);
        tokio::time::sleep(LOOK).await;
    }
}
