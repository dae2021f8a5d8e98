//! `identity migrate`, `identity organization …` and `identity user …`.

use std::process::{Command, Stdio};

use e2e::{World, people::PASSWORD, refused, world::Program};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::run::{Ended, Run};

fn identity(world: &World, arguments: &[&str]) -> Ended {
    Run::set_up(world, Program::Identity, arguments).go()
}

#[track_caller]
fn assert_done(ended: &Ended) -> &str {
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{ended:?}");
    ended.out.trim_end()
}

#[track_caller]
fn assert_failed(ended: &Ended, said: &[&str]) {
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{ended:?}");
    assert_eq!(ended.err.trim_end().lines().count(), 1, "{}", ended.err);
    assert!(ended.err.starts_with("identity: ") && said.iter().all(|said| ended.err.contains(said)), "{}", ended.err);
}

#[tokio::test]
async fn the_database_is_migrated_once_however_often_it_is_asked() {
    let world = World::build().mailers(0).start().await;
    let before = world.dump();
    for _ in 0..2 {
        let ended = identity(&world, &["migrate"]);
        assert!(assert_done(&ended).starts_with("the database is at version"), "{}", ended.out);
    }
    let without_random = |dump: &str| {
        let lines = dump.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_random(&before), without_random(&world.dump()), "nothing changed");
    // An empty database gets everything, also twice at once.
    let name = format!("{}_empty", world.database_name());
    world.postgres().create_database(&name, None).expect("the superuser may");
    let migrate = || {
        Run::set_up(&world, Program::Identity, &["migrate"])
            .env("SANDI_IDENTITY__DATABASE__URL_FILE", &file(&world, "empty-url", &world.postgres().service_url(&name)))
            .env(
                "SANDI_IDENTITY__DATABASE__MIGRATE_URL_FILE",
                &file(&world, "empty-owner-url", &world.postgres().owner_url(&name)),
            )
            .go()
    };
    let (one, other) = std::thread::scope(|scope| {
        let (one, other) = (scope.spawn(migrate), scope.spawn(migrate));
        (one.join().expect("it runs"), other.join().expect("it runs"))
    });
    assert_done(&one);
    assert_done(&other);
    world.postgres().drop_database(&name).expect("the superuser may");
}

fn file(world: &World, name: &str, text: &str) -> String {
    let path = world.path("secrets").join(name);
    std::fs::write(&path, text).expect("it can be written");
    path.display().to_string()
}

#[tokio::test]
async fn organisations_and_users_are_made_listed_and_shown() {
    let world = World::build().mailers(0).start().await;
    let organization = identity(
        &world,
        &[
            "organization",
            "create",
            "--slug",
            "kopi",
            "--display-name",
            "Kopi Nusantara",
            "--link-base",
            "https://kopi.example/akun",
            "--locale",
            "en",
            "--min-length",
            "12",
        ],
    );
    let organization_id: Uuid = assert_done(&organization).parse().expect("an id and nothing else");
    let listed = identity(&world, &["organization", "list"]);
    let line = assert_done(&listed);
    for word in [organization_id.to_string().as_str(), "kopi", "active", "Kopi Nusantara"] {
        assert!(line.contains(word), "{line}");
    }

    let create = |name: &str| {
        let arguments =
            ["user", "create", "--organization", "kopi", "--username", name, "--email", "Sari@Kopi.example"];
        Run::set_up(&world, Program::Identity, &arguments).args(&["--role", "owner", "--password-file", "-"])
    };
    let user = create("Sari").input(&format!("{PASSWORD}\n")).go();
    let user_id: Uuid = assert_done(&user).parse().expect("an id and nothing else");
    world.log_in("sari", PASSWORD).await.expect("one line end is not part of the password");
    assert_eq!(world.find_user("sari").await.email, "sari@kopi.example");
    let shown = identity(&world, &["user", "show", "SARI"]);
    let text = assert_done(&shown);
    for word in [user_id.to_string().as_str(), organization_id.to_string().as_str(), "sari", "kopi", "owner", "active"]
    {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert!(!text.contains("sari@kopi.example") && !text.contains("argon2"), "{text}");
    assert_done(&identity(&world, &["user", "create", "--organization", "kopi", "--username", "budi"]));
    let listed = identity(&world, &["user", "list", "--organization", "kopi"]);
    let lines: Vec<_> = assert_done(&listed).lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("budi") && lines[1].contains("sari"), "{lines:?}");
    assert_eq!(refused(world.log_in("budi", PASSWORD).await).reason, "PASSWORD_MISMATCH", "he has none yet");

    // What goes over gRPC goes no other way here.
    let weak = create("dewi").input("kopi\n").go();
    assert_failed(&weak, &["12"]);
    assert!(!weak.err.contains("kopi\n"));
    assert_failed(&create("sari").input(&format!("{PASSWORD}\n")).go(), &["taken"]);
    assert_failed(&create("a b").input(&format!("{PASSWORD}\n")).go(), &["--username"]);
    assert_failed(&identity(&world, &["user", "show", "nobody"]), &["no such user"]);
    assert_failed(&identity(&world, &["user", "list", "--organization", "teh"]), &["no such organisation"]);
    let no_file = ["user", "create", "--organization", "kopi", "--username", "x", "--password-file", "/nowhere"];
    assert_failed(&identity(&world, &no_file), &["/nowhere"]);
}

