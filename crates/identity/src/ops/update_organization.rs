//! UpdateOrganization.

use uuid::Uuid;

use super::call::Call;
use super::create_organization::slug_taken;
use super::error::{Error, Result};
use crate::domain::locale::Locale;
use crate::service::Service;
use crate::store::StoreError;
use crate::store::audit::{self, AuditEvent};
use crate::store::organizations::{self, Organization};

/// What was asked; only fields with a value change.
#[derive(Default)]
pub struct UpdateOrganization {
    /// Which.
    pub organization_id: Uuid,
    /// Short name.
    pub slug: Option<String>,
    /// Name shown to people.
    pub display_name: Option<String>,
    /// Language of mails.
    pub locale: Option<Locale>,
    /// IANA name.
    pub time_zone: Option<String>,
    /// What links begin with.
    pub link_base: Option<String>,
    /// Where people find help.
    pub support_contact: Option<String>,
    /// Display name of the sender.
    pub sender_name: Option<String>,
    /// Reply-To.
    pub reply_to: Option<String>,
    /// Whether its users behave as disabled ones.
    pub suspended: Option<bool>,
    /// Least length of a new password.
    pub password_min_length: Option<u32>,
}

/// Changes an organisation.
///
/// # Errors
/// `ORGANIZATION_NOT_FOUND`, `SLUG_TAKEN`, or the database's.
pub async fn update_organization(service: &Service, call: &Call, command: UpdateOrganization) -> Result<Organization> {
    call.note(|facts| facts.organization_id = Some(command.organization_id));
    call.until_settled(service, || store(service, call, &command)).await
}

async fn store(service: &Service, call: &Call, command: &UpdateOrganization) -> Result<Organization> {
    let mut transaction = service.store.begin().await?;
    let old =
        organizations::lock(&mut transaction, command.organization_id).await?.ok_or(Error::OrganizationNotFound)?;
    let organization = changed(old.clone(), command);
    organizations::update(&mut transaction, &organization).await.map_err(slug_taken)?;
    let audit_event = AuditEvent { cause: changes(&old, &organization).into(), ..call.audit_success(service) };
    audit::append(&mut transaction, &[audit_event]).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(organization)
}

/// What changed, for the audit: names of fields, and whether it is suspended now.
fn changes(old: &Organization, new: &Organization) -> String {
    let suspended = if new.suspended { "suspended=true" } else { "suspended=false" };
    let fields = [
        (old.slug != new.slug, "slug"),
        (old.display_name != new.display_name, "display_name"),
        (old.locale != new.locale, "locale"),
        (old.time_zone != new.time_zone, "time_zone"),
        (old.link_base != new.link_base, "link_base"),
        (old.support_contact != new.support_contact, "support_contact"),
        (old.sender_name != new.sender_name, "sender_name"),
        (old.reply_to != new.reply_to, "reply_to"),
        (old.suspended != new.suspended, suspended),
        (old.password_min_length != new.password_min_length, "password_min_length"),
    ];
    fields.into_iter().filter_map(|(changed, name)| changed.then_some(name)).collect::<Vec<_>>().join(", ")
}

fn changed(old: Organization, command: &UpdateOrganization) -> Organization {
    let text = |new: &Option<String>, old: String| new.clone().unwrap_or(old);
    Organization {
        organization_id: old.organization_id,
        slug: text(&command.slug, old.slug),
        display_name: text(&command.display_name, old.display_name),
        locale: command.locale.unwrap_or(old.locale),
        time_zone: text(&command.time_zone, old.time_zone),
        link_base: text(&command.link_base, old.link_base),
        support_contact: text(&command.support_contact, old.support_contact),
        sender_name: text(&command.sender_name, old.sender_name),
        reply_to: text(&command.reply_to, old.reply_to),
        suspended: command.suspended.unwrap_or(old.suspended),
        password_min_length: command.password_min_length.unwrap_or(old.password_min_length),
    }
}
