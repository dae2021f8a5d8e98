//! What every call passes before and after its method: who calls, may it, how fast, how long; one
//! span, one metric and one log line; and a reason on every status, also on those tonic makes itself.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use http::{HeaderMap, HeaderValue, Request, Response};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use proto::code_name;
use runtime::reload::Reloaded;
use runtime::trace::TraceContext;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::Service as TowerService;
use tracing::Instrument as _;

use super::callers::Callers;
use super::limits::Limits;
use super::peer::Peer;
use super::standing::{Standing, keep_until_sent};
use super::{run, status};
use crate::domain::locale::Locale;
use crate::domain::messages::Reason;
use crate::hasher::Patience;
use crate::ops::Call;
use crate::ops::call::{Caller, Requester};
use crate::ops::rules::{self, Rule};
use crate::service::Service;

/// No call takes longer, whatever deadline it brings.
pub const DEADLINE_CAP: Duration = Duration::from_secs(10);
/// Nothing can be done in less.
const BOUND_LEAST: Duration = Duration::from_millis(1);
const REQUEST_ID: &str = "x-request-id";
/// Longest request id that is echoed.
const REQUEST_ID_MAX: usize = 128;
const OPEN: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection."];
/// When to come again who has too many of these under way.
const OPEN_AGAIN: Duration = Duration::from_secs(1);

/// What the edge knows of a call; the adapters read it from the request's extensions.
#[derive(Clone)]
pub struct Admitted {
    /// Name of the RPC.
    pub rpc: &'static str,
    /// Who calls.
    pub caller: Caller,
    /// How long it waits.
    pub patience: Patience,
    /// The trace it belongs to.
    pub trace: TraceContext,
}

/// The layer.
#[derive(Clone)]
pub struct EdgeLayer(Arc<Edge>);

/// A call that is not admitted.
struct Refused {
    status: Status,
    /// Of whom the audit tells: a caller we know, who may not; and how long the caller waits.
    denied: Option<(Caller, &'static Rule, Duration)>,
}

struct Edge {
    service: Arc<Service>,
    callers: Arc<Reloaded<Callers>>,
    limits: Arc<Limits>,
    duration: Histogram<f64>,
}

impl EdgeLayer {
    /// A layer for these callers and limits.
    pub fn new(service: Arc<Service>, callers: Arc<Reloaded<Callers>>, limits: Arc<Limits>) -> Self {
        let duration = opentelemetry::global::meter("sandi")
            .f64_histogram("rpc.server.call.duration")
            .with_unit("s")
            .with_description("Duration of calls, by method, status code and reason.")
            .with_boundaries(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
            .build();
        Self(Arc::new(Edge { service, callers, limits, duration }))
    }
}

impl<S> tower::Layer<S> for EdgeLayer {
    type Service = EdgeService<S>;

    fn layer(&self, inner: S) -> EdgeService<S> {
        EdgeService { edge: Arc::clone(&self.0), inner }
    }
}

/// The layer around the methods.
#[derive(Clone)]
pub struct EdgeService<S> {
    edge: Arc<Edge>,
    inner: S,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S> TowerService<Request<Body>> for EdgeService<S>
where
    S: TowerService<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        // The clone that is ready goes; its successor has to become ready anew.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        let edge = Arc::clone(&self.edge);
        Box::pin(async move { Ok(edge.pass(request, inner).await) })
    }
}

impl Edge {
    async fn pass<S>(&self, request: Request<Body>, inner: S) -> Response<Body>
    where
        S: TowerService<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let request_id = echoed(request.headers());
        let mut response = if OPEN.iter().any(|open| request.uri().path().starts_with(open)) {
            open(request, inner).await
        } else {
            self.measured(request, inner).await
        };
        if let Some(request_id) = request_id {
            response.headers_mut().insert(REQUEST_ID, request_id);
        }
        response
    }