#[tokio::test]
async fn links_begin_with_https() {
    let world = World::build().mailers(0).start().await;
    let create = |slug: &str, link_base: &str, settings: &[&str]| {
        let arguments = ["organization", "create", "--slug", slug, "--display-name", "Kopi", "--link-base", link_base];
        let run = Run::set_up(&world, Program::Identity, &arguments);
        settings.iter().fold(run, |run, setting| run.set(setting)).go()
    };
    assert_failed(&create("a", "http://kopi.example", &[]), &["--link-base", "https"]);
    assert_failed(&create("a", "http://127.0.0.1.evil.example", &[]), &["--link-base", "https"]);
    assert_failed(&create("a", "javascript:alert(1)", &[]), &["--link-base"]);
    assert_done(&create("b", "http://127.0.0.1:8080/akun", &[]));
    // Outside of development mode also on loopback.
    let certificates = super::tls::Authority::new().issue(&world, "commands");
    let [certificate, key] = [certificates.certificate, certificates.key].map(|path| path.display().to_string());
    let production = [
        "development=false".to_owned(),
        "grpc.reflection=false".to_owned(),
        format!("grpc.tls.certificate={certificate}"),
        format!("grpc.tls.key={key}"),
    ];
    let production: Vec<_> = production.iter().map(String::as_str).collect();
    assert_failed(&create("c", "http://127.0.0.1:8080/akun", &production), &["--link-base", "https"]);
    assert_done(&create("c", "https://127.0.0.1:8443/akun", &production));
    let listed = identity(&world, &["organization", "list"]);
    assert_eq!(assert_done(&listed).lines().count(), 2);
}

#[tokio::test]
async fn commands_say_when_the_database_is_away() {
    let world = World::build().mailers(0).start().await;
    let nowhere = file(&world, "nowhere", "postgres://sandi_identity:geheim-7Qk2@127.0.0.1:1/sandi\n");
    for arguments in [&["organization", "list"][..], &["user", "show", "x"], &["migrate"]] {
        let ended = Run::set_up(&world, Program::Identity, arguments)
            .set(&format!("database.url_file={nowhere}"))
            .set(&format!("database.migrate_url_file={nowhere}"))
            .go();
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.err);
        assert_eq!(ended.err.trim_end().lines().count(), 1, "{}", ended.err);
        assert!(ended.err.contains("database"), "{}", ended.err);
        assert!(!ended.err.contains("geheim"), "{}", ended.err);
    }
}

