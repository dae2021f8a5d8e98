//! The mailer's commands that try the way of the mails: `send-test` and `doctor`.

use e2e::{Act, Phase, Rule, World, world::Program};

#[tokio::test]
async fn a_test_mail_goes_the_real_way_and_says_how_far_it_came() {
    let world = World::start().await;
    let (sent, said) = world.said(Program::Mailer, &["send-test", "budi@kopi.example", "--locale", "en"]).await;
    assert!(sent, "{said}");
    for line in ["connect  ok", "mail     ok", "rcpt     ok", "data     ok", "final    250 2.0.0", "sent"] {
        assert!(said.contains(line), "{line} is not in {said}");
    }
    let mail = world.mail_to("budi@kopi.example").await;
    assert_eq!(mail.subject(), "Reset your Nusa CRM password");
    assert!(mail.from.starts_with("bounce+") && mail.from.ends_with("@sandi.example"), "{}", mail.from);
    assert!(mail.header("Date").is_some() && !said.contains("/reset#"), "{said}");

    world.script(Rule::reply(Phase::Recipient, 550, "5.1.1 no such mailbox"));
    let (sent, said) = world.said(Program::Mailer, &["send-test", "budi@kopi.example"]).await;
    assert!(!sent && said.contains("rcpt     550 5.1.1") && said.contains("bounced"), "{said}");
    world.script(Rule::at(Phase::Banner, Act::Drop));
    let (sent, said) = world.said(Program::Mailer, &["send-test", "budi@kopi.example"]).await;
    assert!(!sent && said.contains("held"), "{said}");
    let (sent, said) = world.said(Program::Mailer, &["send-test", "no address"]).await;
    assert!(!sent && said.contains("the recipient is not an address"), "{said}");
    assert_eq!(world.sink().mails().len(), 1);
}

#[tokio::test]
async fn the_doctor_looks_at_everything_and_sends_no_mail_unless_asked() {
    let world = World::start().await;
    let (well, said) = world.said(Program::Mailer, &["doctor"]).await;
    assert!(well, "{said}");
    for line in ["ok    settings", "ok    keys", "note  clock", "ok    broker", "ok    relay 127.0.0.1"] {
        assert!(said.contains(line), "{line} is not in {said}");
    }
    assert!(world.sink().mails().is_empty());
    let (well, said) = world.said(Program::Mailer, &["doctor", "--send-test", "budi@kopi.example"]).await;
    assert!(well && said.contains("ok    test mail"), "{said}");
    assert_eq!(world.sink().mails().len(), 1);

    world.script(Rule::reply(Phase::Banner, 554, "5.7.1 no service for you"));
    let url = world.path("away");
    std::fs::write(&url, "amqp://nobody:nothing@127.0.0.1:1/none\n").expect("it is written");
    let (well, said) =
        world.said(Program::Mailer, &["doctor", &format!("--set=amqp.url_file={}", url.display())]).await;
    assert!(
        !well && said.contains("BAD   broker") && said.contains("BAD   relay") && said.contains("554 5.7.1"),
        "{said}"
    );
    assert!(said.contains("2 to be mended") && !said.contains("nothing@"), "{said}");
}
