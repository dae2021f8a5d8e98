//! Accepting: a cap on connections, in all and of each address, and a bound on every wait of each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use runtime::Reloaded;
use runtime::places::{LEAVING_MAX, Place, Places};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::Proxies;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How old a connection becomes: one that reads its answers slowly does not stay for ever.
const AGE: Duration = Duration::from_secs(300);
/// How long requests that are under way may take after the stop, or past the age.
const DRAIN: Duration = Duration::from_secs(8);
/// How long the last bytes of an answer may take when the place is needed.
const LEAVE: Duration = Duration::from_millis(250);
/// After a failed accept, such as one without file descriptors.
const PAUSE: Duration = Duration::from_millis(50);
/// Larger heads get no page, but only a status.
const BUFFER_BYTES: usize = 32 * 1024;
/// For the identity service, the admin port, logs and files.
const RESERVED_DESCRIPTORS: usize = 64;

/// How much a connection, and an address, may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once of one address (IPv6: one /64), unless it is a proxy of ours.
    pub connections_per_address: usize,
    /// Requests a second of one address (IPv6: one /64), and calls that their pages make.
    pub per_second: u32,
    /// So many of them at once.
    pub burst: u32,
    /// How long a head may take, and a connection may idle.
    pub header: Duration,
    /// How long a body may take.
    pub body: Duration,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether it speaks TLS with us.
    pub tls: bool,
}

/// What answers, and how.
struct Door {
    tls: Option<Arc<Reloaded<TlsAcceptor>>>,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
}

/// Serves until `stop`, and then for at most 8 s what is under way. Each new connection is shown the certificate of
/// its time.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Reloaded<TlsAcceptor>>>,
    router: Router,
    bounds: Bounds,
    proxies: Proxies,
    stop: CancellationToken,
) {
    let most = possible(bounds.connections);
    let places = Arc::new(Places::new("sandi.web.connections", most, bounds.connections_per_address));
    let door = Arc::new(Door { tls, router, bounds, stop: stop.clone() });
    let open = TaskTracker::new();
    while let Some((stream, address)) = stop.run_until_cancelled(accept(&listener, &places)).await {
        let ip = address.ip().to_canonical();
        let Some(place) = places.enter((!proxies.holds(ip)).then_some(ip)) else { continue };
        let door = Arc::clone(&door);
        open.spawn(async move { door.connection(stream, address, place).await });
    }
    drop(listener);
    open.close();
    let _ = timeout(DRAIN, open.wait()).await;
}

/// As many connections as set, or as there are descriptors for.
fn possible(set: usize) -> usize {
    let possible = runtime::process::raise_descriptors().saturating_sub(RESERVED_DESCRIPTORS + LEAVING_MAX).max(1);
    if possible < set {
        tracing::warn!(
            set,
            possible,
            "limits.connections is more than the limit of open descriptors allows (ulimit -n)"
        );
    }
    set.min(possible)
}

async fn accept(listener: &TcpListener, places: &Places) -> (TcpStream, SocketAddr) {
    places.settled().await;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, address),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(PAUSE).await;
            }
        }
    }
}

impl Door {
    async fn connection(&self, stream: TcpStream, address: SocketAddr, place: Place) {
        let _ = stream.set_nodelay(true);
        let peer = Peer { address, tls: self.tls.is_some() };
        let Some(tls) = &self.tls else {
            return self.requests(stream, peer, place).await;
        };
        let handshake = timeout(HANDSHAKE, tls.current().accept(stream));
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            () = place.dismissed() => return,
        };
        if let Ok(Ok(stream)) = shaken {
            self.requests(stream, peer, place).await;
        }
    }

    async fn requests<S>(&self, stream: S, peer: Peer, place: Place)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (router, hold) = (self.router.clone(), place.hold.clone());
        let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let (router, hold) = (router.clone(), hold.clone());
            async move {
                hold.keep(true);
                let response = router.oneshot(request).await;
                hold.keep(false);
                response
            }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.header)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let mut serving = std::pin::pin!(serving);
        // What a stranger's connection ends by is nobody's concern.
        let drain = tokio::select! {
            _ = &mut serving => return,
            () = self.stop.cancelled() => DRAIN,
            () = sleep(AGE) => DRAIN,
            () = place.dismissed() => LEAVE,
        };
        serving.as_mut().graceful_shutdown();
        let _ = timeout(drain, serving).await;
    }
}
