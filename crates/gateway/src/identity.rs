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
use runtime::{Clock, Random};

use actor::Actors;
use policy::Policies;
use upstream::Outgoing;

/// The identity service. Clones share the connection.
#[derive(Clone)]
pub struct Identity {
    passwords: IdentityServiceClient<Outgoing>,
    directory: DirectoryServiceClient<Outgoing>,
    support: SupportServiceClient<Outgoing>,
    policies: Arc<Policies>,
    actors: Arc<Actors>,
    random: Arc<dyn Random>,
}

impl Identity {
    /// A client that connects at the first call.
    pub fn new(upstream: &Upstream, signer: Option<Signer>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        let outgoing = upstream.connect();
        Self {
            passwords: IdentityServiceClient::new(outgoing.clone()),
            directory: DirectoryServiceClient::new(outgoing.clone()),
            support: SupportServiceClient::new(outgoing),
            policies: Arc::new(Policies::shipped()),
            actors: Arc::new(Actors::new(signer, clock)),
            random,
        }
    }
}
