//! The one screen that `up` prints.

use std::{io::IsTerminal, path::Path, time::Duration};

use testbed::ports::Port;

use super::{seed, start::Started};
use crate::{language::Language, place};

/// The screen's text.
pub fn text(started: &Started, directory: &Path, took: Duration, detached: bool) -> String {
    let words = Language::of_environment().pick(ID, EN);
    let ports = &started.ports;
    let short = place::short(directory);
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (bold, plain) = if colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let all = |ports: &[Port], show: fn(&Port) -> String| ports.iter().map(show).collect::<Vec<_>>().join("  ");

    let mut text = format!("{bold}Sandi {}{plain}   {} {short}\n\n", env!("CARGO_PKG_VERSION"), words.scope);
    let mut row = |name: &str, value: String, remark: &str| {
        let line = format!("  {name:<12} {value:<33} {remark}");
        text += line.trim_end();
        text.push('\n');
    };
    row(words.pages, started.environment.get("SANDI_GATEWAY_URL").unwrap_or_default().to_owned(), words.log_in);
    row("gRPC", all(&ports.grpc, |port| port.address().to_string()), words.grpc);
    row(words.mailbox, format!("http://{}", ports.page.address()), words.every_mail);
    row(
        "RabbitMQ",
        format!("http://{}", ports.management.address()),
        &words.rabbitmq.replace("{env}", &format!("{short}/env")),
    );
    row("PostgreSQL", ports.postgres.address().to_string(), &words.database.replace("{env}", &format!("{short}/env")));
    let admins: Vec<Port> =
        ports.identity_admin.iter().chain(&ports.mailer_admin).chain([&ports.gateway_admin]).copied().collect();
    let others: Vec<String> = admins[1..].iter().map(|port| format!(":{}/metrics", port.number)).collect();
    row(words.metrics, format!("http://{}/metrics", admins[0].address()), &others.join("  "));
    row(words.logs, format!("{short}/log"), &format!("{} {short}/*.toml", words.settings));
    for moved in moved(started) {
        let remark = words.moved.replace("{usual}", &moved.usual.to_string());
        text += &format!("  {}\n", remark.replace("{number}", &moved.number.to_string()));
    }

    text += &format!("\n  {:<17} ", "Kopi Nusantara");
    let people = seed::PEOPLE.map(|person| {
        let role = words.role(person.role);
        format!("{:<6} {role:<8} {}", person.name, person.address.unwrap_or(words.no_address))
    });
    text += &people.join(&format!("\n  {:<17} ", ""));
    text += &format!("\n  {}  {}\n\n", words.password, seed::PASSWORD);

    text += &format!("{bold}{}{plain}\n", words.try_it);
    for (number, (command, remark)) in words.commands.iter().enumerate() {
        text += &format!("  {}  cargo xtask {command:<22} {remark}\n", number + 1);
    }
    let seconds = format!("{:.1}", took.as_secs_f32());
    let end = if detached { words.detached } else { words.attached };
    text += &format!("\n{}\n", end.replace("{seconds}", &seconds).replace("{env}", &format!("{short}/env")));
    text
}

/// The ports that had to give way.
fn moved(started: &Started) -> Vec<Port> {
    let ports = &started.ports;
    let single =
        [ports.gateway, ports.gateway_admin, ports.page, ports.smtp, ports.postgres, ports.amqp, ports.management];
    let all = ports.grpc.iter().chain(&ports.identity_admin).chain(&ports.mailer_admin).chain(&single);
    all.copied().filter(|port| port.moved()).collect()
}

struct Words {
    scope: &'static str,
    pages: &'static str,
    log_in: &'static str,
    grpc: &'static str,
    mailbox: &'static str,
    every_mail: &'static str,
    rabbitmq: &'static str,
    database: &'static str,
    metrics: &'static str,
    logs: &'static str,
    settings: &'static str,
    moved: &'static str,
    member: &'static str,
    no_address: &'static str,
    password: &'static str,
    try_it: &'static str,
    commands: [(&'static str, &'static str); 4],
    attached: &'static str,
    detached: &'static str,
}

impl Words {
    fn role(&self, role: &'static str) -> &'static str {
        if role == "member" { self.member } else { role }
    }
}

const EN: Words = Words {
    scope: "demo on this machine only; data in",
    pages: "Pages",
    log_in: "log in here; links in mails lead here",
    grpc: "plain text, reflection on",
    mailbox: "Mailbox",
    every_mail: "every mail lands here",
    rabbitmq: "login in {env}",
    database: "URL in {env}",
    metrics: "Metrics",
    logs: "Logs",
    settings: "settings",
    moved: "port {usual} is taken, {number} serves instead",
    member: "member",
    no_address: "no address on file",
    password: "password of all three:",
    try_it: "Try",
    commands: [
        ("demo request budi", "ask for a reset; the link arrives in the mailbox"),
        ("demo complete budi", "open the newest link, set a new password"),
        ("demo login budi", "log in with it;  then:  demo why wayan"),
        ("demo --help", "the other journeys; each shows its `buf curl` line"),
    ],
    attached: "Ready in {seconds} s.  Ctrl-C stops everything.",
    detached: "Ready in {seconds} s.  `. {env}` for a shell;  `cargo xtask down` stops everything.",
};

const ID: Words = Words {
    scope: "demo di mesin ini saja; data di",
    pages: "Halaman",
    log_in: "masuk di sini; tautan di email mengarah ke sini",
    grpc: "tanpa TLS, reflection aktif",
    mailbox: "Kotak surat",
    every_mail: "semua email masuk ke sini",
    rabbitmq: "data masuk di {env}",
    database: "URL di {env}",
    metrics: "Metrik",
    logs: "Log",
    settings: "pengaturan",
    moved: "port {usual} sudah dipakai, diganti {number}",
    member: "anggota",
    no_address: "tanpa alamat email",
    password: "kata sandi ketiganya:",
    try_it: "Coba",
    commands: [
        ("demo request budi", "minta atur ulang; tautannya tiba di kotak surat"),
        ("demo complete budi", "buka tautan terbaru, buat kata sandi baru"),
        ("demo login budi", "masuk dengannya;  lalu:  demo why wayan"),
        ("demo --help", "perjalanan lain; masing-masing menampilkan baris `buf curl`"),
    ],
    attached: "Siap dalam {seconds} detik.  Ctrl-C menghentikan semuanya.",
    detached: "Siap dalam {seconds} detik.  `. {env}` untuk shell;  `cargo xtask down` menghentikan semuanya.",
};
