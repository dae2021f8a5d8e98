//! Requests that come together are written together; each is answered for itself.

use std::{collections::BTreeSet, time::Duration};

use e2e::{World, people::requester, refused, world::Program};
use futures::future::join_all;
use proto::identity::v1::{RequestResetRequest, RequestResetResponse, request_reset_request::Identifier};
use tonic::{Code, Request};

use crate::{calls::Outcome, metrics, waiting::number};

fn ask(username: &str, key: &str) -> RequestResetRequest {
    RequestResetRequest {
        identifier: Some(Identifier::Username(username.to_owned())),
        requester: requester("203.0.113.7", "id"),
        idempotency_key: key.to_owned(),
    }
}

/// Everybody asks at once.
async fn all(world: &World, requests: Vec<RequestResetRequest>) -> Vec<Outcome<RequestResetResponse>> {
    let calls = requests.into_iter().map(|request| {
        let mut client = world.gateway();
        async move { client.identity.request_reset(request).await }
    });
    join_all(calls).await
}

fn id(outcome: Outcome<RequestResetResponse>) -> String {
    outcome.expect("it is accepted").into_inner().request_id
}

/// How many requests were written.
async fn requests(world: &World) -> i64 {
    number(world, "SELECT count(*) FROM reset_requests").await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_come_together_share_statements_and_every_key_speaks_for_its_own() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let earlier = id(world.gateway().identity.request_reset(ask("dewi", "dahulu")).await);

    // Of every 8: three without a key, one with its own, two repeats of one call, two with one key for two people.
    let eight = |number: usize| {
        let key = |kind: &str| format!("{kind}-{number}");
        [
            ask("budi", ""),
            ask(&format!("orang{number}"), ""),
            ask("tidak-ada", ""),
            ask("budi", &key("sendiri")),
            ask("citra", &key("ulang")),
            ask("citra", &key("ulang")),
            ask("satu", &key("rebut")),
            ask("dua", &key("rebut")),
        ]
    };
    let mut asked: Vec<_> = (0..24).flat_map(eight).collect();
    asked.extend([ask("dewi", "dahulu"), ask("lain", "dahulu")]);
    let mut outcomes = all(&world, asked).await;

    let last = outcomes.split_off(24 * 8);
    let [same, other] = <[_; 2]>::try_from(last).expect("two");
    assert_eq!(id(same), earlier, "the same call again");
    let refusal = refused(other);
    assert_eq!((refusal.code, refusal.reason.as_str()), (Code::Aborted, "IDEMPOTENCY_MISMATCH"));

    let mut ids = BTreeSet::from([earlier]);
    let mut outcomes = outcomes.into_iter();
    while let Some(first) = outcomes.next() {
        let mut next = || outcomes.next().expect("there are eight");
        let alone = [id(first), id(next()), id(next()), id(next())];
        assert!(alone.into_iter().all(|id| ids.insert(id)), "each is a request of its own");
        let (once, again) = (id(next()), id(next()));
        assert_eq!(once, again, "two of the same key and call are one request");
        assert!(ids.insert(once), "and not somebody else's");
        let (won, lost) = match (next(), next()) {
            (Ok(won), lost) => (Ok(won), lost),
            (lost, won) => (won, lost),
        };
        assert!(ids.insert(id(won)), "one of two calls has the key");
        let refusal = refused(lost);
        assert_eq!((refusal.code, refusal.reason.as_str()), (Code::Aborted, "IDEMPOTENCY_MISMATCH"));
    }
    assert_eq!(requests(&world).await, i64::try_from(ids.len()).expect("few"), "a row for each, and no other");
    let statements = metrics::sum(&world, Program::Identity, "sandi_requests_group_count", "");
    assert!(statements < 24.0 * 8.0, "{statements} statements: some are shared");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_holds_makes_only_its_own_caller_wait() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let database = world.database().await;
    let mut held = database.begin().await.expect("the database answers");
    sqlx::query(
        "INSERT INTO idempotency_keys (caller, idempotency_key, fingerprint) VALUES ('gateway', 'dipegang', '')",
    )
    .execute(&mut *held)
    .await
    .expect("the owner may");

    let mut client = world.gateway();
    let waits = tokio::spawn(async move { client.identity.request_reset(ask("budi", "dipegang")).await });
    let others = (0..40).map(|number| ask("budi", &format!("kunci-{number}")));
    let others: BTreeSet<String> = all(&world, others.collect()).await.into_iter().map(id).collect();
    assert_eq!(others.len(), 40, "nobody waits for the key of another");

    held.rollback().await.expect("the database answers");
    let own = id(waits.await.expect("the call ends"));
    assert!(!others.contains(&own));
    assert_eq!(requests(&world).await, 41);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_go_away_leave_whole_requests_or_none() {
    let world = World::build().mailers(0).wide_limits().start().await;
    let database = world.database().await;
    let mut lock = database.begin().await.expect("the database answers");
    sqlx::query("LOCK TABLE reset_requests IN SHARE MODE").execute(&mut *lock).await.expect("the owner may");

    let asked: Vec<_> = (0..100).map(|number| ask("budi", &format!("kunci-{number}"))).collect();
    let calls = asked.iter().map(|asked| {
        let mut client = world.gateway();
        let mut request = Request::new(asked.clone());
        request.set_timeout(Duration::from_millis(300));
        async move { client.identity.request_reset(request).await }
    });
    for outcome in join_all(calls).await {
        let code = outcome.expect_err("nothing can be written").code();
        assert!(matches!(code, Code::DeadlineExceeded | Code::Cancelled | Code::Unavailable), "{code:?}");
    }
    lock.rollback().await.expect("the database answers");

    let again: BTreeSet<String> = all(&world, asked).await.into_iter().map(id).collect();
    assert_eq!(again.len(), 100, "each key is one request, whenever it was written");
    assert_eq!(requests(&world).await, 100);
    let halves = "SELECT count(*) FROM idempotency_keys k
                  WHERE NOT EXISTS (SELECT FROM reset_requests r WHERE r.request_id = k.resource_id)";
    assert_eq!(number(&world, halves).await, 0, "no key without its request");
}
