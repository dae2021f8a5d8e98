//! Statuses as the broker brings them: late, twice, in any order.

use e2e::{World, broker::Broker, world::Program};
use lapin::BasicProperties;
use prost::Message as _;
use proto::{
    identity::v1::{DeliveryState, NotSentReason},
    mailer::events::v1::{MailStatus, mail_status::Outcome},
};
use sqlx::Row;

use crate::{
    crowd::{all_ask, crowd},
    metrics,
    waiting::until,
};

/// An attempt's number and what it came to.
type Told = (u32, Outcome);

/// Statuses of one mail, and the state that they come to in every order.
const SETS: [(&[Told], DeliveryState, NotSentReason); 8] = [
    (
        &[(1, Outcome::Deferred), (2, Outcome::Held), (2, Outcome::Sent)],
        DeliveryState::Sent,
        NotSentReason::Unspecified,
    ),
    (
        &[(1, Outcome::Held), (1, Outcome::Deferred), (2, Outcome::Deferred)],
        DeliveryState::Deferred,
        NotSentReason::Unspecified,
    ),
    (&[(1, Outcome::Unknown), (2, Outcome::Sent)], DeliveryState::Sent, NotSentReason::Unspecified),
    (&[(1, Outcome::Sent), (1, Outcome::Bounced)], DeliveryState::Bounced, NotSentReason::Unspecified),
    (&[(1, Outcome::Deferred), (2, Outcome::Expired)], DeliveryState::NotSent, NotSentReason::Expired),
    (&[(1, Outcome::Unknown), (2, Outcome::Bounced)], DeliveryState::Bounced, NotSentReason::Unspecified),
    (
        &[(1, Outcome::Deferred), (2, Outcome::Parked), (3, Outcome::Sent)],
        DeliveryState::Sent,
        NotSentReason::Unspecified,
    ),
    (&[(1, Outcome::Expired), (1, Outcome::Unknown)], DeliveryState::Unknown, NotSentReason::Unspecified),
];

/// One mail's statuses in the order in which they are told, and what they come to.
struct Story {
    told: Vec<Told>,
    state: DeliveryState,
    reason: NotSentReason,
}

/// Every order of every set: once, each status twice in a row, and the whole order twice.
fn stories() -> Vec<Story> {
    let mut stories = Vec::new();
    for (set, state, reason) in SETS {
        for order in orders(set) {
            let twice = order.iter().flat_map(|told| [*told, *told]).collect();
            let again = order.iter().chain(&order).copied().collect();
            stories.extend([order, twice, again].map(|told| Story { told, state, reason }));
        }
    }
    stories
}

fn orders(items: &[Told]) -> Vec<Vec<Told>> {
    let Some((first, rest)) = items.split_first() else { return vec![Vec::new()] };
    let places =
        |order: Vec<Told>| (0..=order.len()).map(move |place| [&order[..place], &[*first], &order[place..]].concat());
    orders(rest).into_iter().flat_map(places).collect()
}

async fn tell(mailer: &Broker, event_id: &str, told: Told) {
    publish(mailer, status(event_id, told)).await;
}

fn status(event_id: &str, (attempt, outcome): Told) -> MailStatus {
    MailStatus {
        event_id: event_id.to_owned(),
        attempt,
        attempt_time: Some(prost_types::Timestamp { seconds: 1_790_000_000, nanos: 0 }),
        outcome: outcome.into(),
        relay: "mail.example:25".to_owned(),
        phase: "final".to_owned(),
        ..Default::default()
    }
}

async fn publish(mailer: &Broker, status: MailStatus) {
    // The identity service binds its queue once the mailer's exchange is there.
    until("a queue takes it", async || {
        let body = status.encode_to_vec();
        mailer.publish("mailer.events", "mailer.mail.status.v1", &body, BasicProperties::default()).await.then_some(())
    })
    .await;
}

