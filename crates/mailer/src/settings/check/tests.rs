use std::fs;
use std::path::Path;

use messaging::keys::generate;
use rstest::rstest;
use runtime::{Random, SeededRandom};
use tempfile::TempDir;
use time::OffsetDateTime;

use secrecy::ExposeSecret as _;

use super::*;

/// A directory with keys of both sides, a password and the broker's URL.
fn files() -> TempDir {
    let directory = TempDir::new().unwrap();
    for (role, seed) in [(Role::Mailer, 1), (Role::Identity, 2)] {
        let random = SeededRandom::new(seed);
        generate(directory.path(), role, OffsetDateTime::UNIX_EPOCH, &|bytes| random.fill(bytes)).unwrap();
    }
    fs::write(directory.path().join("password"), "rahasia\n").unwrap();
    fs::write(directory.path().join("amqp-url"), "amqp://mailer:hush@localhost/sandi\n").unwrap();
    directory
}

fn good(directory: &Path) -> String {
    let at = |name: &str| directory.join(name).display().to_string();
    format!(
        r#"
        [amqp]
        url_file = "{}"
        [keys]
        directory = "{}"
        [[smtp.relays]]
        host = "relay.example"
        username = "mailer"
        password_file = "{}"
        [mail]
        from = "akun@mail.kopi.example"
        bounce_address = "bounces@mail.kopi.example"
        "#,
        at("amqp-url"),
        at(""),
        at("password"),
    )
}

fn checked(text: &str) -> Result<Checked, String> {
    let settings: Settings = toml::from_str(text).map_err(|error| error.to_string())?;
    settings.check().map_err(|failure| failure.to_string())
}

#[test]
fn good_settings_have_usual_values_where_nothing_is_said() {
    let files = files();
    let checked = checked(&good(files.path())).unwrap();
    let relay = &checked.relays[0];
    assert_eq!((relay.host.as_str(), relay.port, relay.connections), ("relay.example", 587, 4));
    assert!(matches!(relay.tls, Tls::StartTls(..)));
    let (username, password) = relay.login.as_ref().unwrap();
    assert_eq!((username.as_str(), password.expose_secret()), ("mailer", "rahasia"));
    assert_eq!(checked.letterhead.message_id_domain, "mail.kopi.example");
}

#[rstest]
#[case("host = \"relay.example\"", "host = \"\"", "smtp.relays.0.host")]
#[case("host = \"relay.example\"", "host = \"not a host\"", "smtp.relays.0.host")]
#[case("host = \"relay.example\"", "host = \"r.example\"\nport = 0", "smtp.relays.0.port")]
#[case("host = \"relay.example\"", "host = \"r.example\"\nconnections = 0", "smtp.relays.0.connections")]
#[case("host = \"relay.example\"", "host = \"r.example\"\ntls = \"none\"", "smtp.relays.0.tls")]
#[case("host = \"relay.example\"", "host = \"r.example\"\nca_file = \"/nowhere\"", "smtp.relays.0.ca_file")]
#[case("[mail]", "[smtp]\nconnections_per_domain = 0\n[mail]", "smtp.connections_per_domain")]
#[case("[mail]", "[smtp]\ncommand_timeout = \"0s\"\n[mail]", "smtp.command_timeout")]
#[case("[mail]", "[smtp]\nfinal_timeout = \"6m\"\n[mail]", "smtp.final_timeout")]
#[case("username = \"mailer\"", "", "smtp.relays.0.username")]
#[case("password\"\n", "nothing\"\n", "smtp.relays.0.password_file")]
#[case("akun@mail.kopi.example", "akun", "mail.from")]
#[case("akun@mail.kopi.example", "büdi@mail.kopi.example", "mail.from")]
#[case("bounces@mail.kopi.example", "", "mail.bounce_address")]
#[case("bounces@", "a-very-long-name-for-a-bounce-address@", "mail.bounce_address")]
#[case("[mail]", "[mail]\nreply_to = \"x\"", "mail.reply_to")]
#[case("[mail]", "[mail]\nmessage_id_domain = \"a b\"", "mail.message_id_domain")]
#[case("amqp-url", "nothing", "amqp.url_file")]
#[case("url_file = ", "url = \"amqp://mailer:hush@h/\"\nurl_file = ", "amqp.url")]
#[case("[keys]\n        directory = ", "[keys]\ndirectory = \"/nowhere\"\n# ", "keys.directory")]
#[case("[keys]\n        directory = ", "[keys]\n# ", "keys.directory")]
fn a_mistake_is_named_by_its_setting_and_no_secret_is_shown(
    #[case] from: &str,
    #[case] to: &str,
    #[case] setting: &str,
) {
    let files = files();
    let text = good(files.path());
    assert!(text.contains(from), "{from}");
    let error = checked(&text.replacen(from, to, 1)).err().expect("a mistake");
    assert!(error.starts_with(&format!("{setting}: ")), "{error}");
    assert!(!error.contains("rahasia") && !error.contains("hush") && !error.contains('\n'));
}

#[test]
fn all_mistakes_are_named_at_once() {
    let error = checked("").err().unwrap();
    for setting in ["amqp.url", "keys.directory", "smtp.relays", "mail.from", "mail.bounce_address"] {
        assert!(error.contains(setting), "{setting} is missing in: {error}");
    }
}

#[test]
fn plain_text_and_the_built_in_login_are_for_development() {
    let files = files();
    let open = good(files.path())
        .replace("username = \"mailer\"", "tls = \"none\"")
        .lines()
        .filter(|line| !line.contains("password_file") && !line.contains("url_file"))
        .collect::<Vec<_>>()
        .join("\n")
        .replace("[amqp]", "[amqp]\nurl = \"amqp://guest:guest@localhost\"");
    assert!(checked(&format!("development = true\n{open}")).is_ok());
    let error = checked(&open).err().unwrap();
    assert!(error.contains("amqp.url") && error.contains("smtp.relays.0.tls"), "{error}");
}

#[test]
fn a_login_never_goes_without_tls() {
    let files = files();
    let text = good(files.path()).replace("host = ", "tls = \"none\"\nhost = ");
    let error = checked(&format!("development = true\n{text}")).err().unwrap();
    assert!(error.starts_with("smtp.relays.0.tls: a login"), "{error}");
}
