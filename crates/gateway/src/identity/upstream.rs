//! The connection to the identity service.

use std::time::Duration;

use runtime::TraceContext;
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

/// Where the identity service is, and how we show who we are.
pub struct Upstream {
    endpoint: Endpoint,
    authorization: MetadataValue<Ascii>,
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
        Ok(Self { endpoint, authorization })
    }

    /// A channel that connects when it is first used, and again when it was lost.
    pub(super) fn connect(&self) -> Outgoing {
        let credentials = Credentials { authorization: self.authorization.clone() };
        InterceptedService::new(self.endpoint.connect_lazy(), credentials)
    }

    /// Who asks how the service is, by a connection of his own.
    pub fn health(&self) -> Health {
        Health(HealthClient::new(self.endpoint.connect_lazy()))
    }
}

/// Asks how the identity service is.
pub struct Health(HealthClient<Channel>);

impl Health {
    /// Asks once.
    ///
    /// # Errors
    /// That it does not serve, or does not answer within 2 s.
    pub async fn check(&mut self) -> Result<(), String> {
        let request = HealthCheckRequest { service: SERVICE.to_owned() };
        match tokio::time::timeout(CHECK, self.0.check(request)).await {
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