    async fn measured<S>(&self, request: Request<Body>, inner: S) -> Response<Body>
    where
        S: TowerService<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let begun = Instant::now();
        let caller = self.known(&request);
        let is_known = caller.is_some();
        let standing = request.extensions().get::<Standing>();
        if !is_known && !standing.is_none_or(Standing::stranger) {
            // The connection ends, and the call with it.
            return std::future::pending().await;
        }
        let rule = rules::by_path(request.uri().path());
        // Only names of our own become labels and span names.
        let method = rule.map_or("unknown", |rule| rule.path.trim_start_matches('/'));
        let span = tracing::info_span!(
            "rpc",
            otel.name = method,
            otel.kind = "server",
            otel.status_code = tracing::field::Empty,
            rpc.system.name = "grpc",
            rpc.method = method,
            rpc.response.status_code = tracing::field::Empty,
            error.type = tracing::field::Empty,
            reset.id = tracing::field::Empty,
            caller = tracing::field::Empty,
        );
        // A stranger would choose whose trace it looks like, and what is recorded.
        if is_known {
            trace_of(request.headers()).set_as_parent_of(&span);
        }
        let response = async {
            // Apart, because a body may not be borrowed over an await.
            let admitted = self.admit(caller, rule, &request);
            let response = match admitted {
                Err(Refused { status, denied }) => {
                    if let Some((caller, rule, bound)) = denied {
                        tracing::Span::current().record("caller", &*caller.name);
                        self.keep(caller, rule, bound).await;
                    }
                    status.into_http()
                }
                Ok(admitted) => {
                    tracing::Span::current().record("caller", &*admitted.caller.name);
                    let bound = admitted.patience.deadline.saturating_duration_since(Instant::now());
                    let mut request = request;
                    request.extensions_mut().insert(admitted);
                    in_time(bound, guarded(inner, request)).await
                }
            };
            let (code, reason) = outcome(&response);
            let took = begun.elapsed();
            let current = tracing::Span::current();
            current.record("rpc.response.status_code", code_name(code));
            if code != Code::Ok {
                current.record("error.type", reason);
            }
            if is_ours(code) {
                current.record("otel.status_code", "ERROR");
            }
            macro_rules! tell {
                ($level:ident) => {
                    tracing::$level!(
                        rpc.method = method,
                        rpc.response.status_code = code_name(code),
                        reason,
                        duration_ms = took.as_secs_f64() * 1000.0,
                        "call ended"
                    )
                };
            }
            // Strangers do not fill the log.
            if is_known {
                tell!(info)
            } else {
                tell!(debug)
            }
            self.duration.record(
                took.as_secs_f64(),
                &[
                    KeyValue::new("rpc.method", method),
                    KeyValue::new("rpc.response.status_code", code_name(code)),
                    KeyValue::new("error.type", reason),
                ],
            );
            response
        };
        response.instrument(span).await
    }

    /// Keeps in the audit that a caller asked for what it may not.
    async fn keep(&self, caller: Caller, rule: &'static Rule, bound: Duration) {
        let patience = Patience { deadline: Instant::now() + DEADLINE_CAP, gone: CancellationToken::new() };
        let call = Call::new(rule.rpc(), caller, Requester::default(), patience, TraceContext::current());
        call.note(|facts| facts.cause = rule.named().name());
        let service = Arc::clone(&self.service);
        let kept = async move { run::append(&service, call.audit_failure(&service, Reason::ScopeMissing)).await };
        // To its end, also when the caller goes away, who waits no longer than for a call that is admitted.
        let _ = tokio::time::timeout(bound, tokio::spawn(tracing::Instrument::in_current_span(kept))).await;
    }

    fn known(&self, request: &Request<Body>) -> Option<Caller> {
        let nobody = Peer::default();
        let peer = request.extensions().get().unwrap_or(&nobody);
        self.callers.current().authenticate(request.headers(), peer).cloned()
    }

    fn admit(
        &self,
        caller: Option<Caller>,
        rule: Option<&'static Rule>,
        request: &Request<Body>,
    ) -> Result<Admitted, Refused> {
        let headers = request.headers();
        let refuse = |reason, retry_after| {
            Err(Refused { status: status::plain(reason, Locale::default(), retry_after), denied: None })
        };
        // Who is not known learns nothing, not even which methods there are.
        let Some(caller) = caller else { return refuse(Reason::CallerUnknown, None) };
        if let Some(standing) = request.extensions().get::<Standing>() {
            standing.known();
        }
        if let Err(wait) = self.limits.caller(&caller.name) {
            return refuse(Reason::RateLimited, Some(wait));
        }
        let Some(rule) = rule else { return refuse(Reason::MethodUnknown, None) };
        let wanted = headers.get("grpc-timeout").and_then(|value| parse_timeout(value.to_str().ok()?));
        let bound = wanted.map_or(DEADLINE_CAP, |wanted| wanted.min(DEADLINE_CAP));
        if !rule.admits(&caller) {
            let status = status::scope_missing(rule.named(), Locale::default());
            return Err(Refused { status, denied: Some((caller, rule, bound)) });
        }
        if bound < BOUND_LEAST {
            return refuse(Reason::DeadlineExceeded, None);
        }
        Ok(Admitted {
            rpc: rule.rpc(),
            caller,
            patience: Patience { deadline: Instant::now() + bound, gone: CancellationToken::new() },
            trace: TraceContext::current(),
        })
    }
}

