//! A thousand resets while mailer, broker and identity are each killed several times. Judged by what
//! the callers were told, what the mail server saw, and what GetReset says.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use e2e::{Act, Phase, Rule, World, client::Client, people::requester, world::Program};
use proto::identity::v1::{
    DeliveryState, GetResetRequest, NotSentReason, RequestResetRequest, Reset, get_reset_request::Key,
    request_reset_request::Identifier,
};
use tokio::task::JoinSet;
use tonic::Code;

use super::signal;
use crate::{
    crowd::{address, by_message_id, crowd},
    waiting::until_within,
};

/// Requests of one round, and rounds.
const ROUND: usize = 200;
const ROUNDS: usize = 5;
/// Callers at one time.
const CALLERS: usize = 8;
/// Life of a link, and how long after it everything must have ended.
const LIFE: Duration = Duration::from_secs(240);
const AFTER: Duration = Duration::from_secs(5 * 60);
/// How long a caller insists, and waits between two calls.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(25);
/// What the mailer has in its hands at most: twice its connections.
const MAILER_HOLDS: usize = 8;

/// What the callers were told: the ids of accepted requests.
type Accepted = Arc<Mutex<Vec<String>>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_resets_end_readably_while_everything_is_killed_again_and_again() {
    let mut world = World::build()
        .own_broker()
        .wide_limits()
        .set(format!("identity.resets.self_service_life={}s", LIFE.as_secs()))
        .set("identity.resets.silence=5s")
        .set(r#"identity.resets.retry_gaps=["1s"]"#)
        .start()
        .await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 40).await;
    // A killed RabbitMQ 3.10 forgets the name of a queue that is not written out yet.
    let written_out = "[ok = dets:sync(Table) || Table <- dets:all()], mnesia:dump_log().";
    world.broker_process().control(&["eval", written_out]).expect("the broker writes");
    misbehave(&world, &names);

    let accepted = Accepted::default();
    let mut in_flight = 0;
    for round in 0..ROUNDS {
        let calls = ask(&world, &names, &accepted);
        reach(&accepted, round * ROUND + ROUND / 4).await;
        in_flight += disturb(&mut world, round).await;
        calls.join_all().await;
    }
    let accepted = std::mem::take(&mut *accepted.lock().expect("a lock"));
    assert_eq!(accepted.len(), ROUND * ROUNDS);
    let ended = all_end(&world, &accepted).await;
    judge(&world, &ended, in_flight).await;
}

/// Some mailboxes do not exist, some are put off at first, and for some the server falls silent at the end.
fn misbehave(world: &World, names: &[String]) {
    for name in &names[..4] {
        world.script(Rule::reply(Phase::Recipient, 550, "5.1.1 no such mailbox").to(address(name)));
    }
    for name in &names[4..8] {
        world.script(Rule::reply(Phase::Recipient, 451, "4.7.1 greylisted").to(address(name)).times(5));
    }
    world.script(Rule::at(Phase::Final, Act::Drop).to(address(&names[8])));
}

/// Begins a round of requests, each with a key of its own and repeated until it is accepted.
fn ask(world: &World, names: &[String], accepted: &Accepted) -> JoinSet<()> {
    let mut calls = JoinSet::new();
    for caller in 0..CALLERS {
        let (client, accepted) = (world.gateway(), Arc::clone(accepted));
        let mine: Vec<String> = (caller..ROUND).step_by(CALLERS).map(|it| names[it % names.len()].clone()).collect();
        calls.spawn(async move {
            for name in mine {
                let request_id = insist(client.clone(), &name).await;
                accepted.lock().expect("a lock").push(request_id);
            }
        });
    }
    calls
}

