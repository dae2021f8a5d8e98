//! Looking into the database.

use sqlx::{PgPool, Row, postgres::PgPoolOptions};

use crate::World;

impl World {
    /// A connection pool with the owner's rights.
    ///
    /// # Panics
    /// When the database is away.
    pub async fn database(&self) -> PgPool {
        let url = &self.sandi.plan().servers.database_owner;
        PgPoolOptions::new().max_connections(4).connect(url).await.expect("the database answers")
    }

    /// How many rows each table has, by name. Partitions count for themselves.
    ///
    /// # Panics
    /// When the database is away.
    pub async fn row_counts(&self) -> Vec<(String, i64)> {
        let database = self.database().await;
        // One query over all tables: xpath reads the count that query_to_xml made of each.
        let rows = sqlx::query(
            "SELECT relname::text AS name,
                    (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %s', oid::regclass),
                                                         false, true, '')))[1]::text::bigint AS count
             FROM pg_class
             WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
             ORDER BY relname",
        )
        .fetch_all(&database)
        .await
        .expect("the tables are read");
        rows.iter().map(|row| (row.get("name"), row.get("count"))).collect()
    }

    /// The whole database as SQL text, as `pg_dump` writes it.
    ///
    /// # Panics
    /// When `pg_dump` fails.
    pub fn dump(&self) -> String {
        self.postgres().dump(self.database_name()).unwrap_or_else(|error| panic!("{error:#}"))
    }
}
