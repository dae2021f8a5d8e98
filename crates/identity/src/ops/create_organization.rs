//! CreateOrganization.

use super::call::Call;
use super::error::{Error, Result};
use super::idempotency::{self, Once};
use crate::domain::names::IdempotencyKey;
use crate::service::Service;
use crate::store::organizations::{self, Organization};
use crate::store::{StoreError, audit};

/// What was asked.
pub struct CreateOrganization {
    /// The organisation; its id is set here.
    pub organization: Organization,
    /// Key of the call.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// Adds an organisation.
///
/// # Errors
/// `SLUG_TAKEN`, `IDEMPOTENCY_MISMATCH`, or the database's.
pub async fn create_organization(service: &Service, call: &Call, command: CreateOrganization) -> Result<Organization> {
    let mut organization = command.organization;
    let text = format!("{organization:?}");
    let once = Once::new(service, call, command.idempotency_key, &[text.as_bytes()]);
    organization.organization_id = service.new_id();
    call.until_settled(service, || store(service, call, &organization, once.as_ref())).await
}

async fn store(
    service: &Service,
    call: &Call,
    organization: &Organization,
    once: Option<&Once>,
) -> Result<Organization> {
    let mut transaction = service.store.begin().await?;
    if let Some(stored) = idempotency::claim(&mut transaction, call, once).await? {
        let organization_id = stored.resource_id.ok_or(Error::IdempotencyMismatch)?;
        return organizations::by_id(&mut transaction, organization_id).await?.ok_or(Error::OrganizationNotFound);
    }
    organizations::insert(&mut transaction, organization).await.map_err(slug_taken)?;
    call.note(|facts| facts.organization_id = Some(organization.organization_id));
    audit::append(&mut transaction, &[call.audit_success(service)]).await?;
    idempotency::succeed(&mut transaction, call, once, Some(organization.organization_id), None).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(organization.clone())
}

/// A unique violation here is of the slug.
pub fn slug_taken(error: StoreError) -> Error {
    match error {
        StoreError::Taken { .. } => Error::SlugTaken,
        other => other.into(),
    }
}
