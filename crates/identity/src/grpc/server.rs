//! The public port.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use http::{Request, Response};
use proto::identity::v1::directory_service_server::DirectoryServiceServer;
use proto::identity::v1::identity_service_server::IdentityServiceServer;
use proto::identity::v1::support_service_server::SupportServiceServer;
use runtime::admin::Checks;
use runtime::places::{LEAVING_MAX, Places};
use runtime::reload::Reloaded;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};
use tonic_health::pb::health_server::HealthServer;
use tower::{Layer as _, Service as TowerService};

use super::actors::Actors;
use super::callers::Callers;
use super::connection::Door;
use super::edge::EdgeLayer;
use super::health;
use super::limits::Limits;
use super::run::Runner;
use crate::service::Service;
use crate::settings::Settings;

/// Largest request.
const RECEIVE_MAX: usize = 64 * 1024;
/// Largest request of the services that anybody may call: names of services and symbols.
const OPEN_RECEIVE_MAX: usize = 4 * 1024;
/// Largest response.
const SEND_MAX: usize = 1024 * 1024;
/// How long calls under way may take after the stop.
const DRAIN: Duration = Duration::from_secs(6);
/// How often full rate buckets are forgotten.
const FORGET: Duration = Duration::from_secs(60);
/// Descriptors for everything but callers' connections and the database's: files, broker, probes, telemetry.
const RESERVED_DESCRIPTORS: usize = 64;
/// Connections that may stand in line at the stop, as many as the listener's backlog holds.
const LINE: usize = 1024;
/// Pause when nothing can be accepted, as without descriptors: trying at once again would take a whole core.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until stopped; then calls under way may end, within bounds. Without certificates it speaks plain text.
///
/// # Errors
/// Server reflection cannot be built.
pub async fn serve(
    service: Arc<Service>,
    callers: Arc<Reloaded<Callers>>,
    actors: Arc<Actors>,
    tls: Option<Arc<Reloaded<TlsAcceptor>>>,
    listener: TcpListener,
    checks: Checks,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let limits = Arc::new(Limits::new(&service.settings.limits));
    let (reporter, health_server) = tonic_health::server::health_reporter();
    let runner = Runner { service: Arc::clone(&service), limits: Arc::clone(&limits), actors };
    let routes = routes(&service, &runner, health_server)?;
    let edge = EdgeLayer::new(Arc::clone(&service), callers, Arc::clone(&limits)).layer(routes);
    let door = Arc::new(Door::new(tls, edge));
    let places = Arc::new(places(&service.settings));

    let connections = TaskTracker::new();
    let leave = CancellationToken::new();
    let entrance = Entrance { places, door, connections: connections.clone(), leave: leave.clone() };
    let accepting = async {
        entrance.accept(listener, &stop).await;
        // The port is closed by now: who is told goodbye comes again at once, and would be let in only to be cut off.
        leave.cancel();
    };
    let watch = health::run(&service, reporter, checks, stop.clone());
    let forget = async {
        loop {
            tokio::time::sleep(FORGET).await;
            limits.forget();
        }
    };
    tokio::select! {
        _ = async { tokio::join!(accepting, watch) } => {}
        () = forget => {}
    }
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were closed that did not end in time");
    }
    Ok(())
}

/// As many places as set, or as there are descriptors for.
fn places(settings: &Settings) -> Places {
    let grpc = &settings.grpc;
    let reserved = RESERVED_DESCRIPTORS + LEAVING_MAX + settings.database.max_connections as usize;
    let possible = runtime::process::raise_descriptors().saturating_sub(reserved).max(1);
    if possible < grpc.max_connections {
        tracing::warn!(
            set = grpc.max_connections,
            possible,
            "grpc.max_connections is more than the limit of open descriptors allows (ulimit -n)"
        );
    }
    Places::new("sandi.grpc.connections", grpc.max_connections.min(possible), grpc.max_connections_per_address)
}

/// Where connections come in.
struct Entrance<S> {
    places: Arc<Places>,
    door: Arc<Door<S>>,
    connections: TaskTracker,
    /// Tells connections to end.
    leave: CancellationToken,
}

impl<S> Entrance<S>
where
    S: TowerService<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    /// Lets connections in until stopped, and then closes the port.
    async fn accept(&self, listener: TcpListener, stop: &CancellationToken) {
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = async {
                    self.places.settled().await;
                    listener.accept().await
                } => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    failing = false;
                    self.admit(stream, peer);
                }
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    if !failing {
                        tracing::error!(error = &error as &dyn std::error::Error, "no connection can be accepted");
                    }
                    failing = true;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        // Those that stand in line are told goodbye like the others, and not cut off.
        for _ in 0..LINE {
            let Some(Ok((stream, peer))) = listener.accept().now_or_never() else { break };
            self.admit(stream, peer);
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        if let Some(place) = self.places.enter(Some(peer.ip())) {
            set_up(&stream);
            self.connections.spawn(Arc::clone(&self.door).serve(stream, place, self.leave.clone()));
        }
    }
}

/// Whether a connection was gone before it was accepted; the next one is not concerned.
fn is_the_peers(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

fn set_up(stream: &TcpStream) {
    // Answers are small and go out at once. Where it cannot be set, they are slower.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = &error as &dyn std::error::Error, "TCP_NODELAY cannot be set");
    }
}

fn routes<H>(service: &Service, runner: &Runner, health: HealthServer<H>) -> anyhow::Result<Routes>
where
    HealthServer<H>: TowerService<Request<Body>, Response = Response<Body>, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    <HealthServer<H> as TowerService<Request<Body>>>::Future: Send + 'static,
{
    let mut routes = RoutesBuilder::default();
    routes.add_service(health.max_decoding_message_size(OPEN_RECEIVE_MAX));
    if service.settings.grpc.reflection {
        routes.add_service(reflection_builder().build_v1()?.max_decoding_message_size(OPEN_RECEIVE_MAX));
        // Older clients ask for the version before.
        routes.add_service(reflection_builder().build_v1alpha()?.max_decoding_message_size(OPEN_RECEIVE_MAX));
    }
    macro_rules! add {
        ($server:ident) => {
            routes.add_service(
                $server::new(runner.clone()).max_decoding_message_size(RECEIVE_MAX).max_encoding_message_size(SEND_MAX),
            )
        };
    }
    add!(IdentityServiceServer);
    add!(DirectoryServiceServer);
    add!(SupportServiceServer);
    Ok(routes.routes().prepare())
}

fn reflection_builder<'b>() -> tonic_reflection::server::Builder<'b> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