/// Answers a call that needs no token.
async fn open<S>(request: Request<Body>, inner: S) -> Response<Body>
where
    S: TowerService<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let open = request.extensions().get::<Standing>().map(Standing::open);
    if let Some(None) = open {
        return status::plain(Reason::RateLimited, Locale::default(), Some(OPEN_AGAIN)).into_http();
    }
    // Until the head of the answer: who watches health is told of it for as long as he likes.
    keep_until_sent(open, in_time(DEADLINE_CAP, guarded(inner, request)).await)
}

fn trace_of(headers: &HeaderMap) -> TraceContext {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    TraceContext::from_headers(text("traceparent"), text("tracestate"))
}

async fn in_time(bound: Duration, call: impl Future<Output = Response<Body>>) -> Response<Body> {
    match tokio::time::timeout(bound, call).await {
        Ok(response) => reasoned(response),
        Err(_) => status::plain(Reason::DeadlineExceeded, Locale::default(), None).into_http(),
    }
}

/// A panic is one failed call.
async fn guarded<S>(mut inner: S, request: Request<Body>) -> Response<Body>
where
    S: TowerService<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    match AssertUnwindSafe(inner.call(request)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Err(_) => {
            tracing::error!("a method panicked");
            status::plain(Reason::Internal, Locale::default(), None).into_http()
        }
    }
}

/// Gives a status of tonic's own making a reason.
fn reasoned(response: Response<Body>) -> Response<Body> {
    let Some(made) = Status::from_header_map(response.headers()) else { return response };
    if made.code() == Code::Ok || made.get_error_details().error_info().is_some() {
        return response;
    }
    if is_broken_body(&made) {
        return status::undecodable_body(Locale::default()).into_http();
    }
    if made.code() == Code::NotFound {
        // Health's own word for a service that is not here.
        return status::no_such_service().into_http();
    }
    let reason = match made.code() {
        Code::Unimplemented => Reason::MethodUnknown,
        // A message past the limit.
        Code::OutOfRange | Code::ResourceExhausted => Reason::MessageTooLarge,
        Code::Cancelled | Code::DeadlineExceeded => Reason::DeadlineExceeded,
        _ => Reason::Internal,
    };
    if reason == Reason::Internal {
        tracing::error!(code = ?made.code(), message = made.message(), "a status without a reason");
    }
    status::plain(reason, Locale::default(), None).into_http()
}

/// Whether tonic refused what no message could be read from: frames that are missing, cut off, or compressed.
/// It answers INTERNAL or UNIMPLEMENTED then, and tells them apart from other faults by words only.
fn is_broken_body(made: &Status) -> bool {
    const WORDS: [&str; 3] = ["compress", "Unexpected EOF", "Missing request message"];
    matches!(made.code(), Code::InvalidArgument | Code::DataLoss)
        || matches!(made.code(), Code::Internal | Code::Unimplemented)
            && WORDS.iter().any(|words| made.message().contains(words))
}

fn outcome(response: &Response<Body>) -> (Code, &'static str) {
    let Some(status) = Status::from_header_map(response.headers()) else { return (Code::Ok, "") };
    let info = status.get_error_details();
    let named = info.error_info().map(|info| info.reason.as_str()).unwrap_or_default();
    let reason = Reason::ALL.iter().map(|reason| reason.as_str()).find(|reason| *reason == named);
    (status.code(), reason.unwrap_or_default())
}

/// Whether a server's span is an error (OpenTelemetry's conventions for gRPC): not where the caller is to blame.
fn is_ours(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// The caller's request id, if it is fit to be repeated.
fn echoed(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(REQUEST_ID)?;
    let plain = value.len() <= REQUEST_ID_MAX && value.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte));
    plain.then(|| value.clone())
}

/// `grpc-timeout`: at most 8 digits and a unit (gRPC over HTTP/2).
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(parse_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse_timeout("1H"), Some(Duration::from_secs(3600)));
        for bad in ["", "m", "1", "123456789m", "-1m", "1x", "1 m"] {
            assert_eq!(parse_timeout(bad), None, "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_one_failed_call() {
        async fn mistaken(_: Request<Body>) -> Result<Response<Body>, Infallible> {
            panic!("a mistake of ours")
        }
        let response = guarded(tower::service_fn(mistaken), Request::new(Body::default())).await;
        let status = Status::from_header_map(response.headers()).expect("it is answered");
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(status.get_error_details().error_info().map(|it| it.reason.as_str()), Some("INTERNAL"));
        assert!(!status.message().contains("mistake"), "{}", status.message());
    }

    #[test]
    fn a_request_id_is_echoed_only_if_it_is_plain() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_static("abc-1"));
        assert!(echoed(&headers).is_some());
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(&[b'a'; 129]).expect("a value"));
        assert!(echoed(&headers).is_none());
    }
}
