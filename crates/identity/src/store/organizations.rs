//! Table `organizations`.

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Result;
use crate::domain::locale::Locale;

/// The columns of an organisation, renamed so that they can stand beside those of a user.
macro_rules! organization_columns {
    () => {
        "o.organization_id AS o_organization_id, o.slug AS o_slug, o.display_name AS o_display_name,
         o.locale AS o_locale, o.time_zone AS o_time_zone, o.link_base AS o_link_base,
         o.support_contact AS o_support_contact, o.sender_name AS o_sender_name,
         o.reply_to AS o_reply_to, o.suspended AS o_suspended,
         o.password_min_length AS o_password_min_length"
    };
}
pub(super) use organization_columns;

/// An organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// UUID version 7.
    pub organization_id: Uuid,
    /// Short name, unique.
    pub slug: String,
    /// Name shown to people.
    pub display_name: String,
    /// Language of its mails.
    pub locale: Locale,
    /// IANA name.
    pub time_zone: String,
    /// What its links begin with.
    pub link_base: String,
    /// Where its people find help; may be empty.
    pub support_contact: String,
    /// Display name of the sender; may be empty.
    pub sender_name: String,
    /// Reply-To; may be empty.
    pub reply_to: String,
    /// Its users behave as disabled ones.
    pub suspended: bool,
    /// Least length of a new password in code points.
    pub password_min_length: u32,
}

#[derive(FromRow)]
pub(super) struct OrganizationRow {
    o_organization_id: Uuid,
    o_slug: String,
    o_display_name: String,
    o_locale: String,
    o_time_zone: String,
    o_link_base: String,
    o_support_contact: String,
    o_sender_name: String,
    o_reply_to: String,
    o_suspended: bool,
    o_password_min_length: i32,
}

impl From<OrganizationRow> for Organization {
    fn from(row: OrganizationRow) -> Self {
        Self {
            organization_id: row.o_organization_id,
            slug: row.o_slug,
            display_name: row.o_display_name,
            locale: super::locale(&row.o_locale).unwrap_or_default(),
            time_zone: row.o_time_zone,
            link_base: row.o_link_base,
            support_contact: row.o_support_contact,
            sender_name: row.o_sender_name,
            reply_to: row.o_reply_to,
            suspended: row.o_suspended,
            password_min_length: row.o_password_min_length.unsigned_abs(),
        }
    }
}

/// Adds an organisation.
///
/// # Errors
/// [`super::StoreError::Taken`] when the slug is taken.
pub async fn insert(connection: &mut PgConnection, organization: &Organization) -> Result<()> {
    sqlx::query(
        "INSERT INTO organizations
             (organization_id, slug, display_name, locale, time_zone, link_base, support_contact,
              sender_name, reply_to, suspended, password_min_length)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(organization.organization_id)
    .bind(&organization.slug)
    .bind(&organization.display_name)
    .bind(organization.locale.as_str())
    .bind(&organization.time_zone)
    .bind(&organization.link_base)
    .bind(&organization.support_contact)
    .bind(&organization.sender_name)
    .bind(&organization.reply_to)
    .bind(organization.suspended)
    .bind(organization.password_min_length.cast_signed())
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores every field of an organisation that exists.
///
/// # Errors
/// [`super::StoreError::Taken`] when the slug is taken.
pub async fn update(connection: &mut PgConnection, organization: &Organization) -> Result<()> {
    sqlx::query(
        "UPDATE organizations
         SET slug = $2, display_name = $3, locale = $4, time_zone = $5, link_base = $6, support_contact = $7,
             sender_name = $8, reply_to = $9, suspended = $10, password_min_length = $11, update_time = now()
         WHERE organization_id = $1",
    )
    .bind(organization.organization_id)
    .bind(&organization.slug)
    .bind(&organization.display_name)
    .bind(organization.locale.as_str())
    .bind(&organization.time_zone)
    .bind(&organization.link_base)
    .bind(&organization.support_contact)
    .bind(&organization.sender_name)
    .bind(&organization.reply_to)
    .bind(organization.suspended)
    .bind(organization.password_min_length.cast_signed())
    .execute(connection)
    .await?;
    Ok(())
}

/// Finds an organisation by id.
///
/// # Errors
/// The database's.
pub async fn by_id(connection: &mut PgConnection, organization_id: Uuid) -> Result<Option<Organization>> {
    let row: Option<OrganizationRow> = sqlx::query_as(concat!(
        "SELECT ",
        organization_columns!(),
        " FROM organizations o WHERE o.organization_id = $1"
    ))
    .bind(organization_id)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Organization::from))
}

/// Finds an organisation by id and keeps it from changing until the transaction ends.
///
/// # Errors
/// The database's.
pub async fn lock(connection: &mut PgConnection, organization_id: Uuid) -> Result<Option<Organization>> {
    let row: Option<OrganizationRow> = sqlx::query_as(concat!(
        "SELECT ",
        organization_columns!(),
        " FROM organizations o WHERE o.organization_id = $1 FOR NO KEY UPDATE"
    ))
    .bind(organization_id)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Organization::from))
}

/// Finds an organisation by slug.
///
/// # Errors
/// The database's.
pub async fn by_slug(connection: &mut PgConnection, slug: &str) -> Result<Option<Organization>> {
    let row: Option<OrganizationRow> =
        sqlx::query_as(concat!("SELECT ", organization_columns!(), " FROM organizations o WHERE o.slug = $1"))
            .bind(slug)
            .fetch_optional(connection)
            .await?;
    Ok(row.map(Organization::from))
}

/// Every organisation, by slug, for the command line.
///
/// # Errors
/// The database's.
pub async fn all(connection: &mut PgConnection) -> Result<Vec<(Organization, OffsetDateTime)>> {
    #[derive(FromRow)]
    struct Row {
        #[sqlx(flatten)]
        organization: OrganizationRow,
        create_time: OffsetDateTime,
    }
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "SELECT ",
        organization_columns!(),
        ", o.create_time FROM organizations o ORDER BY o.slug"
    ))
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.organization.into(), row.create_time)).collect())
}
