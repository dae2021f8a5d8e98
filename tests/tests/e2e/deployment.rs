//! What `deploy/` holds, tried: the secrets and the users that compose makes.

mod containers;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use messaging::topology::{Declares, Permissions, Side, permissions};

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)
}

/// Runs compose's first service.
fn set_up(folder: &Path) -> String {
    fs::create_dir_all(folder).expect("a folder can be made");
    let output = Command::new("bash").arg(deploy("compose/setup.sh")).arg(folder).output().expect("bash is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

#[test]
fn the_brokers_users_have_the_rights_that_the_programs_need_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    set_up(folder.path());
    let text = fs::read_to_string(folder.path().join("servers/users.json")).expect("it is made");
    let definitions: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    for (user, side) in [("sandi_identity", Side::Identity), ("sandi_mailer", Side::Mailer)] {
        let Permissions { configure, write, read } = permissions(side, Declares::Programs);
        let expected = serde_json::json!({
            "user": user, "vhost": "sandi", "configure": configure, "write": write, "read": read,
        });
        let given = definitions["permissions"].as_array().expect("a list");
        assert!(given.contains(&expected), "{user}: {given:?}");
    }
}

/// The sources of the programs, and of what they are made of.
const PROGRAMS: [&str; 5] = ["identity", "mailer", "gateway", "messaging", "runtime"];

#[test]
fn the_run_book_explains_every_warning_and_error_that_the_programs_log() {
    let run_book = fs::read_to_string(deploy("README.md")).expect("it is there");
    let mut lines = 0;
    for program in PROGRAMS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(program).join("src");
        for file in sources(&folder) {
            for line in warnings(&fs::read_to_string(&file).expect("it can be read")) {
                assert!(run_book.contains(&format!("`{line}`")), "{}: `{line}` is not explained", file.display());
                lines += 1;
            }
        }
    }
    assert!(lines > 40, "{lines} lines");
}

/// The files of a folder and those below it, without tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("there are sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            found.push(path);
        }
    }
    found
}

/// The texts of `tracing::warn!` and `tracing::error!`: the last string of each.
fn warnings(source: &str) -> Vec<String> {
    let calls = ["tracing::warn!(", "tracing::error!("].into_iter().flat_map(|name| source.split(name).skip(1));
    calls.map(|call| last_string(call).replace("\\\n", "").split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The last string before the parenthesis that closes the call.
fn last_string(call: &str) -> &str {
    let (mut depth, mut begin, mut last) = (1, None, "");
    for (at, letter) in call.char_indices() {
        match (letter, begin) {
            ('"', Some(from)) => (begin, last) = (None, &call[from..at]),
            ('"', None) => begin = Some(at + 1),
            ('(', None) => depth += 1,
            (')', None) => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    last
}
