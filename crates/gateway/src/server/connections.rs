//! Accepting: a cap on connections, and a bound on every wait of each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How old a connection becomes: one that reads its answers slowly does not stay for ever.
const AGE: Duration = Duration::from_secs(300);
/// How long requests that are under way may take after the stop, or past the age.
const DRAIN: Duration = Duration::from_secs(8);
/// After a failed accept, such as one without file descriptors.
const PAUSE: Duration = Duration::from_millis(50);
/// Heads of requests are smaller.
const HEAD_BYTES: usize = 16 * 1024;

/// How much a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
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

/// Serves until `stop`, and then for at most 8 s what is under way.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let tls = tls.map(TlsAcceptor::from);
    let permits = Arc::new(Semaphore::new(bounds.connections));
    let open = TaskTracker::new();
    while let Some((stream, address, permit)) = stop.run_until_cancelled(accept(&listener, &permits)).await {
        let (tls, router, stop) = (tls.clone(), router.clone(), stop.clone());
        open.spawn(async move {
            connection(stream, address, tls, router, bounds, stop).await;
            drop(permit);
        });
    }
    drop(listener);
    open.close();
    let _ = timeout(DRAIN, open.wait()).await;
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit) {
    let permit = Arc::clone(permits).acquire_owned().await.expect("it is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, address, permit),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let peer = Peer { address, tls: tls.is_some() };
    match tls {
        None => requests(stream, peer, router, bounds, stop).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await {
                requests(stream, peer, router, bounds, stop).await;
            }
        }
    }
}

async fn requests<S>(stream: S, peer: Peer, router: Router, bounds: Bounds, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    // What a stranger's connection ends by is nobody's concern.
    tokio::select! {
        _ = &mut serving => return,
        () = stop.cancelled() => {}
        () = sleep(AGE) => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = timeout(DRAIN, serving).await;
}
