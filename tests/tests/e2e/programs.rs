//! The two programs as an operator meets them: commands, settings, exit codes.

mod broker_tls;
mod certificates;
mod commands;
mod database_tls;
mod front;
mod keys;
mod post;
mod run;
mod settings;
mod shutdown;
pub mod tls;

use e2e::{World, world::Program};

use run::Run;

/// Every command, with an example in its help or in that of the whole program.
const COMMANDS: [(Program, &[&str]); 30] = [
    (Program::Identity, &[]),
    (Program::Identity, &["serve"]),
    (Program::Identity, &["migrate"]),
    (Program::Identity, &["check-config"]),
    (Program::Identity, &["keys"]),
    (Program::Identity, &["keys", "generate"]),
    (Program::Identity, &["organization"]),
    (Program::Identity, &["organization", "create"]),
    (Program::Identity, &["organization", "list"]),
    (Program::Identity, &["user"]),
    (Program::Identity, &["user", "create"]),
    (Program::Identity, &["user", "list"]),
    (Program::Identity, &["user", "show"]),
    (Program::Mailer, &[]),
    (Program::Mailer, &["serve"]),
    (Program::Mailer, &["check-config"]),
    (Program::Identity, &["version"]),
    (Program::Mailer, &["version"]),
    (Program::Mailer, &["parked", "list"]),
    (Program::Mailer, &["parked", "show"]),
    (Program::Mailer, &["parked", "replay"]),
    (Program::Mailer, &["parked", "discard"]),
    (Program::Identity, &["parked", "list"]),
    (Program::Identity, &["parked", "show"]),
    (Program::Identity, &["parked", "replay"]),
    (Program::Identity, &["parked", "discard"]),
    (Program::Mailer, &["bounce"]),
    (Program::Mailer, &["send-test"]),
    (Program::Mailer, &["doctor"]),
    (Program::Mailer, &["preview"]),
];

#[tokio::test]
async fn every_command_explains_itself_with_an_example() {
    let world = World::build().mailers(0).start().await;
    for (program, command) in COMMANDS {
        let what = format!("{} {}", program.name(), command.join(" "));
        for flag in ["--help", "-h"] {
            let help = Run::of(&world, program).args(command).args(&[flag]).go();
            assert_eq!((help.code, help.err.as_str()), (Some(0), ""), "{what} {flag}");
            assert!(help.out.contains("Usage:"), "{what} {flag}: {}", help.out);
        }
        let help = Run::of(&world, program).args(command).args(&["--help"]).go().out;
        let groups = [&["keys"][..], &["organization"], &["user"]];
        if !groups.contains(&command) {
            let example = format!("{} {}", program.name(), command.join(" "));
            assert!(help.contains("Example") && help.contains(example.trim_end()), "{what}: {help}");
        }
        if command.is_empty() {
            for code in ["0 done", "1 failed", "2 wrong usage", "78 wrong settings"] {
                assert!(help.contains(code), "{what}: {help}");
            }
        }
    }
}

#[tokio::test]
async fn the_version_is_told_to_people_and_to_programs() {
    let world = World::build().mailers(0).start().await;
    for program in [Program::Identity, Program::Mailer] {
        let line = Run::of(&world, program).args(&["--version"]).go().out;
        let (name, version) = line.trim_end().split_once(' ').expect("a name and a version");
        assert_eq!(name, program.name());
        assert!(version.split('.').count() == 3, "{version}");
        assert_eq!(Run::of(&world, program).args(&["version"]).go().out, line);
        let json = Run::of(&world, program).args(&["version", "--json"]).go().out;
        let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!((json["service"].as_str(), json["version"].as_str()), (Some(name), Some(version)));
    }
}

#[tokio::test]
async fn wrong_usage_ends_with_2_and_says_how_it_is_used() {
    let world = World::build().mailers(0).start().await;
    let wrong: [(Program, &[&str]); 12] = [
        (Program::Identity, &[]),
        (Program::Identity, &["sreve"]),
        (Program::Identity, &["serve", "--prot", "1"]),
        (Program::Identity, &["serve", "now"]),
        (Program::Identity, &["keys", "generate", "--role", "gateway"]),
        (Program::Identity, &["organization", "create", "--slug", "x"]),
        (Program::Identity, &["user", "create", "--organization", "x", "--username", "y", "--role", "king"]),
        (Program::Identity, &["user", "show"]),
        (Program::Mailer, &[]),
        (Program::Mailer, &["send"]),
        (Program::Mailer, &["preview", "--kind", "spam"]),
        (Program::Mailer, &["parked", "show", "first"]),
    ];
    for (program, arguments) in wrong {
        let ended = Run::of(&world, program).args(arguments).go();
        assert_eq!(ended.code, Some(2), "{} {arguments:?}: {}", program.name(), ended.err);
        assert!(ended.err.contains("--help") || ended.err.contains("Usage:"), "{arguments:?}: {}", ended.err);
    }
}
