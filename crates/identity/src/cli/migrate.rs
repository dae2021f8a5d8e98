//! `identity migrate`.

use runtime::config::url_from;
use runtime::exit::Failure;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::say;
use crate::serve::database_url;
use crate::settings::Settings;
use crate::store::{self, MIGRATIONS, maintenance};

/// Applies the migrations as the owner, and lends the service's role what it needs.
pub(super) async fn run(settings: &Settings) -> Result<(), Failure> {
    let database = &settings.database;
    let service = database_url(settings)?;
    let has_owner = database.migrate_url.is_some() || database.migrate_url_file.is_some();
    let owner = if has_owner {
        url_from(database.migrate_url_file.as_deref(), database.migrate_url.as_ref(), "database.migrate_url")?
    } else {
        service.clone()
    };
    let options =
        |url, name: &str| store::connect_options(url).map_err(|error| Failure::Config(format!("{name}: {error:#}")));
    let owner = options(&owner, "database.migrate_url")?;
    let service = options(&service, "database.url")?;
    let mut connection = PgConnection::connect_with(&owner)
        .await
        .map_err(|error| Failure::Failed(anyhow::Error::from(error).context("cannot connect to the database")))?;
    MIGRATIONS
        .run(&mut connection)
        .await
        .map_err(|error| Failure::Failed(anyhow::Error::from(error).context("the migrations stopped")))?;
    if service.get_username() != owner.get_username() {
        maintenance::grant(&mut connection, service.get_username())
            .await
            .map_err(|error| Failure::Failed(anyhow::Error::from(error).context("the service's role got no rights")))?;
    }
    let count = MIGRATIONS.iter().count();
    say(&format!("the database is at version {count} of {count}"));
    Ok(())
}
