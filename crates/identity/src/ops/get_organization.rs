//! GetOrganization.

use uuid::Uuid;

use super::call::Call;
use super::error::{Error, Result};
use crate::domain::names::Slug;
use crate::service::Service;
use crate::store::organizations::{self, Organization};

/// By what an organisation is found.
pub enum OrganizationKey {
    /// The id.
    OrganizationId(Uuid),
    /// The short name.
    Slug(Slug),
}

/// Finds an organisation.
///
/// # Errors
/// `ORGANIZATION_NOT_FOUND`, or the database's.
pub async fn get_organization(service: &Service, _call: &Call, key: OrganizationKey) -> Result<Organization> {
    let mut connection = service.store.connection().await?;
    let organization = match key {
        OrganizationKey::OrganizationId(organization_id) => {
            organizations::by_id(&mut connection, organization_id).await?
        }
        OrganizationKey::Slug(slug) => organizations::by_slug(&mut connection, slug.as_str()).await?,
    };
    organization.ok_or(Error::OrganizationNotFound)
}
