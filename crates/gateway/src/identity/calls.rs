//! One function a call.

use std::time::{Duration, Instant};

use backon::Retryable as _;
use proto::identity::v1::{
    AdminResetRequest, AdminResetResponse, ChangePasswordRequest, CheckResetRequest, CheckResetResponse,
    CompleteResetRequest, CompleteResetResponse, ErrorReason, GetOrganizationRequest, GetResetRequest, GetUserRequest,
    ListResetsRequest, ListUsersRequest, ListUsersResponse, Organization, RequestResetRequest, Reset, User,
    VerifyPasswordRequest, get_organization_request, get_reset_request, get_user_request,
};
use runtime::trace::failed;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::{Code, Request, Response, Status};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::{Identity, Refusal};

pub use proto::identity::v1::Requester;
pub use proto::identity::v1::request_reset_request::Identifier;

const IDENTITY: &str = "IdentityService";
const DIRECTORY: &str = "DirectoryService";
const SUPPORT: &str = "SupportService";

/// Every call that is made here.
#[cfg(test)]
pub(super) const METHODS: [(&str, &str); 11] = [
    (IDENTITY, "RequestReset"),
    (IDENTITY, "CheckReset"),
    (IDENTITY, "CompleteReset"),
    (IDENTITY, "ChangePassword"),
    (IDENTITY, "AdminReset"),
    (IDENTITY, "VerifyPassword"),
    (DIRECTORY, "GetUser"),
    (DIRECTORY, "GetOrganization"),
    (DIRECTORY, "ListUsers"),
    (SUPPORT, "ListResets"),
    (SUPPORT, "GetReset"),
];

