//! A real mail server of another make.

use std::time::Duration;

use e2e::{Person, World, world::Program};
use proto::identity::v1::{AddressState, DeliveryState};
use testbed::postfix::{OURS, PEOPLE, Postfix};

use super::told;
use crate::{
    crowd::address,
    waiting::{until, until_within},
};

/// A mail's way through the server takes it some processes that have to be started first.
const BOUND: Duration = Duration::from_secs(30);

/// Where a part of a mail begins: the link stands behind it.
const BODY: &str = "\n--sandi-";

/// A world that mails through a Postfix of its own, with a user for each of these names.
async fn world(names: [&str; 4]) -> (World, Postfix) {
    let [_, later, none, gone] = names.map(address);
    let postfix = tokio::task::spawn_blocking(move || {
        let refused = [(later.as_str(), "450 4.7.1 come again"), (none.as_str(), "550 5.1.1 no such mailbox")];
        Postfix::start(&refused, &gone)
    });
    let postfix = postfix.await.expect("it runs to its end").expect("Postfix starts");
    let world = World::build()
        .wide_limits()
        .set(format!("mailer.smtp.relays.0.port={}", postfix.port()))
        .set(format!("mailer.mail.bounce_address=bounce@{OURS}"))
        .set(r#"identity.resets.retry_gaps=["2s", "1h"]"#)
        .start()
        .await;
    let kopi = world.organization("kopi").await;
    for name in names {
        world.user(&kopi, Person::named(name).email(&address(name)).password("")).await;
    }
    (world, postfix)
}

#[tokio::test(flavor = "multi_thread")]
async fn postfix_takes_defers_refuses_and_bounces_later_and_each_mail_ends_in_its_state() {
    let (world, postfix) = world(["ada", "nanti", "tiada", "pindah"]).await;
    let [ada, later, none, gone] = [
        world.request_reset("ada").await,
        world.request_reset("nanti").await,
        world.request_reset("tiada").await,
        world.request_reset("pindah").await,
    ];
    let sent = world.reset_in(&ada, DeliveryState::Sent).await;
    assert_eq!(told(&sent.attempts[0]), (DeliveryState::Sent, "final", 250, "2.0.0"));
    let refused = world.reset_in(&none, DeliveryState::Bounced).await;
    assert_eq!(told(&refused.attempts[0]), (DeliveryState::Bounced, "rcpt", 550, "5.1.1"));
    assert_eq!(world.find_user("tiada").await.address.expect("it is told").state(), AddressState::Undeliverable);
    let deferred = until("it is tried again", async || {
        world.resets_of(&later).await.pop().filter(|reset| reset.attempts.len() == 2)
    })
    .await;
    assert_eq!(deferred.delivery_state(), DeliveryState::Deferred);
    assert_eq!(told(&deferred.attempts[1]), (DeliveryState::Deferred, "rcpt", 450, "4.7.1"));
    until_within(BOUND, "the mail is in its mailbox", async || {
        postfix.mails(PEOPLE).ok()?.pop().filter(|mail| mail.contains(BODY))
    })
    .await;

    // This one was taken, and a notification comes back.
    world.reset_in(&gone, DeliveryState::Sent).await;
    let notification = until_within(BOUND, "the notification comes", async || postfix.mails(OURS).ok()?.pop()).await;
    assert!(!notification.contains(BODY), "no live link comes back: {notification}");
    let said = world.sandi().mailer(&["bounce"], &notification).expect("it is a bounce of ours");
    assert!(said.contains("bounced 5.1.1"), "{said}");
    let bounced = world.reset_in(&gone, DeliveryState::Bounced).await;
    assert_eq!(bounced.attempts.len(), 1, "it is the same attempt, better known");
    assert_eq!(told(&bounced.attempts[0]), (DeliveryState::Bounced, "bounce", 0, "5.1.1"));
    let state = async |name| world.find_user(name).await.address.expect("it is told").state();
    assert_eq!(state("pindah").await, AddressState::Undeliverable);
    assert_eq!(state("ada").await, AddressState::Ok, "and no other address");
    assert_eq!(world.admin(Program::Mailer, 0, "/readyz").status, 200, "{}", postfix.last_lines());
}
