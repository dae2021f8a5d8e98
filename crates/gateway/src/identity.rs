//! The gRPC client: one function a call, deadlines and retries as `deploy/grpc/service-config.json` says, the trace
//! handed on, and refusals that pages can speak of.

mod actor;
mod calls;
mod policy;
mod refusal;
mod upstream;

pub use actor::Signer;
pub use calls::{Identifier, Requester};
pub use refusal::{Refusal, Violation};
pub use upstream::{Health, Upstream};

use std::sync::Arc;

use proto::identity::v1::directory_service_client::DirectoryServiceClient;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::support_service_client::SupportServiceClient;
use runtime::{Clock, Random, Reloaded};

use crate::server::Allowance;
use actor::Actors;
use policy::Policies;
use upstream::Outgoing;

/// The identity service. Clones share the connection. Token and certificates are those of the present files.
#[derive(Clone)]
pub struct Identity {
    upstream: Arc<Reloaded<Upstream>>,
    policies: Arc<Policies>,
    actors: Arc<Actors>,
    random: Arc<dyn Random>,
    /// What pays for calls; none: they are free.
    allowance: Option<Allowance>,
}

impl Identity {
    /// A client that connects at the first call.
    pub fn new(
        upstream: Arc<Reloaded<Upstream>>,
        signer: Option<Arc<Reloaded<Signer>>>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let actors = Arc::new(Actors::new(signer, clock));
        Self { upstream, policies: Arc::new(Policies::shipped()), actors, random, allowance: None }
    }

    /// The same service for one request, which pays for every call.
    pub fn within(&self, allowance: Option<Allowance>) -> Self {
        Self { allowance, ..self.clone() }
    }

    fn passwords(&self) -> IdentityServiceClient<Outgoing> {
        IdentityServiceClient::new(self.upstream.current().calls())
    }

    fn directory(&self) -> DirectoryServiceClient<Outgoing> {
        DirectoryServiceClient::new(self.upstream.current().calls())
    }

    fn support(&self) -> SupportServiceClient<Outgoing> {
        SupportServiceClient::new(self.upstream.current().calls())
    }
}
