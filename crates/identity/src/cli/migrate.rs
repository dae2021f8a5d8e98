//! `identity migrate`.

use runtime::config::url_from;
use runtime::exit::Failure;

use super::say;
use crate::serve::database_url;
use crate::settings::Settings;
use crate::store::migrate;

/// Applies the migrations as the owner, writes how long the audit is kept, and lends the service's role what it needs.
pub(super) async fn run(settings: &Settings) -> Result<(), Failure> {
    let database = &settings.database;
    let service = database_url(settings)?;
    let has_owner = database.migrate_url.is_some() || database.migrate_url_file.is_some();
    let owner = if has_owner {
        url_from(database.migrate_url_file.as_deref(), database.migrate_url.as_ref(), "database.migrate_url")?
    } else {
        service.clone()
    };
    let count = migrate::run(&owner, &service, settings.retention.audit).await?;
    say(&format!("the database is at version {count} of {count}"));
    Ok(())
}
