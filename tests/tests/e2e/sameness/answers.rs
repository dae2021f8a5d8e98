//! The answers, byte for byte.

use std::time::Duration;

use e2e::{
    Person, World,
    people::requester,
    wire::{Answer, Call, Wire},
};
use prost::Message;
use proto::identity::v1::{
    DeliveryState, NotSentReason, RequestResetRequest, RequestResetResponse, UpdateOrganizationRequest, UserState,
    request_reset_request::Identifier,
};
use sqlx::Connection;

use crate::calls::{set_state, settled};

const PATH: &str = "/sandi.identity.v1.IdentityService/RequestReset";

/// A kind of name to ask for, and what becomes of the first and of later requests.
struct Class {
    what: &'static str,
    identifier: Identifier,
    first: Option<NotSentReason>,
    later: Option<NotSentReason>,
}

fn class(what: &'static str, username: &str, fate: Option<NotSentReason>) -> Class {
    Class { what, identifier: Identifier::Username(username.to_owned()), first: fate, later: fate }
}

/// Users of every kind.
async fn people(world: &World) -> Vec<Class> {
    let (kopi, teh) = (world.organization("kopi").await, world.organization("teh").await);
    for username in ["budi", "citra"] {
        world.user(&kopi, Person::named(username).email(&format!("{username}@kopi.example"))).await;
    }
    let disabled = world.user(&kopi, Person::named("dewi").email("dewi@kopi.example").password("")).await;
    set_state(world.crm(), &disabled, UserState::Disabled).await.expect("it is disabled");
    world.user(&kopi, Person::named("eko").password("")).await;
    world.user(&kopi, Person::named("fajar").email("fajar@kopi.example").password("")).await;
    world.user(&teh, Person::named("gita").email("gita@teh.example").password("")).await;
    let suspended = proto::identity::v1::Organization { suspended: true, ..teh };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["suspended".to_owned()] });
    let suspend = UpdateOrganizationRequest { organization: Some(suspended), update_mask };
    world.crm().directory.update_organization(suspend).await.expect("it is suspended");

    let none = Some(NotSentReason::NoSuchAccount);
    let cooling = Some(NotSentReason::CoolingDown);
    vec![
        Class { later: cooling, ..class("a user", "budi", None) },
        class("nobody", "zaki", none),
        class("a disabled user", "dewi", Some(NotSentReason::AccountDisabled)),
        class("a user without an address", "eko", Some(NotSentReason::NoAddress)),
        class("a user who was mailed just now", "citra", cooling),
        Class { later: cooling, ..class("a user without a password", "fajar", None) },
        class("a user of a suspended organisation", "gita", Some(NotSentReason::AccountDisabled)),
        class("a text that cannot be a username", "siapa aku? 🐘", none),
        Class {
            identifier: Identifier::Email("zaki@kopi.example".to_owned()),
            ..class("an unknown address", "", none)
        },
        Class { identifier: Identifier::Email("bukan alamat".to_owned()), ..class("no address at all", "", none) },
        Class {
            identifier: Identifier::Email("citra@kopi.example".to_owned()),
            ..class("a known address", "", cooling)
        },
    ]
}

async fn ask(world: &World, wire: &Wire, identifier: &Identifier) -> (String, Same) {
    let request = RequestResetRequest {
        identifier: Some(identifier.clone()),
        requester: requester("203.0.113.7", "id"),
        ..Default::default()
    };
    let call = Call::to(PATH).bearer(world.token("gateway")).message(&request.encode_to_vec());
    let answer = wire.call(call.header("x-request-id", "ticket-4711")).await;
    let request_id = RequestResetResponse::decode(answer.message()).expect("a message of the contract").request_id;
    let id: uuid::Uuid = request_id.parse().expect("an id");
    assert_eq!(id.get_version_num(), 7);
    let same = Same::of(answer, &request_id);
    (request_id, same)
}

/// All of an answer that must not differ.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Same {
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    trailers: Vec<(String, Vec<u8>)>,
}

