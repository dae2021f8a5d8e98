//! Resets, their mails, and waiting for both.

use std::{sync::Arc, time::Duration};

use proto::identity::v1::{
    CompleteResetRequest, CompleteResetResponse, DeliveryState, GetResetRequest, RequestResetRequest, Reset,
    VerifyPasswordRequest, VerifyPasswordResponse, get_reset_request::Key, request_reset_request::Identifier,
};
use tonic::{Code, Response, Status};

use crate::{Mail, World, people::requester};

/// How long anything that must happen may take.
pub const BOUND: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(25);

impl World {
    /// Asks for a reset by username, and gives the request's id.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn request_reset(&self, username: &str) -> String {
        self.request_reset_by(Identifier::Username(username.to_owned())).await
    }

    /// Asks for a reset by username or address, and gives the request's id.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn request_reset_by(&self, identifier: Identifier) -> String {
        let request = RequestResetRequest {
            identifier: Some(identifier),
            requester: requester("203.0.113.7", "id"),
            ..Default::default()
        };
        self.gateway().identity.request_reset(request).await.expect("it is accepted").into_inner().request_id
    }

    /// Sets a password with a link's token.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn complete_reset(&self, token: &str, password: &str) -> Result<Response<CompleteResetResponse>, Status> {
        self.learn(password);
        let request = CompleteResetRequest {
            token: token.to_owned(),
            new_password: password.to_owned(),
            confirm_password: Some(password.to_owned()),
            requester: requester("203.0.113.7", "id"),
            ..Default::default()
        };
        self.gateway().identity.complete_reset(request).await
    }

    /// Logs in.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn log_in(&self, username: &str, password: &str) -> Result<Response<VerifyPasswordResponse>, Status> {
        self.learn(password);
        let request = VerifyPasswordRequest {
            username: username.to_owned(),
            password: password.to_owned(),
            requester: requester("203.0.113.7", "id"),
        };
        self.gateway().identity.verify_password(request).await
    }

    /// The resets that a request led to; none while it is not issued yet.
    ///
    /// # Panics
    /// When the call fails otherwise.
    pub async fn resets_of(&self, request_id: &str) -> Vec<Reset> {
        self.get_reset(Key::RequestId(request_id.to_owned())).await
    }

    async fn get_reset(&self, key: Key) -> Vec<Reset> {
        let request = GetResetRequest { key: Some(key), ..Default::default() };
        match self.support().support.get_reset(request).await {
            Ok(response) => response.into_inner().resets,
            // Right after the database was away a session of the pool may still be a dead one; callers try again.
            Err(status) if matches!(status.code(), Code::NotFound | Code::Unavailable) => Vec::new(),
            Err(status) => panic!("{status:?}"),
        }
    }

    /// Waits until the first reset of a request is in this state.
    ///
    /// # Panics
    /// When it is not within 20 s; with the state it is in.
    pub async fn reset_in(&self, request_id: &str, state: DeliveryState) -> Reset {
        self.wait_for_reset(Key::RequestId(request_id.to_owned()), state).await
    }

    /// As [`World::reset_in`], for an admin's reset or an invitation.
    ///
    /// # Panics
    /// As [`World::reset_in`].
    pub async fn reset_by_id_in(&self, reset_id: &str, state: DeliveryState) -> Reset {
        self.wait_for_reset(Key::ResetId(reset_id.to_owned()), state).await
    }

    async fn wait_for_reset(&self, key: Key, state: DeliveryState) -> Reset {
        let end = tokio::time::Instant::now() + BOUND;
        loop {
            let reset = self.get_reset(key.clone()).await.into_iter().next();
            if let Some(reset) = &reset
                && reset.delivery_state() == state
            {
                return reset.clone();
            }
            assert!(tokio::time::Instant::now() < end, "not {state:?} within {} s: {reset:?}", BOUND.as_secs());
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits for the first mail to an address.
    ///
    /// # Panics
    /// When there is none within 20 s.
    pub async fn mail_to(&self, address: &str) -> Arc<Mail> {
        self.mails_to(address, 1).await.remove(0)
    }

    /// Waits for at least so many mails to an address, and gives all of them, oldest first.
    ///
    /// # Panics
    /// When there are fewer after 20 s.
    pub async fn mails_to(&self, address: &str, count: usize) -> Vec<Arc<Mail>> {
        let to_address = |mails: &[Arc<Mail>]| {
            let mails = mails.iter().filter(|mail| mail.to.iter().any(|to| to == address));
            let mails: Vec<_> = mails.cloned().collect();
            (mails.len() >= count).then_some(mails)
        };
        let waited = self.sink().wait_for(BOUND, to_address).await;
        waited.unwrap_or_else(|error| panic!("{count} mails to {address}: {error:#}"))
    }

    /// The token of the link in the first mail to an address.
    ///
    /// # Panics
    /// When there is no mail within 20 s, or it has no link.
    pub async fn token_to(&self, address: &str) -> String {
        self.mail_to(address).await.tokens().into_iter().next().expect("the mail has a link")
    }
}
