//! Beginning and end of `serve`.

use std::time::{Duration, Instant};

use e2e::{World, wire::Call, world::Program};
use serde_json::json;

use super::run::Run;

#[tokio::test]
async fn asked_to_end_both_programs_end_soon_and_with_success() {
    let mut world = World::start().await;
    let wire = world.wire().await;
    for program in [Program::Mailer, Program::Identity] {
        let begin = Instant::now();
        let status = world.terminate(program, 0);
        assert_eq!(status.code(), Some(0), "{}", program.name());
        assert!(begin.elapsed() < Duration::from_secs(10), "{}: {:?}", program.name(), begin.elapsed());
        let log = world.log(program, 0);
        let last = log.lines().last().expect("it logs");
        assert!(last.contains("ends") && !log.contains("\"ERROR\""), "{log}");
    }
    // The old connection was told, and a new one finds nobody.
    let late = wire.try_call(Call::of("GetUser", json!({"username": "x"}))).await;
    assert!(late.is_err(), "{late:?}");
    world.start_again(Program::Identity, 0);
    world.start_again(Program::Mailer, 0);
    assert!(world.terminate(Program::Identity, 0).success());
}

#[tokio::test]
async fn calls_under_way_end_before_the_program_does() {
    let mut world = World::build().mailers(0).start().await;
    let wire = world.wire().await;
    let mut holder = world.database().await.begin().await.expect("a transaction");
    sqlx::query("LOCK TABLE users").execute(&mut *holder).await.expect("the table is ours");
    let waiting = tokio::spawn({
        let call = Call::of("GetUser", json!({"username": "x"})).bearer(world.token("crm"));
        let wire = wire.clone();
        async move { wire.call(call).await.refusal().reason }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let ended = tokio::task::spawn_blocking(move || world.terminate(Program::Identity, 0));
    tokio::time::sleep(Duration::from_millis(300)).await;
    holder.rollback().await.expect("the table is theirs again");
    assert_eq!(waiting.await.expect("it is answered"), "USER_NOT_FOUND");
    assert!(ended.await.expect("it ends").success());
}

#[tokio::test]
async fn a_port_in_use_is_named_and_nothing_starts() {
    let world = World::start().await;
    let identity = &world.sandi().plan().identities[0];
    let free = |setting: &str| format!("{setting}=127.0.0.1:0");
    for (program, setting, port, other) in [
        (Program::Identity, "grpc.listen", identity.grpc.port(), Some("admin.listen")),
        (Program::Identity, "admin.listen", identity.admin.port(), Some("grpc.listen")),
        (Program::Mailer, "admin.listen", world.sandi().plan().mailers[0].port(), None),
    ] {
        let run = Run::set_up(&world, program, &["serve"]);
        let ended = other.into_iter().fold(run, |run, other| run.set(&free(other))).go();
        assert_eq!(ended.code, Some(1), "{setting}: {ended:?}");
        assert_eq!(ended.err.trim_end().lines().count(), 1, "{}", ended.err);
        for word in [program.name(), setting, &format!("127.0.0.1:{port}"), "in use"] {
            assert!(ended.err.contains(word), "{word} in {}", ended.err);
        }
        assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    }
}

#[tokio::test]
async fn the_first_line_says_what_runs_and_where() {
    let world = World::start().await;
    let identity = &world.sandi().plan().identities[0];
    for (program, ports) in [
        (Program::Identity, vec![identity.grpc.to_string(), identity.admin.to_string()]),
        (Program::Mailer, vec![world.sandi().plan().mailers[0].to_string()]),
    ] {
        let log = world.log(program, 0);
        let first: serde_json::Value = serde_json::from_str(log.lines().next().expect("it logs")).expect("it is JSON");
        let text = first.to_string();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let settings = format!("{}.toml", program.name());
        for word in ports.iter().chain([&version, &settings]) {
            assert!(text.contains(word), "{word} in {text}");
        }
        for line in log.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} is JSON"));
            for field in ["timestamp", "level", "target", "message", "service.name"] {
                assert!(line[field].is_string(), "{field} in {line}");
            }
        }
    }
}
