//! The admin port: what probes, scrapes and people ask a running program (HTTP/1.1).
//!
//! | path | answer |
//! |---|---|
//! | `/livez` | 200 as long as the process answers; looks at no dependency, so that a restart is never the answer to a broken database |
//! | `/readyz` | 200, or 503 while a check fails; each check on a line |
//! | `/healthz` | the same status, and the informative checks as well |
//! | `/metrics` | Prometheus text |
//! | `/version` | JSON |
//!
//! [`ask_ready`] is the other side, for the health check of a container that has no other program.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use opentelemetry::{KeyValue, global};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::telemetry::MetricsText;

/// How long open connections may delay the end of [`serve`].
const GRACE: Duration = Duration::from_secs(2);

/// How long [`ask_ready`] waits for each step.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the admin port shows.
#[derive(Clone)]
pub struct Admin {
    /// The program's name, such as `identity`.
    pub service: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its metrics.
    pub metrics: MetricsText,
    /// Its checks.
    pub checks: Checks,
}

/// The last result of each thing that a program depends on. Clones share the results.
#[derive(Clone, Default)]
pub struct Checks(Arc<Mutex<BTreeMap<&'static str, Check>>>);

struct Check {
    told: Told,
    informative: bool,
}

enum Told {
    Once(Result<(), String>),
    Each(Box<dyn Fn() -> Result<(), String> + Send>),
}

impl Check {
    fn result(&self) -> Result<(), String> {
        match &self.told {
            Told::Once(result) => result.clone(),
            Told::Each(look) => look(),
        }
    }
}

impl Checks {
    /// Notes the result of a check without which the program cannot do its work. An error is one
    /// line without secrets.
    pub fn set(&self, name: &'static str, result: Result<(), String>) {
        self.put(name, Told::Once(result), false);
    }

    /// Notes a result that is shown in `/healthz` but does not fail `/readyz`.
    pub fn set_informative(&self, name: &'static str, result: Result<(), String>) {
        self.put(name, Told::Once(result), true);
    }

    /// Shows in `/healthz` what `look` says each time that somebody asks; it does not fail `/readyz`. It must be quick, and
    /// not ask these checks itself.
    pub fn watch_informative(&self, name: &'static str, look: impl Fn() -> Result<(), String> + Send + 'static) {
        self.put(name, Told::Each(Box::new(look)), true);
    }

    /// True when there is a check, and none that counts fails. So a program that has noted
    /// nothing yet is not ready.
    pub fn ready(&self) -> bool {
        let checks = self.lock();
        let mut counting = checks.values().filter(|check| !check.informative).peekable();
        counting.peek().is_some() && counting.all(|check| check.result().is_ok())
    }

    fn put(&self, name: &'static str, told: Told, informative: bool) {
        let check = Check { told, informative };
        self.lock().insert(name, check);
    }

    /// Shows each as a metric, 1 or 0.
    fn observe(&self) {
        let checks = self.clone();
        global::meter("sandi")
            .u64_observable_gauge("sandi.check.up")
            .with_description("Whether a thing that the program depends on works, as /healthz says: 1 or 0.")
            .with_callback(move |observer| {
                for (name, check) in checks.lock().iter() {
                    observer.observe(check.result().is_ok().into(), &[KeyValue::new("check", *name)]);
                }
            })
            .build();
    }

    /// One line a check: `database: ok`, `broker: connection refused`.
    fn text(&self, with_informative: bool) -> String {
        let mut text = String::new();
        for (name, check) in self.lock().iter() {
            if check.informative && !with_informative {
                continue;
            }
            let state = match check.result() {
                Ok(()) => "ok".into(),
                Err(reason) => reason.replace(char::is_control, " "),
            };
            let _ = writeln!(text, "{name}: {state}");
        }
        if text.is_empty() {
            text.push_str("starting\n");
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Check>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers on `listener` until `stop`, and then at most two seconds longer. Stop it last: it
/// tells the probes that the program is going.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, admin: Admin, stop: CancellationToken) -> std::io::Result<()> {
    admin.checks.observe();
    let server = axum::serve(listener, router(admin)).with_graceful_shutdown(stop.clone().cancelled_owned());
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = server => ended,
        () = late => Ok(()),
    }
}

/// Asks the program that listens on `listen` whether it is ready, and gives its answer, which on failure
/// says why not. Takes 2 s at most.
///
/// # Errors
/// It is not ready, or does not answer.
pub fn ask_ready(listen: SocketAddr) -> Result<String, String> {
    let loopback = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let answer = get_ready(SocketAddr::new(loopback, listen.port())).map_err(|error| format!("no answer: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer that is HTTP")?;
    if head.split(' ').nth(1) == Some("200") { Ok(body.to_owned()) } else { Err(body.to_owned()) }
}

fn get_ready(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = std::net::TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer)?;
    Ok(answer)
}

fn router(admin: Admin) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .with_state(admin)
}

async fn readyz(State(admin): State<Admin>) -> Response {
    (status(&admin.checks), admin.checks.text(false)).into_response()
}

async fn healthz(State(admin): State<Admin>) -> Response {
    (status(&admin.checks), admin.checks.text(true)).into_response()
}

fn status(checks: &Checks) -> StatusCode {
    if checks.ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], admin.metrics.render()).into_response()
}

