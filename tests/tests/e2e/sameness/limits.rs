//! The silent limits of one account: they keep a mailbox from being flooded, and never keep a person without a link.

use e2e::{Person, Phase, Rule, World};
use proto::identity::v1::{AddressState, DeliveryState, LinkState, NotSentReason, Role, User};

use crate::calls::{admin_reset, check_reset, reset_by_id, settled};

/// What became of a request, once that is known.
async fn fate(world: &World, request: &str) -> (DeliveryState, NotSentReason) {
    let [reset] = &world.resets_of(request).await[..] else { panic!("one reset") };
    (reset.delivery_state(), reset.not_sent_reason())
}

const SENT: (DeliveryState, NotSentReason) = (DeliveryState::Sent, NotSentReason::Unspecified);
const COOLING: (DeliveryState, NotSentReason) = (DeliveryState::NotSent, NotSentReason::CoolingDown);

async fn with_admin(world: &World) -> (User, User) {
    let kopi = world.organization("kopi").await;
    let siti = world.user(&kopi, Person::named("siti").role(Role::Admin).password("")).await;
    (siti, world.user(&kopi, Person::named("budi").email("budi@kopi.example").password("")).await)
}

#[tokio::test]
async fn an_account_is_mailed_once_a_minute_however_often_it_is_asked_for() {
    let world = World::start().await;
    let (siti, budi) = with_admin(&world).await;
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
    let kopi = budi.organization_id.clone();
    let dewi =
        User { organization_id: kopi, username: "dewi".into(), email: "dewi@kopi.example".into(), ..User::default() };
    let request = proto::identity::v1::CreateUserRequest { user: Some(dewi), ..Default::default() };
    let dewi = world.crm().directory.create_user(request).await.unwrap().into_inner().user.unwrap();
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
    let (siti, budi) = with_admin(&world).await;
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
    let world = World::build()
        .identities(2)
        .set("identity.limits.caller_per_second=100000")
        .set("identity.limits.address_per_minute=100000")
        .start()
        .await;
    let (_, budi) = with_admin(&world).await;
    let requests = (0..200).map(|number| {
        let mut client = world.client("gateway", number % 2);
        async move {
            let identifier = if number % 3 == 0 {
                proto::identity::v1::request_reset_request::Identifier::Email("budi@kopi.example".to_owned())
            } else {
                proto::identity::v1::request_reset_request::Identifier::Username("budi".to_owned())
            };
            let request =
                proto::identity::v1::RequestResetRequest { identifier: Some(identifier), ..Default::default() };
            client.identity.request_reset(request).await.expect("everyone is accepted")
        }
    });
    futures::future::join_all(requests).await;
    settled(&world).await;
    let resets = crate::calls::resets_of_user(&world, &budi).await;
    assert_eq!(resets.len(), 200);
    let mailed = resets.iter().filter(|reset| reset.delivery_state() == DeliveryState::Sent).count();
    assert_eq!((mailed, world.sink().mails().len()), (1, 1));
    let tokens = world.sink().mails()[0].tokens();
    check_reset(&world, &tokens[0]).await.expect("the mailed link works");
}
