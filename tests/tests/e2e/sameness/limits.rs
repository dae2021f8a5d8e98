//! The silent limits of one account: they keep a mailbox from being flooded, and never keep a person without a link.

use e2e::{Person, Phase, Rule, World};
use futures::{StreamExt, stream};
use proto::identity::v1::{
    AddressState, DeliveryState, LinkState, NotSentReason, Organization, RequestResetRequest, Role, User,
    request_reset_request::Identifier,
};

use crate::calls::{admin_reset, check_reset, reset_by_id, resets_of_user, settled};

/// What became of a request, once that is known.
async fn fate(world: &World, request: &str) -> (DeliveryState, NotSentReason) {
    let [reset] = &world.resets_of(request).await[..] else { panic!("one reset") };
    (reset.delivery_state(), reset.not_sent_reason())
}

const SENT: (DeliveryState, NotSentReason) = (DeliveryState::Sent, NotSentReason::Unspecified);
const COOLING: (DeliveryState, NotSentReason) = (DeliveryState::NotSent, NotSentReason::CoolingDown);

async fn with_admin(world: &World) -> (Organization, User, User) {
    let kopi = world.organization("kopi").await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin).password("")).await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example").password("")).await;
    (kopi, siti, budi)
}

#[tokio::test]
async fn an_account_is_mailed_once_a_minute_however_often_it_is_asked_for() {
    let world = World::start().await;
    let (kopi, siti, budi) = with_admin(&world).await;
    let mut requests = Vec::new();
    for _ in 0..5 {
        requests.push(world.request_reset("budi").await);
        settled(&world).await;
    }
    let mut fates = Vec::new();
    for request in &requests {
        fates.push(fate(&world, request).await);
    }
    assert_eq!(fates, [SENT, COOLING, COOLING, COOLING, COOLING]);
    assert_eq!(world.sink().mails().len(), 1);

    // An admin's link need not wait, and costs the person nothing.
    for _ in 0..2 {
        let sent = admin_reset(world.gateway(), &siti, &budi).await.expect("an admin may").into_inner();
        world.reset_by_id_in(&sent.reset_id, DeliveryState::Sent).await;
    }
    let dewi = world.user(&kopi, Person::named("dewi").email("dewi@kopi.example").password("")).await;
    let sent = admin_reset(world.gateway(), &siti, &dewi).await.expect("an admin may").into_inner();
    world.reset_by_id_in(&sent.reset_id, DeliveryState::Sent).await;
    let own = world.request_reset("dewi").await;
    settled(&world).await;
    assert_eq!(fate(&world, &own).await, SENT, "an admin's mail a moment ago does not count");
    assert_eq!(world.sink().mails().len(), 5);
}

#[tokio::test]
async fn an_account_has_three_live_links_at_most_and_each_of_them_works() {
    let world = World::build().set("identity.limits.mails_per_minute=1000").start().await;
    let (_, siti, budi) = with_admin(&world).await;
    let mut requests = Vec::new();
    for _ in 0..5 {
        requests.push(world.request_reset("budi").await);
        settled(&world).await;
    }
    let mut fates = Vec::new();
    for request in &requests {
        fates.push(fate(&world, request).await);
    }
    assert_eq!(fates, [SENT, SENT, SENT, COOLING, COOLING]);
    let fourth = admin_reset(world.gateway(), &siti, &budi).await.expect("an admin may").into_inner();
    world.reset_by_id_in(&fourth.reset_id, DeliveryState::Sent).await;
    assert_eq!(reset_by_id(&world, &fourth.reset_id).await.link_state(), LinkState::Live);

    let tokens: Vec<String> =
        world.mails_to("budi@kopi.example", 4).await.iter().flat_map(|mail| mail.tokens()).collect();
    assert_eq!(tokens.len(), 4);
    for token in &tokens {
        check_reset(&world, token).await.expect("every one of them works");
    }
    world.complete_reset(&tokens[0], "awan putih di atas ladang 3").await.expect("also the oldest");
    let again = world.request_reset("budi").await;
    settled(&world).await;
    assert_eq!(fate(&world, &again).await, SENT, "links that are over make room");
}

#[tokio::test]
async fn a_mail_that_bounced_does_not_count() {
    let world = World::start().await;
    with_admin(&world).await;
    let refusal = Rule::reply(Phase::Recipient, 550, "5.1.1 no such mailbox").to("budi@kopi.example");
    world.script(refusal.times(2));
    for _ in 0..2 {
        let request = world.request_reset("budi").await;
        let reset = world.reset_in(&request, DeliveryState::Bounced).await;
        assert_eq!((reset.attempts.len(), reset.attempts[0].smtp_code), (1, 550));
        assert_eq!(reset.attempts[0].enhanced_code, "5.1.1");
        settled(&world).await;
        let address = world.find_user("budi").await.address.unwrap();
        assert_eq!(address.state(), AddressState::Undeliverable, "the admin and support can see it");
    }

    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Sent).await;
    settled(&world).await;
    assert_eq!(world.sink().mails_to("budi@kopi.example").len(), 1);
    let address = world.find_user("budi").await.address.unwrap();
    assert_eq!(address.state(), AddressState::Ok, "a mail was accepted since");

    let request = world.request_reset("budi").await;
    settled(&world).await;
    assert_eq!(fate(&world, &request).await, COOLING, "the one that was accepted counts");
}

#[tokio::test]
async fn the_limits_are_exact_over_two_processes() {
    const AT_ONCE: usize = 32;
    let world = World::build()
        .identities(2)
        .set("identity.limits.caller_per_second=100000")
        .set("identity.limits.address_per_minute=100000")
        .start()
        .await;
    let (_, _, budi) = with_admin(&world).await;
    let requests = (0..200).map(|number| {
        let mut client = world.client("gateway", number % 2);
        let identifier = match number % 3 {
            0 => Identifier::Email("budi@kopi.example".to_owned()),
            _ => Identifier::Username("budi".to_owned()),
        };
        let request = RequestResetRequest { identifier: Some(identifier), ..Default::default() };
        async move { client.identity.request_reset(request).await.expect("everyone is accepted") }
    });
    stream::iter(requests).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
    settled(&world).await;
    let resets = resets_of_user(&world, &budi).await;
    assert_eq!(resets.len(), 200);
    let mailed = resets.iter().filter(|reset| reset.delivery_state() == DeliveryState::Sent).count();
    assert_eq!((mailed, world.sink().mails().len()), (1, 1));
    let tokens = world.sink().mails()[0].tokens();
    check_reset(&world, &tokens[0]).await.expect("the mailed link works");
}
