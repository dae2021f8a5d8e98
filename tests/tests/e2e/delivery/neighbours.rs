//! Nobody waits for somebody else's slow domain or broken mail server.

use std::collections::BTreeMap;

use e2e::{Act, Entry, Person, Phase, Rule, World, world::Program};
use futures::future::join_all;
use proto::identity::v1::DeliveryState;
use testbed::{ports, smtp::Sink};

use super::relay;
use crate::{
    crowd::{address, all_ask, all_mailed, all_sent, crowd},
    metrics,
    waiting::until,
};

#[tokio::test]
async fn a_slow_domain_has_its_share_of_connections_and_keeps_nobody_else() {
    let world = World::build().wide_limits().set("mailer.smtp.command_timeout=2m").start().await;
    let kopi = world.organization("kopi").await;
    let slow: Vec<String> = (1..=16).map(|number| format!("lambat{number}")).collect();
    let address_of = |name: &String| format!("{name}@lambat.example");
    join_all(slow.iter().map(|name| world.user(&kopi, Person::named(name).email(&address_of(name)).password(""))))
        .await;
    for name in &slow {
        // For longer than the mailer waits for an answer.
        world.script(Rule::at(Phase::Recipient, Act::Silence).to(address_of(name)));
    }
    let quick = crowd(&world, &kopi, 8).await;
    let slow_requests = all_ask(&world, &slow).await;
    until("the slow ones have their share", async || (hanging(&world.sink().journal()) == 3).then_some(())).await;
    let requests = all_ask(&world, &quick).await;
    all_sent(&world, &requests).await;
    assert_eq!(hanging(&world.sink().journal()), 3, "all but one of four connections");
    // Who finds no place is tried again later, and nobody is blamed.
    for request in slow_requests.values() {
        let state = world.resets_of(request).await[0].delivery_state();
        let waits = [DeliveryState::Pending, DeliveryState::Queued, DeliveryState::Deferred];
        assert!(waits.contains(&state), "{state:?}");
    }
}

fn hanging(journal: &[Entry]) -> usize {
    journal.iter().filter(|entry| entry.phase == Phase::Recipient && entry.code.is_none()).count()
}

/// A world with two mail servers of its own, in order of preference.
async fn two_relays() -> (World, u16, Sink, Sink) {
    let port = ports::free();
    let (first, second) = (relay(port).await, relay(ports::free()).await);
    let mut builder = World::build().wide_limits().set(format!("mailer.smtp.relays.0.port={port}"));
    for setting in ["host=127.0.0.1".to_owned(), "tls=none".to_owned(), format!("port={}", second.address().port())] {
        builder = builder.set(format!("mailer.smtp.relays.1.{setting}"));
    }
    (builder.start().await, port, first, second)
}

#[tokio::test]
async fn the_second_mail_server_stands_in_while_the_first_one_fails() {
    let (world, port, first, second) = two_relays().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 9).await;
    let send = async |names: &[String]| {
        let requests: BTreeMap<_, _> = all_ask(&world, names).await;
        all_sent(&world, &requests).await;
    };
    send(&names[..3]).await;
    assert_eq!((first.mails().len(), second.mails().len()), (3, 0), "by preference");
    drop(first);
    send(&names[3..6]).await;
    assert_eq!(second.mails().len(), 3);
    assert_eq!(world.admin(Program::Mailer, 0, "/readyz").status, 200, "one of two is enough");

    let first = relay(port).await;
    until("the first one is noticed", async || {
        let up = metrics::sum(&world, Program::Mailer, "sandi_mailer_relay_up", &format!("127.0.0.1:{port}"));
        (up >= 1.0).then_some(())
    })
    .await;
    send(&names[6..]).await;
    assert_eq!((first.mails().len(), second.mails().len()), (3, 3));
}

#[tokio::test]
async fn what_one_mail_server_says_of_a_recipient_is_not_asked_of_another() {
    let (world, _port, first, second) = two_relays().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 4).await;
    first.script(Rule::reply(Phase::Recipient, 550, "5.1.1 no such mailbox").to(address(&names[0])));
    first.script(Rule::reply(Phase::Recipient, 450, "4.2.1 later").to(address(&names[1])));
    // This says nothing of any recipient.
    first.script(Rule::reply(Phase::Mail, 451, "4.3.2 not now").times(1));
    let requests = all_ask(&world, &names[2..3]).await;
    all_sent(&world, &requests).await;
    assert_eq!(second.mails_to(&address(&names[2])).len(), 1);
    let requests = all_ask(&world, &names[..2]).await;
    world.reset_in(&requests[&names[0]], DeliveryState::Bounced).await;
    world.reset_in(&requests[&names[1]], DeliveryState::Deferred).await;
    let requests = all_ask(&world, &names[3..]).await;
    all_sent(&world, &requests).await;
    let heard = |name: &String| second.journal().iter().any(|entry| entry.recipient == Some(address(name)));
    assert!(!heard(&names[0]) && !heard(&names[1]));
}

#[tokio::test]
async fn copies_of_one_event_among_others_make_one_mail_each() {
    let mut world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.kill(Program::Mailer, 0);
    let names = crowd(&world, &kopi, 10).await;
    let requests = all_ask(&world, &names).await;
    for request in requests.values() {
        world.reset_in(request, DeliveryState::Queued).await;
    }
    let identity = world.broker_as_identity().await;
    let frames = world.broker().await.peek("mailer.requests").await;
    // The first one a hundred times in all, the others a few times, in between.
    for round in 0..99 {
        let other = &frames[round % frames.len()];
        for frame in [&frames[0]].into_iter().chain((round < 30).then_some(other)) {
            let properties = frame.properties.clone();
            assert!(identity.publish("identity.events", &frame.routing_key, &frame.body, properties).await);
        }
    }
    world.start_again(Program::Mailer, 0);
    all_mailed(&world, &names).await;
    all_sent(&world, &requests).await;
    world.broker().await.wait_ready("mailer.requests", 0).await;
    assert!(world.terminate(Program::Mailer, 0).success());
    assert_eq!(world.sink().mails().len(), 10);
}