/// A mail event's id for each of these requests; the mailer, once it has declared its part, is off.
async fn mails_without_a_mailer(world: &mut World, count: usize) -> Vec<(String, String)> {
    world.kill(Program::Mailer, 0);
    let kopi = world.organization("kopi").await;
    let names = crowd(world, &kopi, count).await;
    let requests = all_ask(world, &names).await;
    for request in requests.values() {
        world.reset_in(request, DeliveryState::Queued).await;
    }
    let database = world.database().await;
    let rows = sqlx::query("SELECT request_id::text AS request, event_id::text AS event FROM resets")
        .fetch_all(&database)
        .await
        .expect("the table is there");
    rows.iter().map(|row| (row.get("request"), row.get("event"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_in_every_order_and_twice_end_in_the_same_state() {
    let mut world = World::build().wide_limits().start().await;
    let stories = stories();
    let mails = mails_without_a_mailer(&mut world, stories.len()).await;
    let mailer = world.broker_as_mailer().await;

    let longest = stories.iter().map(|story| story.told.len()).max().unwrap_or_default();
    let mut published = 0_u32;
    for round in 0..longest {
        for (story, (_, event)) in stories.iter().zip(&mails) {
            if let Some(told) = story.told.get(round) {
                tell(&mailer, event, *told).await;
                published += 1;
            }
        }
        // Each round is heard before the next one, so that the order is the one that is meant.
        until("the round is heard", async || {
            let heard = metrics::sum(&world, Program::Identity, "sandi_mail_statuses_total", "");
            (heard >= f64::from(published)).then_some(())
        })
        .await;
    }
    // What a program has in its hands it finishes before it ends.
    assert!(world.terminate(Program::Identity, 0).success());
    world.broker().await.wait_ready("identity.mail-status", 0).await;
    world.start_again(Program::Identity, 0);

    for (story, (request, _)) in stories.iter().zip(&mails) {
        let reset = world.resets_of(request).await.remove(0);
        let came_to = (reset.delivery_state(), reset.not_sent_reason());
        assert_eq!(came_to, (story.state, story.reason), "{:?}", story.told);
        let tried: std::collections::BTreeSet<u32> = story.told.iter().map(|(attempt, _)| *attempt).collect();
        assert_eq!(reset.attempts.len(), tried.len(), "{:?}", story.told);
    }
    world.broker().await.wait_ready("identity.parked", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_makes_no_sense_is_parked_and_one_of_an_unknown_mail_changes_nothing() {
    let mut world = World::build().wide_limits().start().await;
    let mails = mails_without_a_mailer(&mut world, 1).await;
    let (request, event) = &mails[0];
    let before = world.resets_of(request).await;
    let mailer = world.broker_as_mailer().await;

    tell(&mailer, "00000000-0000-7000-8000-000000000000", (1, Outcome::Sent)).await;
    tell(&mailer, "not a uuid", (1, Outcome::Sent)).await;
    tell(&mailer, event, (1, Outcome::Unspecified)).await;
    for garbage in [&b"\xff\xff\xff\xff"[..], b"{\"event_id\": 1}"] {
        let taken = mailer.publish("mailer.events", "mailer.mail.status.v1", garbage, BasicProperties::default()).await;
        assert!(taken);
    }
    let broker = world.broker().await;
    broker.wait_ready("identity.parked", 4).await;
    broker.wait_ready("identity.mail-status", 0).await;
    assert_eq!(world.resets_of(request).await, before);

    tell(&mailer, event, (1, Outcome::Sent)).await;
    world.reset_in(request, DeliveryState::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_has_to_wait_keeps_no_other_back() {
    let mut world = World::build().wide_limits().start().await;
    let mails = mails_without_a_mailer(&mut world, 40).await;
    let mailer = world.broker_as_mailer().await;
    let ((stuck, refused), others) = mails.split_first().expect("there are some");
    // Somebody holds the person whose address is refused.
    let database = world.database().await;
    let mut held = database.begin().await.expect("the database answers");
    sqlx::query(
        "SELECT FROM users WHERE user_id IN (SELECT user_id FROM resets WHERE event_id = $1::uuid) FOR NO KEY UPDATE",
    )
    .bind(refused)
    .fetch_one(&mut *held)
    .await
    .expect("the owner may");

    let code =
        MailStatus { smtp_code: 550, enhanced_code: "5.1.1".to_owned(), ..status(refused, (1, Outcome::Bounced)) };
    publish(&mailer, code).await;
    for (_, event) in others {
        tell(&mailer, event, (1, Outcome::Sent)).await;
    }
    for (request, _) in others {
        world.reset_in(request, DeliveryState::Sent).await;
    }
    held.rollback().await.expect("the database answers");
    world.reset_in(stuck, DeliveryState::Bounced).await;
}
