//! Calls.

use std::time::Duration;

use proto::identity::v1::{
    directory_service_client::DirectoryServiceClient, identity_service_client::IdentityServiceClient,
    support_service_client::SupportServiceClient,
};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

use crate::World;

/// The deadline of a call that sets none itself.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// A channel that adds who calls, and a deadline.
pub type Outgoing = InterceptedService<Channel, Credentials>;

/// One caller at one identity process. Clones share the connection.
#[derive(Clone)]
pub struct Client {
    /// What people do with their passwords.
    pub identity: IdentityServiceClient<Outgoing>,
    /// Organisations and users.
    pub directory: DirectoryServiceClient<Outgoing>,
    /// What became of a reset.
    pub support: SupportServiceClient<Outgoing>,
}

/// A bearer token, or none.
#[derive(Clone)]
pub struct Credentials {
    authorization: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        if !request.metadata().contains_key("grpc-timeout") {
            request.set_timeout(DEADLINE);
        }
        Ok(request)
    }
}

impl Client {
    /// A caller with this token on the channel.
    pub fn new(channel: Channel, token: Option<&str>) -> Self {
        let authorization = token.map(|token| {
            let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse().expect("a token is ASCII");
            value.set_sensitive(true);
            value
        });
        let outgoing = InterceptedService::new(channel, Credentials { authorization });
        Self {
            identity: IdentityServiceClient::new(outgoing.clone()),
            directory: DirectoryServiceClient::new(outgoing.clone()),
            support: SupportServiceClient::new(outgoing),
        }
    }
}

impl World {
    /// The web gateway at the first identity process.
    pub fn gateway(&self) -> Client {
        self.client("gateway", 0)
    }

    /// The CRM's services at the first identity process.
    pub fn crm(&self) -> Client {
        self.client("crm", 0)
    }

    /// The support desk at the first identity process.
    pub fn support(&self) -> Client {
        self.client("support", 0)
    }

    /// Somebody without a token.
    pub fn stranger(&self) -> Client {
        Client::new(self.channel(0), None)
    }

    /// A caller by name at the identity process of that index.
    ///
    /// # Panics
    /// When there is no such caller or process.
    pub fn client(&self, caller: &str, index: usize) -> Client {
        Client::new(self.channel(index), Some(self.token(caller)))
    }

    /// The bearer token of a caller.
    ///
    /// # Panics
    /// When there is no such caller.
    pub fn token(&self, caller: &str) -> &str {
        let callers = &self.sandi.plan().callers;
        let found = callers.iter().find(|it| it.name == caller);
        &found.unwrap_or_else(|| panic!("no caller is named {caller}")).token
    }
}
