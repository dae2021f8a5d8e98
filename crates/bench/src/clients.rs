//! Callers over the real API, several connections each.

use std::{
    net::SocketAddr,
    sync::Arc,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use proto::identity::v1::{
    directory_service_client::DirectoryServiceClient, identity_service_client::IdentityServiceClient,
    support_service_client::SupportServiceClient,
};
use testbed::sandi::callers::Caller;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

/// The deadline of every call.
const DEADLINE: Duration = Duration::from_secs(10);

/// A channel that adds who calls, and a deadline.
type Outgoing = InterceptedService<Channel, Credentials>;

/// A bearer token.
#[derive(Clone)]
pub struct Credentials(MetadataValue<Ascii>);

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        request.set_timeout(DEADLINE);
        Ok(request)
    }
}

/// One caller's services on one connection.
#[derive(Clone)]
pub struct Client {
    /// What people do with their passwords.
    pub identity: IdentityServiceClient<Outgoing>,
    /// Organisations and users.
    pub directory: DirectoryServiceClient<Outgoing>,
    /// What became of a reset.
    pub support: SupportServiceClient<Outgoing>,
}

/// The usual callers. Clones share the connections.
#[derive(Clone)]
pub struct Clients(Arc<Inner>);

struct Inner {
    channels: Vec<Channel>,
    callers: Vec<Caller>,
    next: AtomicUsize,
}

impl Clients {
    /// Makes so many connections to each of the processes.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn connect(addresses: &[SocketAddr], callers: &[Caller], connections: usize) -> Result<Self> {
        let mut channels = Vec::new();
        for _ in 0..connections {
            for address in addresses {
                let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
                channels.push(endpoint.connect().await.context("the identity service does not answer")?);
            }
        }
        Ok(Self(Arc::new(Inner { channels, callers: callers.to_vec(), next: AtomicUsize::new(0) })))
    }

    /// The web gateway, on the connection whose turn it is.
    pub fn gateway(&self) -> Client {
        self.client("gateway")
    }

    /// The CRM's services.
    pub fn crm(&self) -> Client {
        self.client("crm")
    }

    /// The support desk.
    pub fn support(&self) -> Client {
        self.client("support")
    }

    fn client(&self, name: &str) -> Client {
        let Inner { channels, callers, next } = &*self.0;
        let channel = channels[next.fetch_add(1, Ordering::Relaxed) % channels.len()].clone();
        let caller = callers.iter().find(|caller| caller.name == name).expect("the usual callers are there");
        let token = format!("Bearer {}", caller.token).parse().expect("a token is ASCII");
        let outgoing = InterceptedService::new(channel, Credentials(token));
        Client {
            identity: IdentityServiceClient::new(outgoing.clone()),
            directory: DirectoryServiceClient::new(outgoing.clone()),
            support: SupportServiceClient::new(outgoing),
        }
    }
}
