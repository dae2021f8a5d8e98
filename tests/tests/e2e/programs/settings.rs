//! Settings: good ones are taken from each layer, and wrong ones are named before anything starts.

use std::{fs, path::Path, time::Duration};

use e2e::{World, world::Program};

use super::{
    run::{Run, settings_file},
    tls::Authority,
};

/// What stands in for a secret, in a wrong place or a right one. It must never come back.
const SECRET: &str = "geheim-7Qk2";
/// The longest time a wrong setting may take to be told.
const SOON: Duration = Duration::from_secs(2);

/// One wrong thing.
struct Wrong {
    /// The setting that is named, or whatever else tells where to look.
    named: &'static str,
    /// What else is said.
    said: &'static str,
    settings: Vec<String>,
    environment: Vec<(&'static str, String)>,
    file: Option<String>,
}

impl Wrong {
    fn naming(named: &'static str) -> Self {
        Self { named, said: "", settings: Vec::new(), environment: Vec::new(), file: None }
    }

    fn set(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }

    fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    fn file(mut self, text: impl Into<String>) -> Self {
        self.file = Some(text.into());
        self
    }

    fn says(mut self, said: &'static str) -> Self {
        self.said = said;
        self
    }
}

/// A setting and a value that it does not take.
fn set(named: &'static str, value: &str) -> Wrong {
    Wrong::naming(named).set(format!("{named}={value}"))
}

/// Both programs' log, telemetry, admin port, broker and files.
fn common(good: &str, scratch: &Path) -> Vec<Wrong> {
    let empty = write(scratch, "empty", "");
    let url = format!("{}-url", write(scratch, "amqp", "x"));
    vec![
        set("log.format", "xml"),
        set("log.level", "loud"),
        set("log.lvl", "info").says("did you mean log.level?"),
        set("telemetry.sample_ratio", "2"),
        set("telemetry.otlp_endpoint", "nowhere at all"),
        set("admin.listen", "localhost"),
        set("admin.listen", "127.0.0.1:99999"),
        set("development", "maybe"),
        set("nonsense", "1"),
        Wrong::naming("amqp.url_file").set(format!("amqp.url_file={url}")).says("No such file"),
        Wrong::naming("amqp.url_file").set(format!("amqp.url_file={empty}")).says("empty"),
        Wrong::naming("amqp.url").set(format!("amqp.url=amqp://u:{SECRET}@h/v")).says("url_file"),
        Wrong::naming("ampq").set(format!("ampq.url=amqp://u:{SECRET}@h/v")).says("did you mean amqp?"),
        Wrong::naming("keys.directory").set("keys.directory="),
        Wrong::naming("keys.directory").set(format!("keys.directory={}", scratch.join("nowhere").display())),
        Wrong::naming("keys.directory")
            .set(format!("keys.directory={}", folder(scratch, "no-keys")))
            .says("keys generate"),
        Wrong::naming("--set").set("log.level"),
        Wrong::naming("--set").set(format!("={SECRET}")),
        Wrong::naming("line 1").file(format!("password = {SECRET}\"\n{good}")),
        Wrong::naming("log.level").file(format!("{good}\n[log]\nlevel = [\"{SECRET}\"]\n")),
    ]
}

fn identity(world: &World, good: &str, scratch: &Path) -> Vec<Wrong> {
    let keys = |name: &str, leave_out: &str| {
        let folder = folder(scratch, name);
        for entry in fs::read_dir(world.path("keys/identity")).expect("it is there").flatten() {
            let file = entry.file_name().into_string().expect("names of ours are text");
            if !file.starts_with(leave_out) {
                fs::copy(entry.path(), Path::new(&folder).join(file)).expect("it can be copied");
            }
        }
        folder
    };
    let without_digest_key = keys("without-digest-key", "digest");
    let without_public = keys("without-public", "mailer-");
    let without_private = keys("without-private", "identity-");
    let torn = keys("torn", "digest");
    fs::write(Path::new(&torn).join("digest.key"), SECRET).expect("it can be written");
    let callers = |name: &str, digest: &str, scope: &str| {
        let text = format!("[[callers]]\nname = \"a\"\ntoken_sha256 = [\"{digest}\"]\nscopes = [\"{scope}\"]\n");
        write(scratch, name, &text)
    };
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let garbage = write(scratch, "garbage.pem", SECRET);
    let database = format!("postgres://sandi_identity:{SECRET}@127.0.0.1/sandi");
    let own = Authority::new().issue(world, "settings");
    let mut all = common(good, scratch);
    // What the parser makes of a login that is not whole is the one that every broker comes with.
    for (number, login) in
        ["guest:guest@", "guest:gues%74@", "gues%74:guest@", "guest@", ":guest@", ":@", "", "sandi@", "sandi:@"]
            .into_iter()
            .enumerate()
    {
        let url = write(scratch, &format!("guest-{number}"), &format!("amqp://{login}127.0.0.1/sandi"));
        all.push(
            Wrong::naming("amqp.url")
                .set("development=false")
                .set("grpc.reflection=false")
                .set(format!("grpc.tls.certificate={}", own.certificate.display()))
                .set(format!("grpc.tls.key={}", own.key.display()))
                .set(format!("amqp.url_file={url}"))
                .says("guest"),
        );
    }
    all.extend([
        Wrong::naming("limits.mails_per_minit")
            .file(format!("{good}\n[limits]\nmails_per_minit = 1\n"))
            .says("did you mean limits.mails_per_minute?"),
        Wrong::naming("databse").set(format!("databse.url={database}")).says("did you mean database?"),
        Wrong::naming("grpc.lisen").env("SANDI_IDENTITY__GRPC__LISEN", "127.0.0.1:1").says("did you mean grpc.listen?"),
        Wrong::naming("SANDI_IDENTITY__GRPC__LISEN").env("SANDI_IDENTITY__GRPC__LISEN", "127.0.0.1:1"),
        set("passwords.memory_kib", "8192"),
        set("passwords.memory_kib", "99999999999"),
        set("passwords.iterations", "1"),
        set("passwords.parallelism", "0"),
        set("passwords.max_wait", "0s"),
        set("passwords.threads", "-1"),
        set("resets.self_service_life", "48h"),
        set("resets.self_service_life", "soon"),
        set("resets.self_service_life", "1800"),
        set("resets.admin_life", "25h"),
        set("resets.admin_life", "0s"),
        set("resets.retry_gaps", "[]"),
        set("resets.silence", "0s"),
        set("limits.live_links", "0"),
        set("limits.mails_per_day", "-1"),
        set("limits.caller_per_second", "many"),
        set("retention.audit", "400"),
        set("retention.resets", "0s"),
        set("product_name", ""),
        set("database.max_connections", "0"),
        Wrong::naming("database.url").set(format!("database.url={database}")).says("url_file"),
        Wrong::naming("database.url").file(with_inline_url(good, &format!("mysql://u:{SECRET}@h/d"))),
        Wrong::naming("database.url").file(with_inline_url(good, "")).says("empty"),
        set("database.url_file", "/nowhere/at/all"),
        Wrong::naming("grpc.tls").set("development=false").says("plain text"),
        Wrong::naming("grpc.tls").set("grpc.listen=0.0.0.0:0").says("plain text"),
        set("grpc.listen", "50051"),
        Wrong::naming("grpc.tls").set(format!("grpc.tls.certificate={garbage}")).says("belong together"),
        Wrong::naming("grpc.tls.certificate")
            .set("grpc.tls.certificate=/nowhere/at/all")
            .set(format!("grpc.tls.key={garbage}")),
        Wrong::naming("grpc.tls").set(format!("grpc.tls.certificate={garbage}")).set(format!("grpc.tls.key={garbage}")),
        Wrong::naming("grpc.tls.client_ca").set(format!("grpc.tls.client_ca={garbage}")),
        Wrong::naming("callers.file").set("callers.file="),
        Wrong::naming("callers.file").set("callers.file=/nowhere/at/all"),
        Wrong::naming("callers.file").set(format!("callers.file={}", write(scratch, "nobody", ""))),
        Wrong::naming("callers.file")
            .set(format!("callers.file={}", callers("scope", digest, "password.rest")))
            .says("password.rest"),
        Wrong::naming("callers.file").set(format!("callers.file={}", callers("digest", SECRET, "password.reset"))),
        Wrong::naming("callers.file").set(format!("callers.file={garbage}")),
        Wrong::naming("keys.directory").set(format!("keys.directory={without_digest_key}")).says("digest.key"),
        Wrong::naming("keys.directory").set(format!("keys.directory={without_public}")).says("mailer-"),
        Wrong::naming("keys.directory").set(format!("keys.directory={without_private}")).says("identity-"),
        Wrong::naming("keys.directory").set(format!("keys.directory={torn}")).says("digest.key"),
    ]);
    all
}

/// The file with the service's database URL in it rather than in a file of its own.
fn with_inline_url(good: &str, url: &str) -> String {
    let replaced = |line: &str| match line.ends_with("/database-url\"") {
        true => format!("url = \"{url}\""),
        false => line.to_owned(),
    };
    good.lines().map(replaced).collect::<Vec<_>>().join("\n")
}

fn mailer(world: &World, good: &str, scratch: &Path) -> Vec<Wrong> {
    let foreign = world.path("keys/identity").display().to_string();
    let mut all = common(good, scratch);
    all.extend([
        Wrong::naming("smtp.relais").set("smtp.relais=[]").says("did you mean smtp.relays?"),
        Wrong::naming("smtp.relays.0.hots").set("smtp.relays.0.hots=x").says("did you mean smtp.relays.0.host?"),
        Wrong::naming("smtp.relays.0.tsl").env("SANDI_MAILER__SMTP__RELAYS__0__TSL", "none").says("smtp.relays.0.tls?"),
        Wrong::naming("smtp.relays").set("smtp.relays=[]"),
        set("smtp.relays.0.host", ""),
        set("smtp.relays.0.port", "0"),
        set("smtp.relays.0.port", "70000"),
        set("smtp.relays.0.connections", "0"),
        set("smtp.relays.0.connections", "100000"),
        set("smtp.relays.0.tls", "maybe"),
        Wrong::naming("smtp.relays.1.host").set("smtp.relays.1.tls=implicit"),
        Wrong::naming("smtp.relays.0.tls").set("development=false").says("development"),
        Wrong::naming("smtp.relays.0.password_file").set("smtp.relays.0.username=u").set("smtp.relays.0.tls=starttls"),
        Wrong::naming("smtp.relays.0.username").set("smtp.relays.0.password_file=/x").set("smtp.relays.0.tls=starttls"),
        Wrong::naming("smtp.relays.0.password_file")
            .set("smtp.relays.0.username=u")
            .set("smtp.relays.0.password_file=/nowhere/at/all")
            .set("smtp.relays.0.tls=starttls"),
        Wrong::naming("smtp.relays.0.password").set(format!("smtp.relays.0.password={SECRET}")).says("password_file?"),
        Wrong::naming("smtp.relays.0.ca_file").set("smtp.relays.0.ca_file=/nowhere").set("smtp.relays.0.tls=starttls"),
        set("mail.from", "no-reply"),
        set("mail.from", ""),
        set("mail.reply_to", "a@b@c"),
        set("mail.bounce_address", ""),
        set("mail.bounce_address", &format!("{}@sandi.example", "b".repeat(40))),
        set("mail.message_id_domain", "not a domain"),
        Wrong::naming("keys.directory").set(format!("keys.directory={foreign}")).says("mailer-"),
    ]);
    all
}

fn write(scratch: &Path, name: &str, text: &str) -> String {
    let path = scratch.join(name);
    fs::write(&path, text).expect("it can be written");
    path.display().to_string()
}

fn folder(scratch: &Path, name: &str) -> String {
    let path = scratch.join(name);
    fs::create_dir_all(&path).expect("it can be made");
    path.display().to_string()
}

/// What is wrong with how a program treats a wrong setting.
fn complaint(world: &World, program: Program, command: &str, wrong: &Wrong, file: &Path) -> Option<String> {
    let run = Run::of(world, program).args(&[command, "--config", &file.display().to_string()]);
    let run = wrong.settings.iter().fold(run, |run, setting| run.set(setting));
    let run = wrong.environment.iter().fold(run, |run, (name, value)| run.env(name, value));
    let ended = run.go();
    let line = ended.err.trim_end();
    let right = ended.code == Some(78)
        && ended.out.is_empty()
        && line.lines().count() == 1
        && line.starts_with(&format!("{}: ", program.name()))
        && line.contains(wrong.named)
        && line.contains(wrong.said)
        && !line.contains(SECRET)
        && ended.took < SOON;
    let what = || format!("{} {command} with {:?} {:?}", program.name(), wrong.settings, wrong.environment);
    (!right).then(|| format!("{}: wants {:?} {:?}, gets {ended:?}", what(), wrong.named, wrong.said))
}

async fn each_is_named(program: Program, wrongs: fn(&World, &str, &Path) -> Vec<Wrong>) {
    let world = World::start().await;
    let scratch = tempfile::tempdir().expect("a folder can be made");
    let good = fs::read_to_string(settings_file(&world, program)).expect("it is there");
    let wrongs = wrongs(&world, &good, scratch.path());
    assert!(wrongs.len() >= 25);
    let mut complaints = Vec::new();
    for (index, wrong) in wrongs.iter().enumerate() {
        let file = scratch.path().join(format!("{index}.toml"));
        fs::write(&file, wrong.file.as_deref().unwrap_or(&good)).expect("it can be written");
        complaints.extend(complaint(&world, program, "check-config", wrong, &file));
        complaints.extend(complaint(&world, program, "serve", wrong, &file));
    }
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[tokio::test]
async fn the_identity_service_names_a_wrong_setting_at_once_in_one_line() {
    each_is_named(Program::Identity, identity).await;
}

#[tokio::test]
async fn the_mailer_names_a_wrong_setting_at_once_in_one_line() {
    each_is_named(Program::Mailer, mailer).await;
}

#[tokio::test]
async fn several_wrong_settings_are_named_at_once() {
    let world = World::start().await;
    let ended = Run::set_up(&world, Program::Identity, &["check-config"])
        .set("passwords.iterations=1")
        .set("resets.admin_life=48h")
        .set("limits.live_links=0")
        .go();
    for named in ["passwords.iterations", "resets.admin_life", "limits.live_links"] {
        assert!(ended.err.contains(named), "{}", ended.err);
    }
    let ended = Run::set_up(&world, Program::Mailer, &["check-config"])
        .set("mail.from=x")
        .set("smtp.relays.0.connections=0")
        .go();
    for named in ["mail.from", "smtp.relays.0.connections"] {
        assert!(ended.err.contains(named), "{}", ended.err);
    }
    assert_eq!(ended.err.trim_end().lines().count(), 1);
}

#[tokio::test]
async fn good_settings_are_good_without_a_database_a_broker_or_a_mail_server() {
    let world = World::start().await;
    for program in [Program::Identity, Program::Mailer] {
        let ended = Run::set_up(&world, program, &["check-config"]).go();
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{}", program.name());
        assert!(ended.out.contains("settings are"), "{}", ended.out);
        assert!(ended.took < SOON, "{:?}", ended.took);
    }
    let elsewhere =
        Run::set_up(&world, Program::Mailer, &["check-config"]).set("smtp.relays.0.host=mail.nowhere.example");
    assert_eq!(elsewhere.go().code, Some(0), "nobody is asked for the mail server's address");
}

#[tokio::test]
async fn the_environment_goes_before_the_file_and_the_command_line_before_both() {
    let world = World::start().await;
    let check = |run: Run| run.go().code;
    let identity = || Run::set_up(&world, Program::Identity, &["check-config"]);
    // What is good in one layer and bad in the next tells which one counts.
    let (good, bad) = ("19456", "1");
    let variable = "SANDI_IDENTITY__PASSWORDS__MEMORY_KIB";
    assert_eq!(check(identity().env(variable, good)), Some(0));
    assert_eq!(check(identity().env(variable, bad)), Some(78));
    assert_eq!(check(identity().env(variable, bad).set(&format!("passwords.memory_kib={good}"))), Some(0));
    assert_eq!(check(identity().env(variable, good).set(&format!("passwords.memory_kib={bad}"))), Some(78));
    let twice = identity().set(&format!("passwords.memory_kib={bad}")).set(&format!("passwords.memory_kib={good}"));
    assert_eq!(check(twice), Some(0), "the last one counts");
    // The file itself may be named by the environment; without one there is nothing to run with.
    let file = settings_file(&world, Program::Identity);
    let by_environment =
        Run::of(&world, Program::Identity).args(&["check-config"]).env("SANDI_IDENTITY_CONFIG", file.to_str().unwrap());
    assert_eq!(check(by_environment), Some(0));
    assert_eq!(check(Run::of(&world, Program::Identity).args(&["check-config"])), Some(78));
    // Lists by index, each kind of value, and another program's variables are none of ours.
    let mailer = || Run::set_up(&world, Program::Mailer, &["check-config"]);
    assert_eq!(check(mailer().env("SANDI_MAILER__SMTP__RELAYS__0__CONNECTIONS", "0")), Some(78));
    assert_eq!(check(mailer().env("SANDI_MAILER__SMTP__RELAYS__0__CONNECTIONS", "8")), Some(0));
    assert_eq!(check(mailer().set("smtp.relays.1.host=b.example").set("smtp.relays.1.tls=starttls")), Some(0));
    assert_eq!(check(mailer().env("SANDI_IDENTITY__NONSENSE", "1")), Some(0));
    assert_eq!(check(identity().set("resets.retry_gaps=[\"1s\", \"2s\"]").set("product_name=2024")), Some(0));
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let world = World::start().await;
    for program in [Program::Identity, Program::Mailer] {
        let ended = Run::of(&world, program).args(&["check-config", "--config", "/nowhere/at/all.toml"]).go();
        assert_eq!(ended.code, Some(78));
        assert!(ended.err.contains("/nowhere/at/all.toml"), "{}", ended.err);
        assert_eq!(ended.err.trim_end().lines().count(), 1, "{}", ended.err);
    }
}
