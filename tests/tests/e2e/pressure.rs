//! What must hold when much comes at once, and after much has come.

mod plans;
mod queues;
mod together;

use e2e::{World, world::Program};

/// A world whose database counts the pages that each statement looks at, and vacuums nothing by itself.
async fn counting(settings: &[&str]) -> World {
    let build = World::build().own_database().wide_limits();
    let mut world = settings.iter().fold(build, |build, setting| build.set(*setting)).start().await;
    run(&world, "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'");
    run(&world, "ALTER SYSTEM SET autovacuum = off");
    assert!(world.terminate(Program::Identity, 0).success());
    world.database_process().stop().expect("it stops");
    world.database_process().restart().expect("it starts");
    world.start_again(Program::Identity, 0);
    run(&world, "CREATE EXTENSION pg_stat_statements");
    world
}

/// Runs statements as the superuser, and gives the rows as text.
fn run(world: &World, sql: &str) -> String {
    let rows = world.postgres().query(world.database_name(), sql).unwrap_or_else(|error| panic!("{error:#}"));
    rows.trim().to_owned()
}
