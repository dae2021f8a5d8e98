//! DirectoryService.

use proto::identity::v1 as pb;
use proto::identity::v1::directory_service_server::DirectoryService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::fields::Fields;
use super::identity_service::missing;
use super::present;
use super::run::{Audit, Incoming, Runner};
use crate::domain::address::Address;
use crate::domain::identifier::Identifier;
use crate::domain::link_base::LinkBase;
use crate::domain::names::{
    DisplayName, OrganizationName, Query, SenderName, Slug, SupportContact, parse_optional_address, parse_reply_to,
};
use crate::domain::password::PasswordPolicy;
use crate::domain::states::{Role, UserState};
use crate::domain::time_zone::TimeZone;
use crate::domain::username::Username;
use crate::domain::violation::Problem;
use crate::ops::call::{Requester, Scope};
use crate::ops::create_organization::{CreateOrganization, create_organization};
use crate::ops::create_user::{CreateUser, create_user, own_address};
use crate::ops::get_organization::{OrganizationKey, get_organization};
use crate::ops::get_user::{UserKey, get_user};
use crate::ops::list_users::{ListUsers, list_users};
use crate::ops::pages::List;
use crate::ops::update_organization::{UpdateOrganization, update_organization};
use crate::ops::update_user::{UpdateUser, update_user};
use crate::store::organizations::Organization;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl DirectoryService for Runner {
    async fn create_organization(
        &self,
        request: Request<pb::CreateOrganizationRequest>,
    ) -> Answer<pb::CreateOrganizationResponse> {
        let incoming = Incoming::new(request)?;
        let message = incoming.message;
        let mut fields = incoming.fields;
        let organization = match &message.organization {
            Some(organization) => new_organization(&mut fields, organization, self.service.settings.development),
            None => {
                fields.bad("organization", Problem::Required);
                None
            }
        };
        let idempotency_key = fields.idempotency_key(&message.idempotency_key);
        let organization = self
            .run(incoming.admitted, Requester::default(), fields, Audit::Failures, |service, call| async move {
                let organization = organization.ok_or_else(missing)?;
                create_organization(&service, &call, CreateOrganization { organization, idempotency_key }).await
            })
            .await?;
        Ok(Response::new(pb::CreateOrganizationResponse { organization: Some(present::organization(&organization)) }))
    }

    async fn get_organization(
        &self,
        request: Request<pb::GetOrganizationRequest>,
    ) -> Answer<pb::GetOrganizationResponse> {
        use pb::get_organization_request::Key;

        let incoming = Incoming::new(request)?;
        let mut fields = incoming.fields;
        let key = match &incoming.message.key {
            Some(Key::OrganizationId(id)) => Some(OrganizationKey::OrganizationId(fields.uuid("organization_id", id))),
            Some(Key::Slug(slug)) => fields.keep("slug", Slug::parse(slug)).map(OrganizationKey::Slug),
            None => {
                fields.bad("key", Problem::Required);
                None
            }
        };
        let organization = self
            .run(incoming.admitted, Requester::default(), fields, Audit::Nothing, |service, call| async move {
                get_organization(&service, &call, key.ok_or_else(missing)?).await
            })
            .await?;
        Ok(Response::new(pb::GetOrganizationResponse { organization: Some(present::organization(&organization)) }))
    }

    async fn update_organization(
        &self,
        request: Request<pb::UpdateOrganizationRequest>,
    ) -> Answer<pb::UpdateOrganizationResponse> {
        let incoming = Incoming::new(request)?;
        let message = incoming.message;
        let mut fields = incoming.fields;
        let development = self.service.settings.development;
        if message.organization.is_none() {
            fields.bad("organization", Problem::Required);
        }
        let new = message.organization.unwrap_or_default();
        let command = changed_organization(&mut fields, &new, message.update_mask.as_ref(), development);
        let organization = self
            .run(incoming.admitted, Requester::default(), fields, Audit::Failures, |service, call| async move {
                update_organization(&service, &call, command).await
            })
            .await?;
        Ok(Response::new(pb::UpdateOrganizationResponse { organization: Some(present::organization(&organization)) }))
    }

    async fn create_user(&self, request: Request<pb::CreateUserRequest>) -> Answer<pb::CreateUserResponse> {
        let incoming = Incoming::new(request)?;
        let message = incoming.message;
        let full_address = incoming.admitted.caller.has(Scope::DirectoryWrite);
        let mut fields = incoming.fields;
        if message.user.is_none() {
            fields.bad("user", Problem::Required);
        }
        let user = message.user.unwrap_or_default();
        let organization_id = fields.uuid("user.organization_id", &user.organization_id);
        let username = fields.keep("user.username", Username::parse(&user.username));
        let email = fields.keep("user.email", parse_optional_address(&user.email));
        if let (Some(username), Some(email)) = (&username, &email) {
            fields.keep("user.username", own_address(username, email.as_ref()));
            if message.send_invitation && email.is_none() {
                fields.bad("user.email", Problem::Required);
            }
        }
        let email = email.flatten();
        let display_name = fields.keep("user.display_name", DisplayName::parse(&user.display_name));
        let locale = fields.optional_locale("user.locale", &user.locale);
        let role = numbered(&mut fields, "user.role", user.role, Role::Member, Role::from_i32);
        let state = numbered(&mut fields, "user.state", user.state, UserState::Active, UserState::from_i32);
        let actor = fields.actor(&self.actors, message.actor.as_ref(), &incoming.admitted);
        let idempotency_key = fields.idempotency_key(&message.idempotency_key);
        let password = (!message.password.is_empty()).then(|| fields.new_password("password", &message.password, None));
        let send_invitation = message.send_invitation;
        let person = self
            .run(incoming.admitted, Requester::default(), fields, Audit::Failures, |service, call| async move {
                let (Some(username), Some(display_name)) = (username, display_name) else { return Err(missing()) };
                let command = CreateUser {
                    organization_id,
                    username,
                    email,
                    display_name,
                    locale,
                    role,
                    state,
                    password,
                    send_invitation,
                    actor,
                    idempotency_key,
                };
                create_user(&service, &call, command).await
            })
            .await?;
        let user = present::user(&person, full_address, person.locale());
        Ok(Response::new(pb::CreateUserResponse { user: Some(user) }))
    }

    async fn get_user(&self, request: Request<pb::GetUserRequest>) -> Answer<pb::GetUserResponse> {
        use pb::get_user_request::Key;

        let incoming = Incoming::new(request)?;
        let full_address = incoming.admitted.caller.has(Scope::DirectoryWrite);
        let mut fields = incoming.fields;
        let key = match &incoming.message.key {
            Some(Key::UserId(id)) => Some(UserKey::UserId(fields.uuid("user_id", id))),
            Some(Key::Username(name)) => fields.keep("username", Identifier::parse(name)).map(UserKey::Username),
            None => {
                fields.bad("key", Problem::Required);
                None
            }
        };
        let person = self
            .run(incoming.admitted, Requester::default(), fields, Audit::Nothing, |service, call| async move {
                get_user(&service, &call, key.ok_or_else(missing)?).await
            })
            .await?;
        let user = present::user(&person, full_address, person.locale());
        Ok(Response::new(pb::GetUserResponse { user: Some(user) }))
    }

    async fn list_users(&self, request: Request<pb::ListUsersRequest>) -> Answer<pb::ListUsersResponse> {
        let incoming = Incoming::new(request)?;
        let message = incoming.message;
        let full_address = incoming.admitted.caller.has(Scope::DirectoryWrite);
        let mut fields = incoming.fields;
        let organization_id = fields.uuid("organization_id", &message.organization_id);
        let query = fields.keep("query", Query::parse(&message.query)).flatten();
        let prefix = query.as_ref().map_or("", Query::as_str);
        let filters = [organization_id.as_bytes().as_slice(), prefix.as_bytes()];
        let list = List::new("users", &incoming.admitted.caller.name, &filters);
        let page = fields.page(&self.service.digests, list, message.page_size, &message.page_token);
        let actor = fields.actor(&self.actors, message.actor.as_ref(), &incoming.admitted);
        let (people, next_page_token) = self
            .run(incoming.admitted, Requester::default(), fields, Audit::Nothing, |service, call| async move {
                let page = page.ok_or_else(missing)?;
                list_users(&service, &call, ListUsers { organization_id, query, page, actor }).await
            })
            .await?;
        let users = people.iter().map(|person| present::user(person, full_address, person.locale())).collect();
        Ok(Response::new(pb::ListUsersResponse { users, next_page_token }))
    }

    async fn update_user(&self, request: Request<pb::UpdateUserRequest>) -> Answer<pb::UpdateUserResponse> {
        let incoming = Incoming::new(request)?;
        let message = incoming.message;
        let full_address = incoming.admitted.caller.has(Scope::DirectoryWrite);
        let mut fields = incoming.fields;
        if message.user.is_none() {
            fields.bad("user", Problem::Required);
        }
        let user = message.user.unwrap_or_default();
        let mut command = changed_user(&mut fields, &user, message.update_mask.as_ref());
        command.actor = fields.actor(&self.actors, message.actor.as_ref(), &incoming.admitted);
        command.reason = if UpdateUser::is_on_supports_behalf(&incoming.admitted.caller, command.actor.as_ref()) {
            fields.reason(&message.reason)
        } else {
            fields.optional_reason(&message.reason)
        };
        let person = self
            .run(incoming.admitted, Requester::default(), fields, Audit::Failures, |service, call| async move {
                update_user(&service, &call, command).await
            })
            .await?;
        let user = present::user(&person, full_address, person.locale());
        Ok(Response::new(pb::UpdateUserResponse { user: Some(user) }))
    }
}

