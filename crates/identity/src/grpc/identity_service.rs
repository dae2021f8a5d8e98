//! IdentityService.

use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;
use tonic::{Request, Response, Status};

use super::present;
use super::run::{Audit, Incoming, Runner};
use crate::domain::identifier::Identifier;
use crate::domain::violation::Problem;
use crate::ops::Error;
use crate::ops::admin_reset::{AdminReset, admin_reset};
use crate::ops::call::{Requester, Scope};
use crate::ops::change_password::{ChangePassword, change_password};
use crate::ops::check_reset::check_reset;
use crate::ops::complete_reset::{CompleteReset, complete_reset};
use crate::ops::request_reset::{RequestReset, request_reset};
use crate::ops::verify_password::{VerifyPassword, verify_password};
use crate::store::requests::IdentifierKind;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl IdentityService for Runner {
    async fn request_reset(&self, request: Request<pb::RequestResetRequest>) -> Answer<pb::RequestResetResponse> {
        use pb::request_reset_request::Identifier as Typed;

        let mut incoming = Incoming::new(request)?;
        let message = std::mem::take(&mut incoming.message);
        let requester = incoming.requester(message.requester.as_ref());
        let mut fields = incoming.fields;
        let (kind, name, text) = match &message.identifier {
            Some(Typed::Username(username)) => (IdentifierKind::Username, "username", username.as_str()),
            Some(Typed::Email(email)) => (IdentifierKind::Email, "email", email.as_str()),
            None => (IdentifierKind::Username, "identifier", ""),
        };
        let identifier = match message.identifier {
            Some(_) => fields.keep(name, Identifier::parse(text)),
            None => {
                fields.bad(name, Problem::Required);
                None
            }
        };
        let idempotency_key = fields.idempotency_key(&message.idempotency_key);
        let request_id = self
            .run(incoming.admitted, requester, fields, Audit::Nothing, |service, call| async move {
                let identifier = identifier.ok_or_else(missing)?;
                request_reset(&service, &call, RequestReset { kind, identifier, idempotency_key }).await
            })
            .await?;
        Ok(Response::new(pb::RequestResetResponse { request_id: request_id.to_string() }))
    }

    async fn check_reset(&self, request: Request<pb::CheckResetRequest>) -> Answer<pb::CheckResetResponse> {
        let incoming = Incoming::new(request)?;
        let mut fields = incoming.fields;
        let token = fields.token(&incoming.message.token);
        let checked = self
            .run(incoming.admitted, Requester::default(), fields, Audit::Failures, |service, call| async move {
                check_reset(&service, &call, token).await
            })
            .await?;
        Ok(Response::new(pb::CheckResetResponse {
            username: checked.person.username.clone(),
            organization_display_name: checked.person.organization.display_name.clone(),
            expire_time: Some(present::timestamp(checked.expire_time)),
            password_policy: Some(present::password_policy(&checked.policy)),
            locale: checked.person.locale().as_str().into(),
        }))
    }

    async fn complete_reset(&self, request: Request<pb::CompleteResetRequest>) -> Answer<pb::CompleteResetResponse> {
        let mut incoming = Incoming::new(request)?;
        let message = std::mem::take(&mut incoming.message);
        let requester = incoming.requester(message.requester.as_ref());
        let mut fields = incoming.fields;
        let token = fields.token(&message.token);
        let idempotency_key = fields.idempotency_key(&message.idempotency_key);
        let new_password =
            fields.new_password("new_password", &message.new_password, message.confirm_password.as_deref());
        let completed = self
            .run(incoming.admitted, requester, fields, Audit::Failures, |service, call| async move {
                complete_reset(&service, &call, CompleteReset { token, new_password, idempotency_key }).await
            })
            .await?;
        Ok(Response::new(pb::CompleteResetResponse {
            user_id: completed.user_id.to_string(),
            username: completed.username,
            credential_version: completed.credential_version,
        }))
    }

    async fn change_password(&self, request: Request<pb::ChangePasswordRequest>) -> Answer<pb::ChangePasswordResponse> {
        let mut incoming = Incoming::new(request)?;
        let message = std::mem::take(&mut incoming.message);
        let requester = incoming.requester(message.requester.as_ref());
        let mut fields = incoming.fields;
        let user_id = fields.uuid("user_id", &message.user_id);
        let current_password = fields.password("current_password", &message.current_password);
        let idempotency_key = fields.idempotency_key(&message.idempotency_key);
        let new_password =
            fields.new_password("new_password", &message.new_password, message.confirm_password.as_deref());
        let credential_version = self
            .run(incoming.admitted, requester, fields, Audit::Failures, |service, call| async move {
                let current_password = current_password.ok_or_else(missing)?;
                let command = ChangePassword { user_id, current_password, new_password, idempotency_key };
                change_password(&service, &call, command).await
            })
            .await?;
        Ok(Response::new(pb::ChangePasswordResponse { credential_version }))
    }

    async fn admin_reset(&self, request: Request<pb::AdminResetRequest>) -> Answer<pb::AdminResetResponse> {
        let mut incoming = Incoming::new(request)?;
        let message = std::mem::take(&mut incoming.message);
        let requester = incoming.requester(message.requester.as_ref());
        let locale = requester.locale.unwrap_or_default();
        let mut fields = incoming.fields;
        let user_id = fields.uuid("user_id", &message.user_id);
        let actor = fields.actor(&self.actors, message.actor.as_ref(), &incoming.admitted);
        let reason = fields.reason(&message.reason);
        let link_life = fields.optional_duration("link_life", message.link_life.as_ref());
        let idempotency_key = fields.idempotency_key(&message.idempotency_key);
        let answer = self
            .run(incoming.admitted, requester, fields, Audit::Failures, |service, call| async move {
                let reason = reason.ok_or_else(missing)?;
                let command = AdminReset { user_id, actor, reason, link_life, idempotency_key };
                admin_reset(&service, &call, command).await
            })
            .await?;
        Ok(Response::new(pb::AdminResetResponse {
            reset_id: answer.reset_id.to_string(),
            expire_time: answer.expire_time.map(present::timestamp),
            address: Some(present::address(&answer.person, locale)),
        }))
    }

    async fn verify_password(&self, request: Request<pb::VerifyPasswordRequest>) -> Answer<pb::VerifyPasswordResponse> {
        let mut incoming = Incoming::new(request)?;
        let message = std::mem::take(&mut incoming.message);
        let requester = incoming.requester(message.requester.as_ref());
        let locale = requester.locale.unwrap_or_default();
        let full_address = incoming.admitted.caller.has(Scope::DirectoryWrite);
        let mut fields = incoming.fields;
        let username = fields.keep("username", Identifier::parse(&message.username));
        let password = fields.password("password", &message.password);
        let person = self
            .run(incoming.admitted, requester, fields, Audit::Failures, |service, call| async move {
                let (Some(username), Some(password)) = (username, password) else { return Err(missing()) };
                verify_password(&service, &call, VerifyPassword { username, password }).await
            })
            .await?;
        Ok(Response::new(pb::VerifyPasswordResponse { user: Some(present::user(&person, full_address, locale)) }))
    }
}

/// Stands behind values that [`Fields`] has refused already: the operation never begins then.
pub fn missing() -> Error {
    Error::Internal(anyhow::anyhow!("a field was refused and used all the same"))
}
