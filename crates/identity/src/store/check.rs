//! Whether the database can be worked with.

use std::time::Duration;

use super::{Result, Store, StoreError, migrate};

/// A database that reads may still be unable to write: asks the server for 140 KB of a temporary file, some pages more
/// than a statement of ours ever needs at once. Costs 2 ms of a core and leaves nothing behind. The settings hold for
/// these statements only, which are one transaction; without a tablespace the file stands on the disk of the tables.
const ROOM: &str = "SET LOCAL work_mem = '64kB';
                    SET LOCAL temp_tablespaces = '';
                    SELECT count(*) FROM generate_series(1, 10000)";

impl Store {
    /// Whether the database answers, takes writes, and has every migration this program needs; a newer one is as good.
    ///
    /// # Errors
    /// One line for the health page.
    pub async fn check(&self) -> std::result::Result<(), String> {
        // Read-only after a failover to a replica, or by an operator's order.
        let found: Result<(Option<i64>, bool)> = sqlx::query_as(
            "SELECT max(version), current_setting('transaction_read_only')::boolean
             FROM _sqlx_migrations WHERE success",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(StoreError::from);
        match found {
            Ok((_, true)) => Err("the database is read-only".into()),
            Ok((newest, false)) if newest >= migrate::newest() => Ok(()),
            Err(StoreError::Unavailable(_)) => Err("the database is away".into()),
            _ => Err("the database is not at this version; run `identity migrate`".into()),
        }
    }

    /// Whether there is room on the database's disk. Reads go on without, and writes too for as long as their pages
    /// have room, each one less likely than the one before.
    ///
    /// # Errors
    /// One line for the health page.
    pub async fn check_room(&self) -> std::result::Result<(), String> {
        match sqlx::raw_sql(ROOM).execute(&self.pool).await.map_err(StoreError::from) {
            Ok(_) => Ok(()),
            Err(error) if error.is_of_full_disk() => Err("the database's disk is full".into()),
            Err(StoreError::Unavailable(_)) => Err("the database is away".into()),
            Err(error) => {
                // Rights or limits that an operator set: no reason to serve nobody.
                tracing::debug!(error = &error as &dyn std::error::Error, "the database's disk cannot be looked at");
                Ok(())
            }
        }
    }

    /// How the audit is kept.
    ///
    /// # Errors
    /// The database's.
    pub async fn audit_keeping(&self) -> Result<AuditKeeping> {
        let (ours, seconds): (bool, Option<f64>) = sqlx::query_as(
            "SELECT has_table_privilege('audit_events', 'UPDATE, DELETE, TRUNCATE'),
                    (SELECT extract(epoch FROM retention)::float8 FROM audit_retention)",
        )
        .fetch_one(&self.pool)
        .await?;
        let retention = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok(AuditKeeping { is_ours_to_change: ours, retention })
    }
}

/// How the database keeps the audit.
pub struct AuditKeeping {
    /// Whether the service's role could change or delete it.
    pub is_ours_to_change: bool,
    /// For how long; none: for ever.
    pub retention: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use crate::store::SESSION;

    #[test]
    fn sessions_through_a_pooler_have_the_same_settings() {
        let roles = include_str!("../../../../deploy/postgresql/roles.sql");
        for (name, value) in SESSION {
            let line = format!("ALTER ROLE sandi_identity IN DATABASE sandi SET {name} = '{value}';");
            assert!(roles.contains(&line), "deploy/postgresql/roles.sql lacks: {line}");
        }
    }
}