impl Same {
    fn of(answer: Answer, request_id: &str) -> Self {
        let mut body = answer.body;
        let at = body.windows(request_id.len()).position(|window| window == request_id.as_bytes()).expect("the id");
        body[at..at + request_id.len()].fill(b'-');
        let list = |map: &http::HeaderMap| {
            let others = map.iter().filter(|(name, _)| *name != "date");
            others.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
        };
        Self { headers: list(&answer.headers), body, trailers: list(&answer.trailers) }
    }
}

#[tokio::test]
async fn fifty_requests_in_a_row_get_the_same_answers_whoever_is_asked_for() {
    const IN_A_ROW: usize = 50;
    let world = World::build()
        .set("identity.limits.caller_per_second=100000")
        .set("identity.limits.address_per_minute=100000")
        .start()
        .await;
    let classes = people(&world).await;
    let limited = world.request_reset("citra").await;
    world.reset_in(&limited, DeliveryState::Sent).await;

    let wire = world.wire().await;
    let mut expected: Option<Vec<Same>> = None;
    let mut requests = Vec::new();
    for class in &classes {
        let (mut ids, mut answers) = (Vec::new(), Vec::new());
        for _ in 0..IN_A_ROW {
            let (id, answer) = ask(&world, &wire, &class.identifier).await;
            ids.push(id);
            answers.push(answer);
        }
        assert_eq!(&answers, expected.get_or_insert_with(|| answers.clone()), "{}", class.what);
        requests.push(ids);
    }

    // They really were what they were called.
    settled(&world).await;
    for (class, ids) in classes.iter().zip(requests) {
        for (number, id) in [(0, &ids[0]), (1, &ids[1]), (IN_A_ROW - 1, &ids[IN_A_ROW - 1])] {
            let fate = if number == 0 { class.first } else { class.later };
            let [reset] = &world.resets_of(id).await[..] else { panic!("{}: one reset", class.what) };
            let state = if fate.is_some() { DeliveryState::NotSent } else { DeliveryState::Sent };
            let expected = (state, fate.unwrap_or_default());
            assert_eq!((reset.delivery_state(), reset.not_sent_reason()), expected, "{}, {number}", class.what);
        }
    }
    let mut mailed: Vec<String> = world.sink().mails().iter().flat_map(|mail| mail.to.clone()).collect();
    mailed.sort();
    assert_eq!(mailed, ["budi@kopi.example", "citra@kopi.example", "fajar@kopi.example"]);
}

#[tokio::test]
async fn a_request_is_answered_while_nobody_can_look_a_user_up() {
    let world = World::build().wide_limits().start().await;
    let classes = people(&world).await;
    let wire = world.wire().await;
    let (_, expected) = ask(&world, &wire, &classes[0].identifier).await;
    settled(&world).await;
    let mails = world.sink().mails().len();

    // Whoever would look into one of these tables, or write to it, waits until the end of this transaction.
    let mut connection = sqlx::PgConnection::connect(&world.sandi().plan().servers.database_owner).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    let lock =
        "LOCK TABLE users, organizations, resets, outbox, delivery_attempts, audit_events IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut *transaction).await.unwrap();
    let mut requests = Vec::new();
    for class in &classes {
        for _ in 0..3 {
            let asked = tokio::time::timeout(Duration::from_secs(2), ask(&world, &wire, &class.identifier)).await;
            let (id, answer) = asked.unwrap_or_else(|_| panic!("{}: the request waits for a lookup", class.what));
            assert_eq!(answer, expected, "{}", class.what);
            requests.push(id);
        }
    }
    transaction.rollback().await.unwrap();

    // What was accepted is done afterwards.
    settled(&world).await;
    for id in &requests {
        assert_ne!(world.resets_of(id).await[0].delivery_state(), DeliveryState::Pending);
    }
    assert_eq!(world.sink().mails().len() - mails, 4 * 3, "four of the names have a mailbox");
}
