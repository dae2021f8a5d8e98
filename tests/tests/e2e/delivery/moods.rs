//! Every mood of a mail server: what becomes of the mail, what is told, what is counted, and that the
//! others' mails go out meanwhile.

use std::time::Duration;

use e2e::{Act, Builder, Person, Phase, Rule, World, world::Program};
use proto::identity::v1::{DeliveryState, Organization};
use testbed::smtp::Sink;

use super::{relay, told};
use crate::{
    crowd::{address, all_ask, all_sent, crowd},
    metrics,
    waiting::until,
};

/// Short patience, so that silences end within the test.
fn impatient() -> Builder {
    World::build()
        .wide_limits()
        .set("mailer.smtp.connect_timeout=2s")
        .set("mailer.smtp.command_timeout=2s")
        .set("mailer.smtp.final_timeout=2s")
}

const BYTE: Duration = Duration::from_secs(1);

/// What the server does to one recipient, and what becomes of that mail: state, phase, code, enhanced code.
fn towards_one() -> Vec<(Rule, DeliveryState, &'static str, u32, &'static str)> {
    use DeliveryState::{Bounced, Deferred, Unknown};
    let (rcpt, data, last) = (Phase::Recipient, Phase::Data, Phase::Final);
    vec![
        (Rule::reply(rcpt, 450, "4.7.1 greylisted"), Deferred, "rcpt", 450, "4.7.1"),
        (Rule::reply(rcpt, 452, "4.2.2 mailbox full"), Deferred, "rcpt", 452, "4.2.2"),
        (Rule::reply(rcpt, 550, "5.1.1 no such mailbox"), Bounced, "rcpt", 550, "5.1.1"),
        (Rule::reply(last, 554, "5.7.1 looks like spam"), Bounced, "final", 554, "5.7.1"),
        (Rule::at(rcpt, Act::Silence), Deferred, "rcpt", 0, ""),
        (Rule::at(data, Act::Silence), Deferred, "data", 0, ""),
        (Rule::at(last, Act::Silence), Unknown, "final", 0, ""),
        (Rule::at(last, Act::Drop), Unknown, "final", 0, ""),
        (Rule::at(rcpt, Act::Trickle(BYTE)), Deferred, "rcpt", 0, ""),
    ]
}