/// Zero is the default, an unknown number is refused.
fn numbered<T>(fields: &mut Fields, name: &str, number: i32, default: T, read: fn(i32) -> Option<T>) -> T {
    match (number, read(number)) {
        (_, Some(value)) => value,
        (0, None) => default,
        (_, None) => {
            fields.bad(name, Problem::UnknownValue);
            default
        }
    }
}

fn min_length(fields: &mut Fields, policy: Option<&pb::PasswordPolicy>) -> u32 {
    let policy = policy.copied().unwrap_or_default();
    let read = PasswordPolicy::with_min_length(policy.min_length);
    fields.keep("organization.password_policy.min_length", read).unwrap_or_default().min_length
}

fn time_zone(fields: &mut Fields, name: &str) -> Option<TimeZone> {
    let read = if name.is_empty() { Ok(TimeZone::default()) } else { TimeZone::parse(name) };
    fields.keep("organization.time_zone", read)
}

fn new_organization(fields: &mut Fields, new: &pb::Organization, development: bool) -> Option<Organization> {
    let slug = fields.keep("organization.slug", Slug::parse(&new.slug));
    let display_name = fields.keep("organization.display_name", OrganizationName::parse(&new.display_name));
    let locale = fields.optional_locale("organization.locale", &new.locale).unwrap_or_default();
    let time_zone = time_zone(fields, &new.time_zone);
    let link_base = fields.keep("organization.link_base", LinkBase::parse(&new.link_base, development));
    let support_contact = fields.keep("organization.support_contact", SupportContact::parse(&new.support_contact));
    let sender_name = fields.keep("organization.sender_name", SenderName::parse(&new.sender_name));
    let reply_to = fields.keep("organization.reply_to", parse_reply_to(&new.reply_to));
    let password_min_length = min_length(fields, new.password_policy.as_ref());
    Some(Organization {
        organization_id: Uuid::nil(),
        slug: slug?.into_string(),
        display_name: display_name?.into_string(),
        locale,
        time_zone: time_zone?.as_str().into(),
        link_base: link_base?.as_str().into(),
        support_contact: support_contact?.into_string(),
        sender_name: sender_name?.into_string(),
        reply_to: text(reply_to?.as_ref()),
        suspended: new.suspended,
        password_min_length,
    })
}