async fn insist(mut client: Client, name: &str) -> String {
    let request = RequestResetRequest {
        identifier: Some(Identifier::Username(name.to_owned())),
        requester: requester("203.0.113.7", "id"),
        idempotency_key: testbed::random::hex::<16>(),
    };
    let end = Instant::now() + PATIENCE;
    loop {
        match client.identity.request_reset(request.clone()).await {
            Ok(answer) => return answer.into_inner().request_id,
            Err(status) => assert!(Instant::now() < end, "{status:?}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until so many requests were accepted.
async fn reach(accepted: &Accepted, count: usize) {
    until_within(PATIENCE, "requests are accepted", async || {
        (accepted.lock().expect("a lock").len() >= count).then_some(())
    })
    .await;
}

/// What is killed in each round; three times each. Gives how many mails may come twice by that.
async fn disturb(world: &mut World, round: usize) -> usize {
    let mut may_come_twice = in_flight(world).await;
    if matches!(round, 0 | 2 | 4) {
        world.kill(Program::Mailer, 0);
        may_come_twice += MAILER_HOLDS;
    }
    signal("CONT", world.pid(Program::Identity, 0));
    if matches!(round, 1 | 3 | 4) {
        world.kill(Program::Identity, 0);
    }
    if matches!(round, 1..=3) {
        world.broker_process().kill();
        world.broker_process().restart().expect("the broker starts again");
    }
    if matches!(round, 1 | 3 | 4) {
        world.start_again(Program::Identity, 0);
    }
    match round {
        0 | 2 | 4 => world.start_again(Program::Mailer, 0),
        _ => signal("CONT", world.pid(Program::Mailer, 0)),
    }
    // What the mailer acknowledged last may not be on the broker's disk.
    if round == 2 { may_come_twice + MAILER_HOLDS } else { may_come_twice }
}

/// Mails whose rows in the outbox wait for a status although the mail server has them, or that identity is publishing, so
/// that it does so again. Who knows of them is frozen, and about to be killed or not.
async fn in_flight(world: &World) -> usize {
    signal("STOP", world.pid(Program::Identity, 0));
    signal("STOP", world.pid(Program::Mailer, 0));
    let rows = sqlx::query_as("SELECT event_id::text, lease_time IS NOT NULL FROM outbox");
    let rows: Vec<(String, bool)> = rows.fetch_all(&world.database().await).await.expect("the outbox is there");
    let mailed: BTreeSet<String> = by_message_id(world)
        .into_keys()
        .filter_map(|id| Some(id.trim_matches(['<', '>']).split_once('@')?.0.to_owned()))
        .collect();
    rows.iter().filter(|(event_id, leased)| *leased || mailed.contains(event_id)).count()
}

/// Waits until each request has a reset in a final state.
async fn all_end(world: &World, accepted: &[String]) -> Vec<Reset> {
    let end = Instant::now() + LIFE + AFTER;
    let mut looks = JoinSet::new();
    for some in accepted.chunks(accepted.len().div_ceil(CALLERS)) {
        let (client, some) = (world.support(), some.to_vec());
        looks.spawn(async move {
            let mut resets = Vec::new();
            for request_id in some {
                resets.push(ends(client.clone(), &request_id, end).await);
            }
            resets
        });
    }
    looks.join_all().await.into_iter().flatten().collect()
}

async fn ends(mut client: Client, request_id: &str, end: Instant) -> Reset {
    let request = GetResetRequest { key: Some(Key::RequestId(request_id.to_owned())), ..Default::default() };
    loop {
        let answer = client.support.get_reset(request.clone()).await;
        match &answer {
            Ok(answer) => {
                let [reset] = &answer.get_ref().resets[..] else { panic!("one account has one reset: {answer:?}") };
                if is_over(reset) {
                    return reset.clone();
                }
            }
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "an accepted request is known"),
        }
        assert!(Instant::now() < end, "it does not end: {answer:?}");
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_over(reset: &Reset) -> bool {
    match reset.delivery_state() {
        DeliveryState::Sent | DeliveryState::Bounced | DeliveryState::NotSent => true,
        DeliveryState::Unknown => reset.next_attempt_time.is_none(),
        _ => false,
    }
}

async fn judge(world: &World, ended: &[Reset], in_flight: usize) {
    let count = |state| ended.iter().filter(|reset| reset.delivery_state() == state).count();
    let [sent, bounced, unknown] = [DeliveryState::Sent, DeliveryState::Bounced, DeliveryState::Unknown].map(count);
    for reset in ended.iter().filter(|reset| reset.delivery_state() == DeliveryState::NotSent) {
        assert_eq!(reset.not_sent_reason(), NotSentReason::Expired, "{reset:?}");
    }
    let not_sent = count(DeliveryState::NotSent);
    eprintln!("{sent} sent, {bounced} bounced, {unknown} unknown, {not_sent} not sent");
    assert!(sent > 0 && bounced > 0 && unknown > 0);

    let mails = by_message_id(world);
    assert!(mails.len() >= sent, "{} mails for {sent} that are said to be sent", mails.len());
    let twice: usize = mails.values().map(|count| count - 1).sum();
    eprintln!("{twice} mails more than once, of {in_flight} that were in flight at the kills");
    assert!(twice <= in_flight, "{twice} mails more than once, of {in_flight} in flight");
    assert_eq!(mailed_too_late(world).await, 0);
}

/// Mails with a link that was over, or that nobody issued.
async fn mailed_too_late(world: &World) -> i64 {
    let (mut tokens, mut times) = (Vec::new(), Vec::new());
    for mail in world.sink().mails() {
        tokens.extend(mail.tokens());
        times.push(mail.time);
    }
    sqlx::query_scalar(
        "SELECT count(*)
         FROM unnest($1::text[], $2::timestamptz[]) AS mail (token, time)
         LEFT JOIN resets r ON r.token_digest = sha256(convert_to(mail.token, 'UTF8'))
         WHERE r.expire_time IS NULL OR mail.time >= r.expire_time",
    )
    .bind(tokens)
    .bind(times)
    .fetch_one(&world.database().await)
    .await
    .expect("every link is on record")
}
