//! One connection, from its first byte to its end, within bounds.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use runtime::places::Place;
use runtime::reload::Reloaded;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::{Service as TowerService, ServiceExt as _};

use super::frames::Frames;
use super::peer::Peer;
use super::standing::Standing;

/// Largest headers.
const HEADERS_MAX: u32 = 16 * 1024;
/// Most calls at one time on one connection.
const STREAMS_MAX: u32 = 100;
/// What may come of one call before it is read: twice the largest request.
const STREAM_WINDOW: u32 = 128 * 1024;
/// What may come of all calls of a connection before it is read.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The first call has to come by then, counted from the connection's first moment.
const FIRST_CALL: Duration = Duration::from_secs(8);
/// How long no call may come where no known caller has called. Who checks health comes sooner: every 30 s at most.
const IDLE: Duration = Duration::from_secs(45);
/// Connections are ended after this, so that load spreads and certificates change.
const AGE: Duration = Duration::from_secs(30 * 60);
/// What old connections differ by, so that they do not all end and come again at once.
const AGE_STEP: Duration = Duration::from_secs(3);
const AGE_STEPS: u64 = 60;
/// How long calls under way may take on a connection that ends. No call takes longer.
const GRACE: Duration = Duration::from_secs(30);
/// How long the last answers may take to strangers.
const LEAVE: Duration = Duration::from_secs(1);
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(10);

/// What all connections share.
pub struct Door<S> {
    tls: Option<Arc<Reloaded<TlsAcceptor>>>,
    http: http2::Builder<TokioExecutor>,
    service: S,
}

impl<S> Door<S>
where
    S: TowerService<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    /// A door to that service; without certificates it speaks plain text.
    pub fn new(tls: Option<Arc<Reloaded<TlsAcceptor>>>, service: S) -> Self {
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_header_list_size(HEADERS_MAX)
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_ANSWER);
        Self { tls, http, service }
    }

    /// Serves a connection to its end: the peer's, its age's, `stop`'s, or until its place is needed.
    pub async fn serve(self: Arc<Self>, stream: TcpStream, place: Place, stop: CancellationToken) {
        let begun = Instant::now();
        let served = async {
            let Some(tls) = &self.tls else {
                return self.speak(stream, Peer::default(), &place, begun, &stop).await;
            };
            match timeout(HANDSHAKE, tls.current().accept(stream)).await {
                Ok(Ok(stream)) => {
                    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                    let peer = certificate.map(|certificate| Peer::of(certificate)).unwrap_or_default();
                    self.speak(stream, peer, &place, begun, &stop).await;
                }
                Ok(Err(error)) => tracing::debug!(error = &error as &dyn std::error::Error, "no TLS"),
                Err(_) => tracing::debug!("no TLS in time"),
            }
        };
        tokio::select! {
            () = served => {}
            () = place.dismissed() => tracing::debug!("a connection made room"),
        }
    }

    async fn speak<T>(&self, stream: T, peer: Peer, place: &Place, begun: Instant, stop: &CancellationToken)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let standing = Standing::new(place.hold.clone());
        let answer = service_fn(|request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            let call = standing.called();
            request.extensions_mut().insert(standing.clone());
            request.extensions_mut().insert(peer.clone());
            let answered = self.service.clone().oneshot(request);
            async move { answered.await.map(|response| call.until_sent(response)) }
        });
        let connection = self.http.serve_connection(TokioIo::new(Frames::new(stream)), answer);
        let mut connection = std::pin::pin!(connection);
        let silent = async {
            sleep_until(begun + FIRST_CALL).await;
            if standing.has_called() {
                std::future::pending().await
            }
        };
        let grace = tokio::select! {
            ended = &mut connection => return log(ended),
            () = silent => return tracing::debug!("a connection without a call was closed"),
            () = standing.idle(IDLE) => LEAVE,
            // Behind a proxy known callers and others may share a connection.
            () = standing.estranged() => if standing.is_known() { GRACE } else { LEAVE },
            () = stop.cancelled() => GRACE,
            () = sleep(AGE - AGE_STEP * u32::try_from(place.number % AGE_STEPS).unwrap_or_default()) => GRACE,
        };
        connection.as_mut().graceful_shutdown();
        match timeout(grace, connection).await {
            Ok(ended) => log(ended),
            Err(_) => tracing::debug!("a connection was closed that did not end in time"),
        }
    }
}

fn log(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
    }
}
