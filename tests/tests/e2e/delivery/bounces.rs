//! Bounces that come later, as a mail server pipes them in.

use std::{io::Write, process::Stdio};

use e2e::{Person, World, world::Program};
use proto::identity::v1::{AddressState, DeliveryState};

use super::told;

/// What the command said, and its exit code.
type Said = (i32, String);

/// Pipes a mail into the command, as a mail server does.
fn pipe(world: &World, arguments: &[&str], mail: &str) -> Said {
    pipe_by(world, &world.path("mailer.toml").display().to_string(), arguments, mail)
}

/// As [`pipe`], with settings from elsewhere.
fn pipe_by(world: &World, settings: &str, arguments: &[&str], mail: &str) -> Said {
    let program = world.sandi().plan().programs.join("mailer");
    let mut child = std::process::Command::new(program)
        .arg("bounce")
        .args(arguments)
        .args(["--config", settings])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the mailer can be run");
    // It may refuse to read on.
    let _ = child.stdin.take().expect("it is piped").write_all(mail.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
}

fn notification(to: &str, action: &str, status: &str, message_id: &str) -> String {
    format!(
        "From: MAILER-DAEMON@relay.example\nTo: <{to}>\nSubject: Undelivered\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\nContent-Type: text/plain\n\nSorry.\n\
         --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; relay.example\n\n\
         Final-Recipient: rfc822; budi@kopi.example\nAction: {action}\nStatus: {status}\n\
         Remote-MTA: dns; mx.kopi.example\nDiagnostic-Code: smtp; 550 {status} no such mailbox\n\n\
         --b\nContent-Type: text/rfc822-headers\n\nMessage-ID: {message_id}\n\n--b--\n"
    )
}

/// A world in which Budi's mail was sent; with the request, its envelope sender and its Message-ID.
async fn sent() -> (World, String, String, String) {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Sent).await;
    let mail = world.mail_to("budi@kopi.example").await;
    let id = mail.header("Message-ID").expect("every mail has one");
    let id = format!("<{}>", id.trim_matches(['<', '>']));
    (world, request, mail.from.clone(), id)
}

async fn address_of_budi(world: &World) -> AddressState {
    world.find_user("budi").await.address.expect("it is told").state()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_finds_its_mail_by_the_address_it_came_to() {
    let (world, request, sender, _) = sent().await;
    let (code, said) = pipe(&world, &[], &notification(&sender, "failed", "5.1.1", "<other@elsewhere.example>"));
    assert_eq!(code, 0, "{said}");
    let bounced = world.reset_in(&request, DeliveryState::Bounced).await;
    assert_eq!(told(&bounced.attempts[0]), (DeliveryState::Bounced, "bounce", 550, "5.1.1"));
    assert_eq!((bounced.attempts.len(), bounced.attempts[0].relay.as_str()), (1, "mx.kopi.example"));
    assert_eq!(address_of_budi(&world).await, AddressState::Undeliverable);
    // The link may be in somebody's hands all the same.
    let token = &world.sink().mails()[0].tokens()[0];
    assert!(world.complete_reset(token, "awan putih di atas ladang 3").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_that_came_to_another_address_finds_its_mail_by_the_message_id() {
    let (world, request, _, id) = sent().await;
    let file = world.path("bounce.eml");
    std::fs::write(&file, notification("postmaster@sandi.example", "failed", "5.2.2", &id)).expect("it is written");
    let (code, said) = pipe(&world, &[&file.display().to_string()], "");
    assert_eq!(code, 0, "{said}");
    world.reset_in(&request, DeliveryState::Bounced).await;
    assert_eq!(address_of_budi(&world).await, AddressState::Ok, "a full mailbox is no wrong address");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_bounce_of_ours_changes_nothing() {
    let (world, request, sender, id) = sent().await;
    let failed = |to: &str| notification(to, "failed", "5.1.1", &id);
    let forged = format!("{}aaaaaaaa@sandi.example", &sender[..sender.find('@').expect("an address") - 8]);
    let untagged = format!("{}@sandi.example", &sender[..sender.find('@').expect("an address") - 9]);
    let elsewhere = notification("a@b.example", "failed", "5.1.1", "<01935a01-0000-7000-8000-000000000002@b.example>");
    for (mail, exit) in [
        (failed(&forged), 65),
        (failed(&untagged), 65),
        (elsewhere, 65),
        ("Subject: away\n\nI am on holiday.\n".to_owned(), 65),
        (String::new(), 65),
        (notification(&sender, "delayed", "4.4.1", &id), 0),
        (notification(&sender, "delivered", "2.0.0", &id), 0),
    ] {
        let (code, said) = pipe(&world, &[], &mail);
        assert_eq!(code, exit, "{said}\n{mail}");
    }
    world.broker().await.wait_ready("identity.mail-status", 0).await;
    let reset = world.resets_of(&request).await.remove(0);
    assert_eq!((reset.delivery_state(), reset.attempts.len()), (DeliveryState::Sent, 1));
    assert_eq!(address_of_budi(&world).await, AddressState::Ok);

    // The address may be passed beside the mail; and what cannot be told now is to be tried again.
    let bare = notification("unknown@b.example", "failed", "5.1.1", "<x@y.example>");
    let url = world.path("away");
    std::fs::write(&url, "amqp://nobody:nothing@127.0.0.1:1/none\n").expect("it is written");
    let away = format!("--set=amqp.url_file={}", url.display());
    let (code, said) = pipe(&world, &["--recipient", &sender, &away], &bare);
    assert_eq!(code, 75, "{said}");
    for amiss in [["--set=smtp.unknown=1"], ["--set=amqp.ca_file=/nowhere"], ["--no-such-argument"], ["/no/such/file"]]
    {
        let (code, said) = pipe(&world, &amiss, &bare);
        assert_eq!(code, 75, "{amiss:?}: {said}");
    }
    let (code, said) = pipe_by(&world, "/no/such/settings.toml", &[], &bare);
    assert_eq!(code, 75, "{said}");
    let (code, said) = pipe(&world, &["--recipient", &sender], &bare);
    assert_eq!(code, 0, "{said}");
    world.reset_in(&request, DeliveryState::Bounced).await;
    assert!(!world.log(Program::Identity, 0).contains("budi@kopi.example"));
}
