//! The connection to the identity service.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runtime::{Reloaded, TraceContext};
use secrecy::{ExposeSecret as _, SecretString};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity as Pair};
use tonic::{Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long the service may take to say how it is.
const CHECK: Duration = Duration::from_secs(2);
/// An idle connection is asked whether it lives, so that a dead one is not found by a person.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Who is asked for.
const SERVICE: &str = "sandi.identity.v1.IdentityService";

/// Connections for calls, which take turns: each looks the name up by itself, so that one gateway's calls come to several
/// replicas of the identity service.
const CONNECTIONS: usize = 4;

/// The way to the identity service. It connects when it is first used, and again when it was lost.
pub struct Upstream {
    calls: [Outgoing; CONNECTIONS],
    turn: AtomicUsize,
    /// A connection of its own, so that it is not in the way of people's calls.
    health: Channel,
}

/// A channel that adds who calls, and the trace.
pub(super) type Outgoing = InterceptedService<Channel, Credentials>;

/// What stands in the metadata of every call.
#[derive(Clone)]
pub struct Credentials {
    authorization: MetadataValue<Ascii>,
}

impl Upstream {
    /// Reads URL, certificates (PEM) and token.
    ///
    /// # Errors
    /// What cannot be used; never the token itself.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(
        url: &str,
        ca: Option<Vec<u8>>,
        own: Option<(Vec<u8>, Vec<u8>)>,
        token: SecretString,
    ) -> Result<Self, String> {
        let mut endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(|_| "not the URL of a gRPC service")?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_while_idle(true)
            .keep_alive_timeout(CHECK)
            .tcp_nodelay(true)
            .user_agent(concat!("sandi-gateway/", env!("CARGO_PKG_VERSION")))
            .map_err(|_| "no user agent")?;
        if url.starts_with("https:") {
            let mut tls = match ca {
                Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
                None => ClientTlsConfig::new().with_webpki_roots(),
            };
            if let Some((certificate, key)) = own {
                tls = tls.identity(Pair::from_pem(certificate, key));
            }
            endpoint = endpoint.tls_config(tls).map_err(|_| "the certificates cannot be used")?;
        }
        let mut authorization: MetadataValue<Ascii> =
            format!("Bearer {}", token.expose_secret()).parse().map_err(|_| "the token is not ASCII")?;
        authorization.set_sensitive(true);
        let credentials = Credentials { authorization };
        let calls = [(); CONNECTIONS].map(|()| InterceptedService::new(endpoint.connect_lazy(), credentials.clone()));
        Ok(Self { calls, turn: AtomicUsize::new(0), health: endpoint.connect_lazy() })
    }

    /// For the next call.
    pub(super) fn calls(&self) -> Outgoing {
        self.calls[self.turn.fetch_add(1, Ordering::Relaxed) % CONNECTIONS].clone()
    }
}

/// Asks how the identity service is.
pub struct Health(Arc<Reloaded<Upstream>>);

impl Health {
    /// Asks on this way.
    pub fn new(upstream: Arc<Reloaded<Upstream>>) -> Self {
        Self(upstream)
    }

    /// Asks once.
    ///
    /// # Errors
    /// That it does not serve, or does not answer within 2 s.
    pub async fn check(&self) -> Result<(), String> {
        let request = HealthCheckRequest { service: SERVICE.to_owned() };
        let mut client = HealthClient::new(self.0.current().health.clone());
        match tokio::time::timeout(CHECK, client.check(request)).await {
            Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving => Ok(()),
            Ok(Ok(_)) => Err("does not serve".to_owned()),
            Ok(Err(status)) => Err(format!("does not answer: {:?}", status.code())),
            Err(_) => Err("does not answer in time".to_owned()),
        }
    }
}

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert("authorization", self.authorization.clone());
        let trace = TraceContext::current();
        for (name, value) in [("traceparent", trace.traceparent), ("tracestate", trace.tracestate)] {
            if let Some(value) = value.and_then(|value| value.parse().ok()) {
                metadata.insert(name, value);
            }
        }
        Ok(request)
    }
}