fn changed_organization(
    fields: &mut Fields,
    new: &pb::Organization,
    mask: Option<&prost_types::FieldMask>,
    development: bool,
) -> UpdateOrganization {
    let organization_id = fields.uuid("organization.organization_id", &new.organization_id);
    let mut command = UpdateOrganization { organization_id, ..UpdateOrganization::default() };
    let known = [
        ("slug", !new.slug.is_empty()),
        ("display_name", !new.display_name.is_empty()),
        ("locale", !new.locale.is_empty()),
        ("time_zone", !new.time_zone.is_empty()),
        ("link_base", !new.link_base.is_empty()),
        ("support_contact", !new.support_contact.is_empty()),
        ("sender_name", !new.sender_name.is_empty()),
        ("reply_to", !new.reply_to.is_empty()),
        ("suspended", new.suspended),
        ("password_policy", new.password_policy.is_some()),
        ("password_policy.min_length", false),
    ];
    for path in fields.mask(mask, &known) {
        let name = format!("organization.{path}");
        match path {
            "slug" => command.slug = fields.keep(&name, Slug::parse(&new.slug)).map(Slug::into_string),
            "display_name" => {
                let read = fields.keep(&name, OrganizationName::parse(&new.display_name));
                command.display_name = read.map(OrganizationName::into_string);
            }
            "locale" => command.locale = Some(fields.optional_locale(&name, &new.locale).unwrap_or_default()),
            "time_zone" => command.time_zone = time_zone(fields, &new.time_zone).map(|zone| zone.as_str().into()),
            "link_base" => {
                let read = fields.keep(&name, LinkBase::parse(&new.link_base, development));
                command.link_base = read.map(|base| base.as_str().into());
            }
            "support_contact" => {
                let read = fields.keep(&name, SupportContact::parse(&new.support_contact));
                command.support_contact = read.map(SupportContact::into_string);
            }
            "sender_name" => {
                let read = fields.keep(&name, SenderName::parse(&new.sender_name));
                command.sender_name = read.map(SenderName::into_string);
            }
            "reply_to" => {
                command.reply_to = fields.keep(&name, parse_reply_to(&new.reply_to)).map(|to| text(to.as_ref()));
            }
            "suspended" => command.suspended = Some(new.suspended),
            "password_policy" | "password_policy.min_length" => {
                command.password_min_length = Some(min_length(fields, new.password_policy.as_ref()));
            }
            _ => {}
        }
    }
    command
}

