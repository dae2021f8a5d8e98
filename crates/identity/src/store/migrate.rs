//! Brings the database to this version.

use std::sync::LazyLock;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::SecretString;
use sqlx::Connection as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;

use super::connect_options;

/// A migration rather fails than lets the calls of the running release queue up behind its lock; run it again.
const LOCK_TIMEOUT: &str = "5s";

/// The migrations of `migrations/`, compiled in. Those that a newer release applied are left as they are, so that
/// whoever goes back to this one can run it again.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("../../migrations");
    migrations.set_ignore_missing(true);
    migrations
});

/// Version of the newest migration.
pub(super) fn newest() -> Option<i64> {
    MIGRATIONS.iter().map(|migration| migration.version).max()
}

/// Applies what is missing, as the owner, writes how long the audit is kept, and returns how many migrations there are.
///
/// # Errors
/// Says what stopped it; a migration that failed left nothing behind.
pub async fn run(owner: &SecretString, service: &SecretString, audit_retention: Duration) -> anyhow::Result<usize> {
    let owner = connect_options(owner).context("database.migrate_url")?.options([("lock_timeout", LOCK_TIMEOUT)]);
    let service = connect_options(service).context("database.url")?;
    let mut connection = PgConnection::connect_with(&owner).await.context("cannot connect to the database")?;
    MIGRATIONS.run(&mut connection).await.context("the migrations stopped")?;
    keep_audit_for(&mut connection, audit_retention).await.context("retention.audit was not written")?;
    if service.get_username() != owner.get_username() {
        let role = service.get_username();
        grant(&mut connection, role).await.with_context(|| format!("the role {role} got no rights"))?;
    }
    Ok(MIGRATIONS.iter().count())
}

/// Writes how long the audit is kept: the owner's to say, and not the service's.
async fn keep_audit_for(connection: &mut PgConnection, retention: Duration) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO audit_retention (retention) VALUES (make_interval(secs => $1))
         ON CONFLICT (is_only) DO UPDATE SET retention = excluded.retention",
    )
    .bind(retention.as_secs_f64())
    .execute(connection)
    .await?;
    Ok(())
}

/// Lends the service's role what it needs and no more: it may not change the audit, nor the schema.
async fn grant(connection: &mut PgConnection, role: &str) -> sqlx::Result<()> {
    // `format('%I')` quotes the name; GRANT takes no parameters.
    sqlx::query("SELECT set_config('sandi.service_role', $1, false)").bind(role).execute(&mut *connection).await?;
    sqlx::raw_sql(
        "DO $$
         DECLARE
             service text := quote_ident(current_setting('sandi.service_role'));
         BEGIN
             -- One at a time, for two that change the same rights at once stop each other.
             PERFORM pg_advisory_xact_lock(hashtext('identity migrate'));
             EXECUTE 'GRANT USAGE ON SCHEMA ' || quote_ident(current_schema()) || ' TO ' || service;
             EXECUTE 'GRANT SELECT, INSERT, UPDATE ON organizations, users TO ' || service;
             EXECUTE 'GRANT SELECT, INSERT, UPDATE, DELETE ON reset_requests, resets, outbox, delivery_attempts,
                      idempotency_keys, guesses TO ' || service;
             -- The database says when: a row of a month without a partition would stand in that month's way.
             EXECUTE 'REVOKE INSERT ON audit_events FROM ' || service;
             EXECUTE 'GRANT SELECT, INSERT (event_id, action, outcome, cause, caller, actor_user_id, user_id,
                      organization_id, reason, subject_digest, trace_id, ip_prefix) ON audit_events TO ' || service;
             EXECUTE 'GRANT SELECT ON audit_retention, _sqlx_migrations TO ' || service;
             EXECUTE 'GRANT EXECUTE ON FUNCTION maintain_audit_partitions(), maintain_audit_partitions(interval)
                      TO ' || service;
         END
         $$",
    )
    .execute(connection)
    .await?;
    Ok(())
}
