//! What every request passes before and after its page: whence it comes and how fast, its body, one span, one metric
//! and one log line, and the headers of the answer.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt as _;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use runtime::TraceContext;
use runtime::buckets::Buckets;
use runtime::network::network;
use runtime::trace::failed;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::body::{self, Unread};
use super::{Allowance, Bounds, Peer, Proxies, Via, headers};

/// Heads of requests are smaller.
const HEAD_BYTES: usize = 16 * 1024;
/// How often full buckets are forgotten. A /48 of IPv6 has 65,536 of them.
const FORGET: Duration = Duration::from_secs(5);

/// Makes the page of a request that never reaches its own.
pub type Refuse = Box<dyn Fn(&http::request::Parts, StatusCode) -> Response + Send + Sync>;

/// What the edge works with.
pub struct Edge {
    proxies: Proxies,
    bounds: Bounds,
    addresses: Arc<Buckets<IpAddr>>,
    /// What paths begin with that do not count.
    free: String,
    refuse: Refuse,
    duration: Histogram<f64>,
}

impl Edge {
    /// An edge with these bounds. Paths that begin with `free` are asked for as often as anybody likes.
    pub fn new(proxies: Proxies, bounds: Bounds, free: String, refuse: Refuse) -> Arc<Self> {
        let addresses = Arc::new(Buckets::new(bounds.burst, bounds.per_second, Duration::from_secs(1)));
        let duration = opentelemetry::global::meter("sandi")
            .f64_histogram("http.server.request.duration")
            .with_unit("s")
            .with_description("Duration of requests, by method, route and status.")
            .build();
        Arc::new(Self { proxies, bounds, addresses, free, refuse, duration })
    }

    /// Forgets addresses that have long asked nothing.
    pub async fn forget(self: Arc<Self>) {
        loop {
            tokio::time::sleep(FORGET).await;
            self.addresses.forget();
        }
    }

    /// One request of an address. The identity service cannot tell people apart in most of our calls, and so one of them
    /// could use up what it has for all. What the page asks beyond its first call it pays for itself ([`Allowance`]).
    fn take(&self, ip: IpAddr, path: &str) -> Result<(), Duration> {
        if path.starts_with(&self.free) { Ok(()) } else { self.addresses.take(&network(ip)) }
    }
}

/// The middleware.
pub async fn edge(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let peer = *request.extensions().get::<Peer>().expect("every connection has one");
    let via = edge.proxies.via(peer, request.headers());
    request.extensions_mut().insert(via);
    request.extensions_mut().insert(Allowance::new(&edge.addresses, via.ip));
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = Some(&*route).filter(|route| *route != "none"),
        http.response.status_code = Empty,
        error.type = Empty,
    );
    parent(via, request.headers()).set_as_parent_of(&span);
    async move {
        let mut response = answer(&edge, via, request, next).await;
        let status = response.status().as_u16();
        let span = Span::current();
        span.record("http.response.status_code", status);
        if response.status().is_server_error() {
            failed(&span, response.status().as_str());
        }
        let duration = start.elapsed();
        let attributes = [
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route.clone()),
            KeyValue::new("http.response.status_code", i64::from(status)),
        ];
        edge.duration.record(duration.as_secs_f64(), &attributes);
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(method, route, status, duration_ms, "request");
        headers::add(response.headers_mut(), via.https);
        response
    }
    .instrument(span)
    .await
}

/// A trace is continued for our own proxies; a stranger's would let him choose what is recorded.
fn parent(via: Via, headers: &HeaderMap) -> TraceContext {
    let header = |name: &str| headers.get(name).filter(|_| via.trusted)?.to_str().ok();
    TraceContext::from_headers(header("traceparent"), header("tracestate"))
}

/// Methods are the browser's to make up; metrics and spans know these.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        _ => "_OTHER",
    }
}

async fn answer(edge: &Edge, via: Via, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if let Err(wait) = edge.take(via.ip, parts.uri.path()) {
        // A connection with a body that nobody has read would end, and the browser might never see why.
        let _ = body::read(body, edge.bounds.body).await;
        let mut page = (edge.refuse)(&parts, StatusCode::TOO_MANY_REQUESTS);
        page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        return page;
    }
    if head_bytes(&parts) > HEAD_BYTES {
        return (edge.refuse)(&parts, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let body = match body::read(body, edge.bounds.body).await {
        Ok(body) => body,
        Err(unread) => return (edge.refuse)(&parts, status(unread)),
    };
    let kept = parts.clone();
    let page = AssertUnwindSafe(next.run(Request::from_parts(parts, Body::from(body)))).catch_unwind().await;
    match page {
        Ok(page) if is_bare(&page) => dress(edge, &kept, &page),
        Ok(page) => page,
        Err(_) => (edge.refuse)(&kept, StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn head_bytes(parts: &http::request::Parts) -> usize {
    let headers: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    headers + parts.uri.path().len() + parts.uri.query().map_or(0, str::len)
}

/// An error that is no page of ours, such as the router's own words about a path that cannot be read.
fn is_bare(response: &Response) -> bool {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    (status.is_client_error() || status.is_server_error()) && !kind.starts_with("text/html")
}

/// The page of the same status.
fn dress(edge: &Edge, parts: &http::request::Parts, bare: &Response) -> Response {
    let mut page = (edge.refuse)(parts, bare.status());
    if let Some(allowed) = bare.headers().get(ALLOW) {
        page.headers_mut().insert(ALLOW, allowed.clone());
    }
    page
}

fn status(unread: Unread) -> StatusCode {
    match unread {
        Unread::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Unread::TooSlow => StatusCode::REQUEST_TIMEOUT,
        Unread::Broken => StatusCode::BAD_REQUEST,
    }
}