impl Identity {
    /// Asks for a link. The same work and answer for every name; `act` is the form's one-time key.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn request_reset(
        &self,
        identifier: Identifier,
        requester: Requester,
        act: String,
    ) -> Result<(), Refusal> {
        let request = |idempotency_key| RequestResetRequest {
            identifier: Some(identifier.clone()),
            requester: Some(requester.clone()),
            idempotency_key,
        };
        let send = |request| {
            let mut client = self.passwords();
            async move { client.request_reset(request).await }
        };
        self.act(IDENTITY, "RequestReset", act, request, send).await.map(drop)
    }

    /// Looks at a link without using it up.
    ///
    /// # Errors
    /// When it is over, or the call is refused.
    pub async fn check_reset(&self, token: &SecretString) -> Result<CheckResetResponse, Refusal> {
        let request = CheckResetRequest { token: token.expose_secret().to_owned() };
        let send = |request| {
            let mut client = self.passwords();
            async move { client.check_reset(request).await }
        };
        self.call(IDENTITY, "CheckReset", request, send).await
    }

    /// Sets a new password by a link.
    ///
    /// # Errors
    /// When it is refused; the link is used up by a success only.
    pub async fn complete_reset(
        &self,
        token: &SecretString,
        new: &SecretString,
        confirm: &SecretString,
        requester: Requester,
        act: String,
    ) -> Result<CompleteResetResponse, Refusal> {
        let request = |idempotency_key| CompleteResetRequest {
            token: token.expose_secret().to_owned(),
            new_password: new.expose_secret().to_owned(),
            confirm_password: Some(confirm.expose_secret().to_owned()),
            requester: Some(requester.clone()),
            idempotency_key,
        };
        let send = |request| {
            let mut client = self.passwords();
            async move { client.complete_reset(request).await }
        };
        self.act(IDENTITY, "CompleteReset", act, request, send).await
    }

    /// Changes a password by the current one, and gives the new credential version.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn change_password(
        &self,
        user_id: &str,
        passwords: [&SecretString; 3],
        requester: Requester,
        act: String,
    ) -> Result<i64, Refusal> {
        let [current, new, confirm] = passwords;
        let request = |idempotency_key| ChangePasswordRequest {
            user_id: user_id.to_owned(),
            current_password: current.expose_secret().to_owned(),
            new_password: new.expose_secret().to_owned(),
            confirm_password: Some(confirm.expose_secret().to_owned()),
            requester: Some(requester.clone()),
            idempotency_key,
        };
        let send = |request| {
            let mut client = self.passwords();
            async move { client.change_password(request).await }
        };
        let changed = self.act(IDENTITY, "ChangePassword", act, request, send).await?;
        Ok(changed.credential_version)
    }

    /// Checks a password.
    ///
    /// # Errors
    /// When it is wrong, or the call is refused.
    pub async fn verify_password(
        &self,
        username: &str,
        password: &SecretString,
        requester: Requester,
    ) -> Result<User, Refusal> {
        let request = VerifyPasswordRequest {
            username: username.to_owned(),
            password: password.expose_secret().to_owned(),
            requester: Some(requester),
        };
        let send = |request| {
            let mut client = self.passwords();
            async move { client.verify_password(request).await }
        };
        present(self.call(IDENTITY, "VerifyPassword", request, send).await?.user)
    }

    /// Reads a user, of any organisation: look at `organization_id` before showing it.
    ///
    /// # Errors
    /// When there is none, or the call is refused.
    pub async fn get_user(&self, user_id: &str) -> Result<User, Refusal> {
        let request = GetUserRequest { key: Some(get_user_request::Key::UserId(user_id.to_owned())) };
        let send = |request| {
            let mut client = self.directory();
            async move { client.get_user(request).await }
        };
        present(self.call(DIRECTORY, "GetUser", request, send).await?.user)
    }

    /// Reads an organisation.
    ///
    /// # Errors
    /// When there is none, or the call is refused.
    pub async fn get_organization(&self, organization_id: &str) -> Result<Organization, Refusal> {
        let key = get_organization_request::Key::OrganizationId(organization_id.to_owned());
        let request = GetOrganizationRequest { key: Some(key) };
        let send = |request| {
            let mut client = self.directory();
            async move { client.get_organization(request).await }
        };
        present(self.call(DIRECTORY, "GetOrganization", request, send).await?.organization)
    }

    /// A page of the admin's list.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn list_users(
        &self,
        actor: &User,
        query: &str,
        page_token: &str,
        page_size: i32,
    ) -> Result<ListUsersResponse, Refusal> {
        let request = ListUsersRequest {
            organization_id: actor.organization_id.clone(),
            page_size,
            page_token: page_token.to_owned(),
            query: query.to_owned(),
            actor: self.actors.of(&actor.user_id),
        };
        let send = |request| {
            let mut client = self.directory();
            async move { client.list_users(request).await }
        };
        self.call(DIRECTORY, "ListUsers", request, send).await
    }

    /// The latest reset of a user.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn last_reset(&self, actor: &User, user_id: &str) -> Result<Option<Reset>, Refusal> {
        let request = ListResetsRequest {
            user_id: user_id.to_owned(),
            page_size: 1,
            actor: self.actors.of(&actor.user_id),
            ..Default::default()
        };
        let send = |request| {
            let mut client = self.support();
            async move { client.list_resets(request).await }
        };
        Ok(self.call(SUPPORT, "ListResets", request, send).await?.resets.into_iter().next())
    }

    /// One reset.
    ///
    /// # Errors
    /// When there is none in the actor's organisation, or the call is refused.
    pub async fn get_reset(&self, actor: &User, reset_id: &str) -> Result<Reset, Refusal> {
        let key = get_reset_request::Key::ResetId(reset_id.to_owned());
        let request = GetResetRequest { key: Some(key), actor: self.actors.of(&actor.user_id) };
        let send = |request| {
            let mut client = self.support();
            async move { client.get_reset(request).await }
        };
        present(self.call(SUPPORT, "GetReset", request, send).await?.resets.into_iter().next())
    }

    /// Sends a user a link on an admin's behalf.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn admin_reset(
        &self,
        actor: &User,
        user_id: &str,
        reason: &str,
        requester: Requester,
        act: String,
    ) -> Result<AdminResetResponse, Refusal> {
        let request = |idempotency_key| AdminResetRequest {
            user_id: user_id.to_owned(),
            actor: self.actors.of(&actor.user_id),
            reason: reason.to_owned(),
            link_life: None,
            requester: Some(requester.clone()),
            idempotency_key,
        };
        let send = |request| {
            let mut client = self.passwords();
            async move { client.admin_reset(request).await }
        };
        self.act(IDENTITY, "AdminReset", act, request, send).await
    }

    /// A call that is done once however often the form is sent. A form that came back with other content, as after
    /// the browser's Back, is another act.
    async fn act<Q, A, F>(
        &self,
        service: &'static str,
        method: &'static str,
        key: String,
        request: impl Fn(String) -> Q,
        send: impl Fn(Request<Q>) -> F,
    ) -> Result<A, Refusal>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        match self.call(service, method, request(key), &send).await {
            Err(refusal) if refusal.reason == ErrorReason::IdempotencyMismatch => {
                let fresh = crate::web::draw(&*self.random);
                self.call(service, method, request(fresh), &send).await
            }
            answer => answer,
        }
    }

    /// Pays for so many calls before they are made, or for none of them.
    ///
    /// # Errors
    /// [`Refusal`] with the wait.
    pub fn pay(&self, calls: usize) -> Result<(), Refusal> {
        let calls = u32::try_from(calls).unwrap_or(u32::MAX);
        self.allowance.as_ref().map_or(Ok(()), |allowance| allowance.pay(calls)).map_err(Refusal::wait)
    }

    /// A call that is paid for, within its deadline, tried again where the contract allows it.
    async fn call<Q, A, F>(
        &self,
        service: &'static str,
        method: &'static str,
        request: Q,
        send: impl Fn(Request<Q>) -> F,
    ) -> Result<A, Refusal>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        if let Some(allowance) = &self.allowance {
            allowance.take().map_err(Refusal::wait)?;
        }
        let policy = self.policies.of(service, method);
        let end = Instant::now() + policy.timeout;
        let attempt = || {
            let mut outgoing = Request::new(request.clone());
            outgoing.set_timeout(end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
            send(outgoing)
        };
        let tried = attempt.retry(policy.gaps()).when(|status: &Status| self.policies.may_retry(status));
        let span = span(service, method);
        let answer = tokio::time::timeout_at(end.into(), tried).instrument(span.clone()).await;
        let code = match &answer {
            Ok(Ok(_)) => Code::Ok,
            Ok(Err(status)) => status.code(),
            Err(_) => Code::DeadlineExceeded,
        };
        tell(&span, code);
        match answer {
            Ok(Ok(response)) => {
                self.policies.answered();
                Ok(response.into_inner())
            }
            Ok(Err(status)) => {
                let refusal = Refusal::from(&status);
                if refusal.is_away() || refusal.is_ours() {
                    tracing::warn!(method, code = ?status.code(), reason = ?refusal.reason, "the identity service fails");
                }
                Err(refusal)
            }
            Err(_) => {
                tracing::warn!(method, "the identity service does not answer in time");
                Err(Refusal::plain(ErrorReason::DeadlineExceeded))
            }
        }
    }
}

fn span(service: &str, method: &str) -> Span {
    let full = format!("sandi.identity.v1.{service}/{method}");
    tracing::info_span!(
        "call",
        otel.name = full,
        otel.kind = "client",
        otel.status_code = Empty,
        rpc.system.name = "grpc",
        rpc.method = full,
        rpc.response.status_code = Empty,
        error.type = Empty
    )
}

/// Tells in a call's span what it came to.
fn tell(span: &Span, code: Code) {
    let name = proto::code_name(code);
    span.record("rpc.response.status_code", name);
    if code != Code::Ok {
        failed(span, name);
    }
}

/// What the contract always answers with.
fn present<T>(answer: Option<T>) -> Result<T, Refusal> {
    answer.ok_or_else(|| Refusal::plain(ErrorReason::Internal))
}
