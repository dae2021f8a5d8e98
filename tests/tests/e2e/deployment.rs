//! What `deploy/` holds, tried: the secrets and the users that compose makes.

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
