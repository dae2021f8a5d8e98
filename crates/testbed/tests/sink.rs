//! The SMTP sink, spoken to as a mailer would.

use std::time::Duration;

use testbed::{
    ports,
    smtp::{Act, Phase, Rule, Sink, read_mail},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const MAIL: &str = "EHLO me\r\nMAIL FROM:<a@a.example> SIZE=10\r\nRCPT TO:<b@b.example>\r\nDATA\r\n";

/// Sends lines, one at a time, and gives the replies' codes.
async fn talk(sink: &Sink, text: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(sink.address()).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).await.unwrap();
    let last_lines = replies.lines().filter(|line| line.as_bytes().get(3) == Some(&b' '));
    last_lines.map(|line| line[..3].to_owned()).collect()
}

async fn sink() -> Sink {
    Sink::start(ports::loopback(0), None).await.unwrap()
}

#[tokio::test]
async fn a_mail_is_kept_with_its_dots_unstuffed() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Sink::start(ports::loopback(0), Some(folder.path().to_owned())).await.unwrap();
    let replies = talk(&sink, &format!("{MAIL}Subject: hi\r\n\r\n..dot\r\n.\r\nQUIT\r\n")).await;
    assert_eq!(replies, ["220", "250", "250", "250", "354", "250", "221"]);

    let mail = sink.wait_for(Duration::from_secs(1), |mails| mails.first().cloned()).await.unwrap();
    assert_eq!(mail.data, b"Subject: hi\r\n\r\n.dot\r\n");
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let read = read_mail(&file).unwrap();
    assert_eq!((read.from, read.to, read.data), ("a@a.example".into(), vec!["b@b.example".into()], mail.data.clone()));
    assert_eq!(mail.subject(), "hi");
}

#[tokio::test]
async fn a_rule_for_one_recipient_leaves_the_others_alone() {
    let sink = sink().await;
    sink.script(Rule::reply(Phase::Recipient, 550, "5.1.1 no such mailbox").to("b@b.example").times(1));
    let other = MAIL.replace("b@b", "c@c");
    assert_eq!(talk(&sink, &other).await.last().unwrap(), "354");
    assert_eq!(talk(&sink, MAIL).await, ["220", "250", "250", "550", "503"]);
    assert_eq!(talk(&sink, MAIL).await.last().unwrap(), "354", "once was enough");
}

#[tokio::test]
async fn a_mail_refused_after_its_dot_is_not_kept() {
    let sink = sink().await;
    sink.script(Rule::reply(Phase::Final, 451, "4.3.0 later").times(1));
    let text = format!("{MAIL}\r\nx\r\n.\r\n");
    assert_eq!(talk(&sink, &text).await.last().unwrap(), "451");
    assert!(sink.mails().is_empty());
    assert_eq!(talk(&sink, &text).await.last().unwrap(), "250");
    assert_eq!(sink.mails().len(), 1);
}

#[tokio::test]
async fn a_mail_may_be_kept_without_a_word() {
    let sink = sink().await;
    sink.script(Rule::at(Phase::Final, Act::KeepAndDrop));
    let replies = talk(&sink, &format!("{MAIL}\r\nx\r\n.\r\nQUIT\r\n")).await;
    assert_eq!(replies.last().unwrap(), "354");
    assert_eq!(sink.mails().len(), 1);
    assert_eq!(sink.journal().last().unwrap().code, None);
}

#[tokio::test]
async fn a_server_that_says_421_hangs_up() {
    let sink = sink().await;
    sink.script(Rule::reply(Phase::Banner, 421, "4.3.2 not now"));
    assert_eq!(talk(&sink, "").await, ["421"]);
}