async fn version(State(admin): State<Admin>) -> Response {
    Json(serde_json::json!({
        "service": admin.service,
        "version": admin.version,
        "revision": crate::REVISION,
    }))
    .into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    struct Running {
        checks: Checks,
        address: std::net::SocketAddr,
        stop: CancellationToken,
        server: tokio::task::JoinHandle<std::io::Result<()>>,
    }

    async fn start() -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let checks = Checks::default();
        let stop = CancellationToken::new();
        let admin =
            Admin { service: "identity", version: "1.2.3", metrics: MetricsText::default(), checks: checks.clone() };
        let server = tokio::spawn(serve(listener, admin, stop.clone()));
        Running { checks, address, stop, server }
    }

    async fn get(running: &Running, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    #[tokio::test]
    async fn readiness_names_the_check_that_failed() {
        let running = start().await;
        assert_eq!(get(&running, "/readyz").await, (503, "starting\n".into()));

        running.checks.set("database", Ok(()));
        running.checks.set("broker", Err("connection\nrefused".into()));
        let text = "broker: connection refused\ndatabase: ok\n";
        assert_eq!(get(&running, "/readyz").await, (503, text.into()));
        assert_eq!(get(&running, "/livez").await, (200, "ok\n".into()));

        running.checks.set("broker", Ok(()));
        assert_eq!(get(&running, "/readyz").await.0, 200);
    }

    #[tokio::test]
    async fn a_container_asks_whether_it_is_ready() {
        let running = start().await;
        let address = running.address;
        let ask = move || tokio::task::spawn_blocking(move || ask_ready(address));
        assert_eq!(ask().await.unwrap(), Err("starting\n".into()));
        running.checks.set("database", Ok(()));
        assert_eq!(ask().await.unwrap(), Ok("database: ok\n".into()));
        running.stop.cancel();
        running.server.await.unwrap().unwrap();
        assert!(ask().await.unwrap().unwrap_err().starts_with("no answer"));
    }

    #[tokio::test]
    async fn an_informative_check_is_shown_and_fails_nothing() {
        let running = start().await;
        running.checks.set("database", Ok(()));
        running.checks.set_informative("broker", Err("away".into()));
        assert_eq!(get(&running, "/readyz").await, (200, "database: ok\n".into()));
        let text = "broker: away\ndatabase: ok\n";
        assert_eq!(get(&running, "/healthz").await, (200, text.into()));
    }

    #[tokio::test]
    async fn what_is_watched_is_looked_at_for_each_who_asks() {
        let running = start().await;
        let blocked = Arc::new(Mutex::new(true));
        let seen = blocked.clone();
        let look = move || if *seen.lock().unwrap() { Err("blocked".to_owned()) } else { Ok(()) };
        running.checks.watch_informative("publishing", look);
        running.checks.set("database", Ok(()));
        assert_eq!(get(&running, "/healthz").await, (200, "database: ok\npublishing: blocked\n".into()));
        *blocked.lock().unwrap() = false;
        assert_eq!(get(&running, "/healthz").await, (200, "database: ok\npublishing: ok\n".into()));
        assert_eq!(get(&running, "/readyz").await, (200, "database: ok\n".into()));
    }

    #[tokio::test]
    async fn version_and_metrics_are_served_and_nothing_else() {
        let running = start().await;
        let (status, body) = get(&running, "/version").await;
        assert_eq!(status, 200);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["service"], "identity");
        assert_eq!(body["version"], "1.2.3");
        assert_eq!(get(&running, "/metrics").await.0, 200);
        assert_eq!(get(&running, "/").await.0, 404);
    }

    #[tokio::test]
    async fn it_ends_soon_even_if_a_connection_stays_open() {
        let running = start().await;
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"GET /livez HT").await.unwrap();
        running.stop.cancel();
        let ended = tokio::time::timeout(GRACE * 3, running.server).await;
        ended.unwrap().unwrap().unwrap();
    }
}
