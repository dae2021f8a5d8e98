//! What is measured of the pool, by the names of OpenTelemetry's conventions for database clients.

use std::sync::LazyLock;

use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};
use sqlx::PgPool;

/// The pool's name: there is one.
pub(super) static NAME: LazyLock<[KeyValue; 1]> =
    LazyLock::new(|| [KeyValue::new("db.client.connection.pool.name", "sandi")]);

/// How long callers wait for a connection, the BEGIN of a transaction included.
pub(super) fn wait() -> Histogram<f64> {
    global::meter("sandi")
        .f64_histogram("db.client.connection.wait_time")
        .with_unit("s")
        .with_description("How long a call waited for a connection to the database, its BEGIN included.")
        .build()
}

/// Shows how many connections there are.
pub(super) fn observe(pool: &PgPool, max_connections: u32) {
    let meter = global::meter("sandi");
    let name = NAME[0].clone();
    meter
        .i64_observable_up_down_counter("db.client.connection.max")
        .with_description("Connections to the database that a process may have.")
        .with_callback({
            let name = [name.clone()];
            move |observer| observer.observe(max_connections.into(), &name)
        })
        .build();
    let pool = pool.clone();
    meter
        .i64_observable_up_down_counter("db.client.connection.count")
        .with_description("Connections to the database, used and idle.")
        .with_callback(move |observer| {
            let idle = i64::try_from(pool.num_idle()).unwrap_or(i64::MAX);
            let used = i64::from(pool.size()) - idle;
            for (state, count) in [("used", used), ("idle", idle)] {
                let state = KeyValue::new("db.client.connection.state", state);
                observer.observe(count.max(0), &[name.clone(), state]);
            }
        })
        .build();
}
