//! SupportService.

use proto::identity::v1 as pb;
use proto::identity::v1::support_service_server::SupportService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::identity_service::missing;
use super::present;
use super::run::{Audit, Incoming, Runner};
use crate::domain::identifier::Identifier;
use crate::domain::support_code::SupportCode;
use crate::domain::violation::Problem;
use crate::ops::call::Requester;
use crate::ops::explain_reset::{ExplainKey, ExplainReset, explain_reset};
use crate::ops::get_reset::{Found, GetReset, ResetKey, get_reset};
use crate::ops::list_audit_events::{ListAuditEvents, list_audit_events};
use crate::ops::list_resets::{ListResets, list_resets};
use crate::ops::pages::List;
use crate::ops::revoke_reset::{RevokeReset, revoke_reset};
use crate::store::audit::Filter;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl SupportService for Runner {
    async fn get_reset(&self, request: Request<pb::GetResetRequest>) -> Answer<pb::GetResetResponse> {
        use pb::get_reset_request::Key;

        let incoming = Incoming::new(request)?;
        let message = incoming.message;
        let mut fields = incoming.fields;
        let key = match &message.key {
            Some(Key::ResetId(id)) => Some(ResetKey::ResetId(fields.uuid("reset_id", id))),
            Some(Key::RequestId(id)) => Some(ResetKey::RequestId(fields.uuid("request_id", id))),
            Some(Key::SupportCode(code)) => {
                fields.keep("support_code", SupportCode::parse(code)).map(ResetKey::SupportCode)
            }
            None => {
                fields.bad("key", Problem::Required);
                None
            }
        };
        let actor = fields.actor(&self.actors, message.actor.as_ref(), &incoming.admitted);
        let found = self
            .run(incoming.admitted, Requester::default(), fields, Audit::Nothing, |service, call| async move {
                get_reset(&service, &call, GetReset { key: key.ok_or_else(missing)?, actor }).await
            })
            .await?;
        let resets = match &found {
            Found::Resets(resets) => resets.iter().map(present::reset).collect(),
            Found::Pending(request) => vec![present::pending(request)],
        };
        Ok(Response::new(pb::GetResetResponse { resets }))
    }

    async fn list_resets(&self, request: Request<pb::ListResetsRequest>) -> Answer<pb::ListResetsResponse> {
        let incoming = Incoming::new(request)?;
        let message = incoming.message;
        let mut fields = incoming.fields;
        let organization_id = fields.optional_uuid("organization_id", &message.organization_id);
        let user_id = fields.optional_uuid("user_id", &message.user_id);
        if message.organization_id.is_empty() && message.user_id.is_empty() {
            fields.bad("organization_id", Problem::Empty);
        }
        let bytes = |id: &Option<Uuid>| id.as_ref().map_or(Vec::new(), |id| id.as_bytes().to_vec());
        let filters = [bytes(&organization_id), bytes(&user_id)];
        let filters: Vec<&[u8]> = filters.iter().map(Vec::as_slice).collect();
        let list = List::new("resets", &incoming.admitted.caller.name, &filters);
        let page = fields.page(&self.service.digests, list, message.page_size, &message.page_token);
        let actor = fields.actor(&self.actors, message.actor.as_ref(), &incoming.admitted);
        let (resets, next_page_token) = self
            .run(incoming.admitted, Requester::default(), fields, Audit::Nothing, |service, call| async move {
                let page = page.ok_or_else(missing)?;
                list_resets(&service, &call, ListResets { organization_id, user_id, page, actor }).await
            })
            .await?;
        let resets = resets.iter().map(present::reset).collect();
        Ok(Response::new(pb::ListResetsResponse { resets, next_page_token }))
    }

    async fn revoke_reset(&self, request: Request<pb::RevokeResetRequest>) -> Answer<pb::RevokeResetResponse> {
        let incoming = Incoming::new(request)?;
        let message = incoming.message;
        let mut fields = incoming.fields;
        let reset_id = fields.uuid("reset_id", &message.reset_id);
        let actor = fields.actor(&self.actors, message.actor.as_ref(), &incoming.admitted);
        let reason = fields.optional_reason(&message.reason);
        let reset = self
            .run(incoming.admitted, Requester::default(), fields, Audit::Failures, |service, call| async move {
                revoke_reset(&service, &call, RevokeReset { reset_id, actor, reason }).await
            })
            .await?;
        Ok(Response::new(pb::RevokeResetResponse { reset: Some(present::reset(&reset)) }))
    }

    async fn explain_reset(&self, request: Request<pb::ExplainResetRequest>) -> Answer<pb::ExplainResetResponse> {
        use pb::explain_reset_request::Key;

        let incoming = Incoming::new(request)?;
        let message = incoming.message;
        let mut fields = incoming.fields;
        let key = match &message.key {
            Some(Key::Username(name)) => fields.keep("username", Identifier::parse(name)).map(ExplainKey::Username),
            Some(Key::ResetId(id)) => Some(ExplainKey::Reset(ResetKey::ResetId(fields.uuid("reset_id", id)))),
            Some(Key::SupportCode(code)) => fields
                .keep("support_code", SupportCode::parse(code))
                .map(|code| ExplainKey::Reset(ResetKey::SupportCode(code))),
            None => {
                fields.bad("key", Problem::Required);
                None
            }
        };
        let locale = fields.optional_locale("locale", &message.locale).unwrap_or_default();
        let reason = fields.optional_reason(&message.reason);
        let requester = Requester { locale: Some(locale), ..Requester::default() };
        let explained = self
            .run(incoming.admitted, requester, fields, Audit::Failures, |service, call| async move {
                let key = key.ok_or_else(missing)?;
                explain_reset(&service, &call, ExplainReset { key, locale, reason }).await
            })
            .await?;
        let person = explained.person.as_ref();
        Ok(Response::new(pb::ExplainResetResponse {
            summary: explained.explanation.summary,
            next_steps: explained.explanation.next_steps,
            address: person.map(|person| present::address(person, locale)),
            resets: explained.resets.iter().map(present::reset).collect(),
            user_id: person.map(|person| person.user_id.to_string()).unwrap_or_default(),
            organization_id: person.map(|person| person.organization.organization_id.to_string()).unwrap_or_default(),
        }))
    }

    async fn list_audit_events(
        &self,
        request: Request<pb::ListAuditEventsRequest>,
    ) -> Answer<pb::ListAuditEventsResponse> {
        let incoming = Incoming::new(request)?;
        let message = incoming.message;
        let mut fields = incoming.fields;
        let filter = Filter {
            organization_id: fields.optional_uuid("organization_id", &message.organization_id),
            user_id: fields.optional_uuid("user_id", &message.user_id),
            action: fields.optional_action("action", &message.action),
            from_time: fields.optional_time("from_time", message.from_time.as_ref()),
            to_time: fields.optional_time("to_time", message.to_time.as_ref()),
        };
        if filter.from_time.zip(filter.to_time).is_some_and(|(from, to)| to < from) {
            fields.bad("to_time", Problem::NotATime);
        }
        let bound = format!("{filter:?}");
        let list = List::new("audit", &incoming.admitted.caller.name, &[bound.as_bytes()]);
        let page = fields.page(&self.service.digests, list, message.page_size, &message.page_token);
        let (events, next_page_token) = self
            .run(incoming.admitted, Requester::default(), fields, Audit::Nothing, |service, _| async move {
                list_audit_events(&service, ListAuditEvents { filter, page: page.ok_or_else(missing)? }).await
            })
            .await?;
        let events = events.iter().map(present::audit_event).collect();
        Ok(Response::new(pb::ListAuditEventsResponse { events, next_page_token }))
    }
}