#[tokio::test]
async fn the_services_role_cannot_rewrite_the_audit_or_touch_the_schema() {
    let world = World::build().mailers(0).start().await;
    let kopi = world.organization("kopi").await;
    refused(world.log_in("nobody", PASSWORD).await);
    let url = &world.sandi().plan().servers.database;
    let mut service = PgConnection::connect(url).await.expect("the service's role may connect");
    let audited: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_events").fetch_one(&mut service).await.unwrap();
    assert!(audited > 0);
    let partition: String = sqlx::query_scalar("SELECT tableoid::regclass::text FROM audit_events LIMIT 1")
        .fetch_one(&mut service)
        .await
        .unwrap();
    for statement in [
        "UPDATE audit_events SET outcome = 'ok'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events",
        &format!("UPDATE {partition} SET outcome = 'ok'"),
        &format!("DELETE FROM {partition}"),
        &format!("TRUNCATE {partition}"),
        &format!("DROP TABLE {partition}"),
        &format!("ALTER TABLE audit_events DETACH PARTITION {partition}"),
        "CREATE TABLE mine (x int)",
        "CREATE TABLE public.mine (x int)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE EXTENSION pg_stat_statements",
        "UPDATE audit_retention SET retention = '30 days'",
        "DELETE FROM audit_retention",
        "INSERT INTO audit_events (event_id, event_time, action, outcome, caller)
         VALUES (gen_random_uuid(), '2999-01-01', 'mine', 'ok', 'me')",
        "ALTER TABLE users ADD COLUMN x int",
        "ALTER TABLE users DISABLE TRIGGER ALL",
        "DROP TABLE users",
        "TRUNCATE users",
        "CREATE INDEX ON users (display_name)",
        "COMMENT ON TABLE users IS 'mine'",
        "DELETE FROM _sqlx_migrations",
        "UPDATE _sqlx_migrations SET success = false",
        "ALTER ROLE sandi_identity SUPERUSER",
        "SET ROLE postgres",
        "COPY users TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
    ] {
        let error = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut service).await.expect_err(statement);
        let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
        assert!(matches!(code.as_deref(), Some("42501" | "42704")), "{statement}: {error}");
    }
    let still: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_events").fetch_one(&mut service).await.unwrap();
    assert_eq!(still, audited);
    world.user(&kopi, e2e::Person::named("budi").password("")).await;
}

#[tokio::test]
async fn the_owner_alone_says_how_long_the_audit_is_kept() {
    const OLD: &str = "CREATE TABLE audit_events_202401 PARTITION OF audit_events
                       FOR VALUES FROM ('2024-01-01+00') TO ('2024-02-01+00')";
    let world = World::build().mailers(0).start().await;
    let plan = world.sandi().plan().servers.clone();
    let mut owner = PgConnection::connect(&plan.database_owner).await.expect("the owner may connect");
    let mut service = PgConnection::connect(&plan.database).await.expect("the service's role may connect");
    let migrate = async |days: u32| {
        assert_done(
            &Run::set_up(&world, Program::Identity, &["migrate"]).set(&format!("retention.audit={days}d")).go(),
        );
    };
    let is_there = "SELECT to_regclass('audit_events_202401') IS NOT NULL";
    migrate(36500).await;
    sqlx::query(OLD).execute(&mut owner).await.expect("a month of long ago");
    // Also as the release before this one asks.
    for upkeep in ["SELECT maintain_audit_partitions()", "SELECT maintain_audit_partitions('30 days')"] {
        sqlx::query(upkeep).execute(&mut service).await.expect("the service may ask for the upkeep");
        assert!(sqlx::query_scalar::<_, bool>(is_there).fetch_one(&mut owner).await.unwrap(), "{upkeep}");
    }
    migrate(400).await;
    sqlx::query("SELECT maintain_audit_partitions()").execute(&mut service).await.expect("the upkeep");
    assert!(!sqlx::query_scalar::<_, bool>(is_there).fetch_one(&mut owner).await.unwrap());
}

#[tokio::test]
async fn the_doctor_says_when_nothing_protects_the_audit() {
    let world = World::build().start().await;
    let said = world.command(Program::Identity, &["doctor"]).expect("all is well");
    assert!(said.contains("ok       audit: "), "{said}");
    let said = world.command(Program::Identity, &["doctor", "--set=retention.audit=500d"]).expect("all is well");
    assert!(said.contains("warning  audit: ") && said.contains("identity migrate"), "{said}");
    let owner = file(&world, "owner", &world.sandi().plan().servers.database_owner);
    let as_owner = format!("--set=database.url_file={owner}");
    let said = world.command(Program::Identity, &["doctor", &as_owner]).expect("it works");
    assert!(said.contains("warning  audit: ") && said.contains("migrate_url"), "{said}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for (program, arguments) in [
        ("identity", &["completions", "bash"][..]),
        ("mailer", &["completions", "bash"]),
        ("gateway", &["completions", "bash"]),
        ("identity", &["topology", "export"]),
        ("mailer", &["preview", "--kind", "reset", "--format", "eml"]),
    ] {
        // Nobody reads, from the beginning.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(e2e::program(program));
        let ended = command.args(arguments).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).output();
        let ended = ended.expect("it can be started");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!((ended.status.code(), said.as_ref()), (Some(0), ""), "{program} {arguments:?}");
    }
}
