//! `identity keys`.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use e2e::{World, world::Program};

use super::run::{Ended, Run};

/// Files with their content.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it can be listed"));
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())).collect()
}

fn generate(world: &World, role: &str, folder: &Path) -> Ended {
    let folder = folder.display().to_string();
    Run::of(world, Program::Identity).args(&["keys", "generate", "--role", role, "--directory", &folder]).go()
}

#[tokio::test]
async fn keys_are_made_anew_each_time_and_nothing_is_overwritten() {
    let world = World::build().mailers(0).start().await;
    let scratch = tempfile::tempdir().expect("a folder can be made");
    let folder = scratch.path().join("new/folder");
    let first = generate(&world, "identity", &folder);
    assert_eq!((first.code, first.err.as_str()), (Some(0), ""));
    let made = files(&folder);
    let names: Vec<_> = made.keys().map(String::as_str).collect();
    assert!(
        matches!(names[..], ["digest.key", key, public]
        if key.starts_with("identity-") && key.ends_with(".key") && public == key.replace(".key", ".pub")),
        "{names:?}"
    );
    for (name, text) in &made {
        let key = text.lines().last().expect("it has a line");
        assert_eq!(key.len(), 44, "{name}: 32 bytes in base64");
        assert_eq!(text.starts_with("# made 20"), name != "digest.key", "{name} says when it was made");
        let mode = fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert!(mode == if name.ends_with(".key") { 0o600 } else { 0o644 }, "{name} has mode {mode:o}");
        assert!(!first.out.contains(key), "what was made is not shown");
    }
    let second = generate(&world, "identity", &folder);
    assert_eq!(second.code, Some(0), "{}", second.err);
    let both = files(&folder);
    assert_eq!(both.len(), 5, "another pair, and the same digest.key: {:?}", both.keys());
    assert!(made.iter().all(|(name, text)| both.get(name) == Some(text)), "the first ones are as they were");
    let mailers = generate(&world, "mailer", &folder);
    assert_eq!(mailers.code, Some(0), "{}", mailers.err);
    assert_eq!(files(&folder).keys().filter(|name| name.starts_with("mailer-")).count(), 2);
}

#[tokio::test]
async fn keys_go_where_the_settings_say_or_nowhere() {
    let world = World::build().mailers(0).start().await;
    let before = files(&world.path("keys/identity")).len();
    let ended = Run::set_up(&world, Program::Identity, &["keys", "generate"]).go();
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(files(&world.path("keys/identity")).len(), before + 2);
    let nowhere = Run::of(&world, Program::Identity).args(&["keys", "generate"]).go();
    assert_eq!(nowhere.code, Some(78));
    assert!(nowhere.err.contains("keys.directory"), "{}", nowhere.err);
    let unwritable = generate(&world, "identity", Path::new("/proc/no/such/folder"));
    assert_eq!(unwritable.code, Some(1), "{}", unwritable.err);
    assert!(unwritable.err.contains("/proc/no/such/folder"), "{}", unwritable.err);
}

#[tokio::test]
async fn keys_are_listed_and_taken_out_of_use_but_never_the_last() {
    let world = World::build().mailers(0).start().await;
    let scratch = tempfile::tempdir().expect("a folder can be made");
    let folder = scratch.path().display().to_string();
    generate(&world, "identity", scratch.path());
    let run = |arguments: &[&str]| {
        Run::of(&world, Program::Identity).args(&["keys"]).args(arguments).args(&["--directory", &folder]).go()
    };
    let listed = || -> Vec<serde_json::Value> {
        let ended = run(&["list", "--json"]);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
        serde_json::from_str(&ended.out).expect("it is JSON")
    };
    let first = listed();
    assert_eq!((first.len(), &first[0]["state"]), (1, &"seals".into()));
    let id = first[0]["id"].as_str().expect("it has an id").to_owned();
    let refused = run(&["retire", &id]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("is the only identity key here that is not retired"), "{}", refused.err);

    generate(&world, "identity", scratch.path());
    let states = |keys: &[serde_json::Value]| keys.iter().map(|key| key["state"].to_string()).collect::<Vec<_>>();
    assert_eq!(states(&listed()), [r#""seals""#, r#""opens""#]);
    let retired = run(&["retire", &id]);
    assert_eq!(retired.code, Some(0), "{}", retired.err);
    assert!(retired.out.contains("it seals no more"), "{}", retired.out);
    assert_eq!(states(&listed()), [r#""retired""#, r#""seals""#]);
    let table = run(&["list"]).out;
    assert!(table.lines().count() == 3 && table.contains("needed until"), "{table}");
    let unknown = run(&["retire", "0000000000000000"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("no key 0000000000000000"), "{}", unknown.err);
}
