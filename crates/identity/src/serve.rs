//! `identity serve`: puts the parts together, runs them, and ends them in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use messaging::broker::Broker;
use messaging::keys::{KeyRing, Role};
use runtime::admin::{Admin, Checks};
use runtime::clock::SystemClock;
use runtime::config::url_from;
use runtime::random::SystemRandom;
use runtime::reload::Reloaded;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::digest::DigestKey;
use crate::gates::Gates;
use crate::grpc::actors::Actors;
use crate::grpc::callers::Callers;
use crate::grpc::{server, tls};
use crate::hasher::Hasher;
use crate::intake::Intake;
use crate::service::Service;
use crate::settings::Settings;
use crate::store::Store;
use crate::workers;

/// What the program calls itself.
pub const SERVICE: &str = "identity";
/// Which one it is.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long the workers may take after the calls have ended. With these and the spans the end takes 9.5 s at most.
const WORKERS_END: Duration = Duration::from_secs(2);
/// How long the last spans may take.
const FLUSH: Duration = Duration::from_millis(1500);

/// Everything the settings point to, read and checked.
pub struct Parts {
    /// What the operations work with.
    pub service: Service,
    /// Who may call.
    pub callers: Arc<Reloaded<Callers>>,
    /// Who signs actor tokens.
    pub actors: Arc<Actors>,
    /// The certificates of the public port, if there are any.
    pub tls: Option<Arc<Reloaded<TlsAcceptor>>>,
    /// The broker's URL.
    pub broker: Broker,
}

/// Where the broker is, and who we are there.
///
/// # Errors
/// When `amqp.url` is not set or no URL, or `amqp.ca_file` cannot be used.
pub fn broker(settings: &Settings) -> anyhow::Result<Broker> {
    let url = url_from(settings.amqp.url_file.as_deref(), settings.amqp.url.as_ref(), "amqp.url")?;
    let broker = Broker::new(url, "sandi-identity").context("amqp.url")?;
    let broker = broker.trusting(settings.amqp.ca_file.as_deref()).context("amqp.ca_file")?;
    Ok(broker.declaring(settings.amqp.declare))
}

impl Parts {
    /// Reads and checks what the settings point to. Nothing is connected yet.
    ///
    /// # Errors
    /// Names the setting that is wrong.
    pub fn assemble(settings: Settings) -> anyhow::Result<Self> {
        let file = settings.callers.file.clone();
        let callers = Reloaded::load("callers.file", vec![file.clone()], move || Callers::load(&file))?;
        let actors = Actors::load(&settings.actors, Arc::new(SystemClock))?;
        let tls = tls::load(&settings.grpc.tls)?;
        let keys = KeyRing::load(&settings.keys.directory, Role::Identity).context("keys.directory")?;
        let broker = broker(&settings)?;
        if !settings.development && broker.has_built_in_login() {
            anyhow::bail!("amqp.url: the broker's built-in login (guest) is for development mode only");
        }
        let service = service(settings, Arc::new(keys))?;
        Ok(Self { service, callers: Arc::new(callers), actors: Arc::new(actors), tls, broker })
    }
}

/// The service without its network: also what the command line works with.
///
/// # Errors
/// Names the setting that is wrong.
pub fn service(settings: Settings, keys: Arc<KeyRing>) -> anyhow::Result<Service> {
    let url = database_url(&settings)?;
    let store = Store::new(&url, settings.database.max_connections).context("database.url")?;
    let issuer_bell = Arc::new(Notify::new());
    Ok(Service {
        background: store.share(),
        guesses: store.share(),
        intake: Intake::start(store.clone(), Arc::clone(&issuer_bell)),
        store,
        hasher: Hasher::start(&settings.passwords)?,
        gates: Gates::new(settings.limits.wrong_passwords),
        keys,
        digests: DigestKey::load(&settings.keys.directory)?,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        issuer_bell,
        relay_bell: Notify::new(),
        settings,
    })
}

/// URL of the service's role.
///
/// # Errors
/// It is not set, or its file cannot be read.
pub fn database_url(settings: &Settings) -> anyhow::Result<SecretString> {
    let database = &settings.database;
    Ok(url_from(database.url_file.as_deref(), database.url.as_ref(), "database.url")?)
}

/// Runs until SIGTERM or Ctrl-C, then drains: health says NOT_SERVING, calls under way end, workers
/// finish or give back what they hold.
///
/// # Errors
/// The settings are wrong, or a port is taken.
pub async fn serve(settings: Settings, source: &str) -> anyhow::Result<()> {
    let telemetry = runtime::telemetry::init(SERVICE, VERSION, &settings.log, &settings.telemetry)?;
    let parts = Parts::assemble(settings)?;
    let Parts { service, callers, actors, tls, broker } = parts;
    let service = Arc::new(service);
    let settings = &service.settings;
    let bind = async |name: &str, address| {
        TcpListener::bind(address).await.with_context(|| format!("{name}: cannot listen on {address}"))
    };
    let grpc = bind("grpc.listen", settings.grpc.listen).await?;
    let admin = bind("admin.listen", settings.admin.listen).await?;
    tracing::info!(
        version = VERSION,
        settings = source,
        grpc.listen = %grpc.local_addr()?,
        grpc.tls = settings.grpc.tls.certificate.is_some(),
        admin.listen = %admin.local_addr()?,
        development = settings.development,
        hasher.simd = crate::hasher::simd(),
        "identity starts"
    );

    observe_ages(settings);
    let stop = runtime::shutdown::on_signal();
    // The workers go on while the last calls end: those may still write events.
    let workers_stop = CancellationToken::new();
    let admin_stop = CancellationToken::new();
    let checks = Checks::default();
    let admin_page = Admin { service: SERVICE, version: VERSION, metrics: telemetry.metrics(), checks: checks.clone() };
    let admin_port = tokio::spawn(runtime::admin::serve(admin, admin_page, admin_stop.clone()));
    let workers = workers::start(&service, broker, &checks, &workers_stop);

    workers.spawn(Arc::clone(&callers).watch(workers_stop.clone()));
    if let Some(keys) = actors.keys() {
        workers.spawn(keys.watch(workers_stop.clone()));
    }
    if let Some(tls) = &tls {
        workers.spawn(Arc::clone(tls).watch(workers_stop.clone()));
    }
    workers.close();

    let served = server::serve(Arc::clone(&service), callers, actors, tls, grpc, checks, stop).await;

    workers_stop.cancel();
    if tokio::time::timeout(WORKERS_END, workers.wait()).await.is_err() {
        tracing::warn!("workers were ended in the middle of their work; what they held comes back by itself");
    }
    admin_stop.cancel();
    admin_port.abort();
    tracing::info!("identity ends");
    telemetry.shutdown(FLUSH).await;
    served
}

/// Shows when certificates end and how old keys are.
fn observe_ages(settings: &Settings) {
    let tls = &settings.grpc.tls;
    let files = [("grpc", &tls.certificate), ("client_ca", &tls.client_ca), ("broker_ca", &settings.amqp.ca_file)];
    let files = files.into_iter().filter_map(|(name, file)| Some((name, file.clone()?)));
    runtime::ages::observe_certificates(files.collect());
    let keys = settings.keys.directory.clone();
    runtime::ages::observe_keys(move || messaging::keys::newest(&keys));
}
