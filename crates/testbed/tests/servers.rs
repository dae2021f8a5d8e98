//! The private servers: real ones, on throw-away data.

use testbed::{
    ports,
    postgres::{self, Postgres},
    rabbitmq::{self, RabbitMq},
};

#[test]
fn postgres_outlives_a_crash_with_its_roles_and_databases() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let mut postgres = Postgres::start(postgres::Options {
        directory: postgres::reachable_directory(&folder.path().join("postgres")).unwrap(),
        log: folder.path().join("postgres.log"),
        port: ports::free(),
        durable: true,
        small_disk: None,
    })
    .unwrap();
    let server = postgres.server().clone();
    server.create_database("first", None).unwrap();
    server.query("first", "CREATE TABLE t (n int); INSERT INTO t VALUES (7)").unwrap();
    server.create_database("second", Some("first")).unwrap();

    postgres.kill();
    postgres.restart().unwrap();
    assert_eq!(server.query("second", "SELECT n FROM t").unwrap(), "7\n");
    assert!(server.dump("second").unwrap().contains("CREATE TABLE public.t"));
    server.drop_database("first").unwrap();
    assert!(server.query("first", "SELECT 1").is_err());
    postgres.stop().unwrap();
}

#[test]
fn rabbitmq_outlives_a_crash_with_its_virtual_hosts_and_users() {
    let folder = tempfile::tempdir().unwrap();
    let mut rabbitmq = RabbitMq::start(rabbitmq::Options {
        directory: folder.path().join("rabbitmq"),
        log: folder.path().join("log"),
        amqp: ports::free(),
        management: ports::free(),
    })
    .unwrap();
    let server = rabbitmq.server().clone();
    server.create_vhost("one").unwrap();

    rabbitmq.kill();
    rabbitmq.restart().unwrap();
    let rights = server.api("GET", "vhosts/one/permissions", None).unwrap();
    for user in ["sandi", "sandi_identity", "sandi_mailer"] {
        assert!(rights.body.contains(&format!("\"{user}\"")), "{}", rights.body);
    }
    server.delete_vhost("one").unwrap();
    server.delete_vhost("one").unwrap();
}