fn changed_user(fields: &mut Fields, new: &pb::User, mask: Option<&prost_types::FieldMask>) -> UpdateUser {
    let user_id = fields.uuid("user.user_id", &new.user_id);
    let mut command = UpdateUser { user_id, ..UpdateUser::default() };
    let known = [
        ("username", !new.username.is_empty()),
        ("display_name", !new.display_name.is_empty()),
        ("email", !new.email.is_empty()),
        ("locale", !new.locale.is_empty()),
        ("role", new.role != 0),
        ("state", new.state != 0),
    ];
    for path in fields.mask(mask, &known) {
        let name = format!("user.{path}");
        match path {
            "username" => command.username = fields.keep(&name, Username::parse(&new.username)),
            "display_name" => command.display_name = fields.keep(&name, DisplayName::parse(&new.display_name)),
            "email" => command.email = fields.keep(&name, parse_optional_address(&new.email)),
            "locale" => command.locale = Some(fields.optional_locale(&name, &new.locale)),
            "role" => command.role = fields.keep(&name, Role::from_i32(new.role).ok_or(Problem::UnknownValue)),
            "state" => {
                command.state = fields.keep(&name, UserState::from_i32(new.state).ok_or(Problem::UnknownValue));
            }
            _ => {}
        }
    }
    command
}

fn text(address: Option<&Address>) -> String {
    address.map(Address::as_str).unwrap_or_default().into()
}