#[tokio::test]
async fn what_a_server_does_to_one_recipient_is_told_of_that_one_and_keeps_nobody_else() {
    let world = impatient().start().await;
    let kopi = world.organization("kopi").await;
    let moods = towards_one();
    let names = crowd(&world, &kopi, moods.len() + 12).await;
    let (unlucky, others) = names.split_at(moods.len());
    for (name, (rule, ..)) in unlucky.iter().zip(&moods) {
        world.script(rule.clone().to(address(name)));
    }
    let unlucky_requests = all_ask(&world, unlucky).await;
    let requests = all_ask(&world, others).await;
    all_sent(&world, &requests).await;
    for (name, (rule, state, phase, code, enhanced)) in unlucky.iter().zip(&moods) {
        let reset = world.reset_in(&unlucky_requests[name], *state).await;
        assert_eq!(told(&reset.attempts[0]), (*state, *phase, *code, *enhanced), "{rule:?}");
    }
    let counted = |label: &str| metrics::sum(&world, Program::Mailer, "sandi_mailer_attempts_total", label);
    assert_eq!(counted(r#"outcome="deferred""#), 5.0);
    assert_eq!(counted(r#"outcome="unknown""#), 2.0);
    assert_eq!(counted(r#"class="address""#), 1.0);
    assert_eq!(counted(r#"class="policy""#), 1.0);
    assert_eq!(counted(r#"outcome="sent""#), 12.0);
    assert_eq!(metrics::sum(&world, Program::Mailer, "sandi_mailer_relay_up", ""), 1.0);
}

/// A world whose mailer logs in, with TLS, at a mail server of its own.
async fn secured() -> (World, Sink, Organization, tempfile::TempDir) {
    let port = testbed::ports::free();
    let sink = relay(port).await;
    let files = tempfile::tempdir().expect("a folder can be made");
    let file = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    };
    let certificate = sink.encrypt("127.0.0.1").expect("it is an address");
    let relays = "mailer.smtp.relays.0";
    let world = impatient()
        .set(format!("{relays}.port={port}"))
        .set(format!("{relays}.tls=starttls"))
        .set(format!("{relays}.ca_file={}", file("ca.pem", &certificate)))
        .set(format!("{relays}.username=sandi"))
        .set(format!("{relays}.password_file={}", file("password", "rahasia\n")))
        .start()
        .await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    (world, sink, kopi, files)
}

#[tokio::test]
async fn a_server_that_fails_us_holds_mails_until_it_is_mended_and_health_says_why() {
    let (world, sink, _kopi, _files) = secured().await;
    let plain = "sink\n8BITMIME\nENHANCEDSTATUSCODES";
    let moods = [
        (Rule::reply(Phase::Auth, 535, "5.7.8 wrong password"), "auth", "535 5.7.8"),
        (Rule::reply(Phase::Hello, 250, plain), "tls", "does not offer STARTTLS"),
        (Rule::at(Phase::Banner, Act::Silence), "connect", "no answer in time"),
        (Rule::at(Phase::Hello, Act::Silence), "connect", "no answer in time"),
        (Rule::at(Phase::StartTls, Act::Silence), "tls", "no answer in time"),
        (Rule::at(Phase::Auth, Act::Silence), "auth", "no answer in time"),
        (Rule::at(Phase::Banner, Act::Trickle(BYTE)), "connect", "no answer in time"),
    ];
    for (rule, phase, cause) in moods {
        held_until_mended(&world, &sink, |sink| sink.script(rule.clone()), Sink::behave, phase, cause).await;
    }
}

#[tokio::test]
async fn a_server_with_the_wrong_certificate_gets_no_mail() {
    let (world, sink, _kopi, files) = secured().await;
    let other_name = |sink: &Sink| drop(sink.encrypt("mail.example").expect("it is a name"));
    // Its own one comes back only with a restart of the mailer: a new certificate is another authority here.
    sink.script(Rule::at(Phase::Mail, Act::Drop).times(4));
    other_name(&sink);
    let request = world.request_reset("budi").await;
    let held = world.reset_in(&request, DeliveryState::Held).await;
    assert!(held.hold_time.is_some());
    fails(&world, "tls", "certificate").await;
    assert!(sink.mails().is_empty());
    assert!(sink.journal().iter().all(|entry| entry.phase != Phase::Auth || entry.code == Some(235)));
    drop(files);
}

/// Health names the cause, and the metrics the phase.
async fn fails(world: &World, phase: &str, cause: &str) {
    until("health says why", async || {
        let health = world.admin(Program::Mailer, 0, "/readyz");
        (health.status == 503 && health.body.contains(cause)).then_some(())
    })
    .await;
    assert_eq!(metrics::sum(world, Program::Mailer, "sandi_mailer_relay_up", ""), 0.0);
    let label = format!(r#"phase="{phase}""#);
    assert!(metrics::sum(world, Program::Mailer, "sandi_mailer_relay_failures_total", &label) >= 1.0, "{phase}");
}

async fn held_until_mended(
    world: &World,
    sink: &Sink,
    spoil: impl Fn(&Sink),
    mend: impl Fn(&Sink),
    phase: &str,
    cause: &str,
) {
    let before = sink.mails().len();
    // Connections that are open already are of no use either.
    sink.script(Rule::at(Phase::Mail, Act::Drop));
    spoil(sink);
    let request = world.request_reset("budi").await;
    let held = world.reset_in(&request, DeliveryState::Held).await;
    assert!(held.hold_time.is_some(), "{phase}");
    fails(world, phase, cause).await;
    assert!(metrics::sum(world, Program::Mailer, "sandi_mailer_held", "") >= 1.0, "{phase}");
    assert_eq!(sink.mails().len(), before);
    mend(sink);
    let sent = world.reset_in(&request, DeliveryState::Sent).await;
    assert_eq!((sent.hold_time, sent.attempts.len()), (None, 1), "{phase}");
    assert_eq!(sink.mails().len(), before + 1);
    assert_eq!(metrics::sum(world, Program::Mailer, "sandi_mailer_held", ""), 0.0);
}

#[tokio::test]
async fn a_server_that_closes_at_its_banner_defers_mails() {
    let world = impatient().set(r#"identity.resets.retry_gaps=["2s"]"#).start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.script(Rule::at(Phase::Mail, Act::Drop));
    world.script(Rule::reply(Phase::Banner, 421, "4.3.2 closing"));
    let request = world.request_reset("budi").await;
    let deferred = world.reset_in(&request, DeliveryState::Deferred).await;
    assert_eq!(told(&deferred.attempts[0]), (DeliveryState::Deferred, "connect", 421, "4.3.2"));
    world.sink().behave();
    world.reset_in(&request, DeliveryState::Sent).await;
}

#[tokio::test]
async fn a_server_that_falls_silent_at_the_sender_defers_mails() {
    let world = impatient().set(r#"identity.resets.retry_gaps=["2s"]"#).start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.script(Rule::at(Phase::Mail, Act::Silence));
    let request = world.request_reset("budi").await;
    let deferred = world.reset_in(&request, DeliveryState::Deferred).await;
    assert_eq!(told(&deferred.attempts[0]), (DeliveryState::Deferred, "mail", 0, ""));
    world.sink().behave();
    world.reset_in(&request, DeliveryState::Sent).await;
}

#[tokio::test]
async fn a_server_that_refuses_everybody_by_policy_holds_mails_and_fails_none() {
    let world = World::build().wide_limits().set(r#"identity.resets.retry_gaps=["2s"]"#).start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 12).await;
    world.script(Rule::reply(Phase::Recipient, 554, "5.7.1 relay access denied"));
    let requests = all_ask(&world, &names).await;
    fails(&world, "rcpt", "554 5.7.1").await;
    until("mails are held", async || {
        let held = metrics::sum(&world, Program::Mailer, "sandi_mailer_held", "");
        (held >= 3.0).then_some(())
    })
    .await;
    for request in requests.values() {
        let state = world.resets_of(request).await[0].delivery_state();
        // Those that asked whether mails are taken again give up their places.
        let waits = [DeliveryState::Held, DeliveryState::Queued, DeliveryState::Pending, DeliveryState::Deferred];
        assert!(waits.contains(&state), "{state:?}");
    }
    world.sink().behave();
    all_sent(&world, &requests).await;
    assert_eq!(world.sink().mails().len(), 12);
    assert_eq!(world.admin(Program::Mailer, 0, "/readyz").status, 200);
}

#[tokio::test]
async fn letters_beyond_ascii_go_to_servers_that_take_them_and_nowhere_else() {
    let world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("büdi@bücher.example")).await;
    world.script(Rule::at(Phase::Mail, Act::Drop).times(1));
    world.script(Rule::reply(Phase::Hello, 250, "sink\n8BITMIME\nENHANCEDSTATUSCODES"));
    // The connection is not kept: the next one is greeted anew.
    world.script(Rule::at(Phase::Other, Act::Drop));
    let request = world.request_reset("budi").await;
    let bounced = world.reset_in(&request, DeliveryState::Bounced).await;
    assert_eq!(told(&bounced.attempts[0]), (DeliveryState::Bounced, "rcpt", 553, "5.6.7"));

    world.sink().behave();
    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Sent).await;
    assert_eq!(world.sink().mails()[0].to, ["büdi@xn--bcher-kva.example"]);
}
