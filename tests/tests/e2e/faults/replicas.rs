//! Two identity services and two mailers, one of each frozen for longer than a lease.

use std::{collections::BTreeMap, time::Duration};

use e2e::{World, client::Client, people::requester, world::Program};
use proto::identity::v1::{RequestResetRequest, request_reset_request::Identifier};

use super::signal;
use crate::{
    crowd::{all_ask, all_mailed, all_sent, by_message_id, crowd},
    waiting::{number, until_number, until_within},
};

/// What nobody has issued or published yet.
const UNDONE: &str = "SELECT (SELECT count(*) FROM reset_requests WHERE due_time IS NOT NULL)
                           + (SELECT count(*) FROM outbox WHERE due_time IS NOT NULL)";

#[tokio::test(flavor = "multi_thread")]
async fn what_frozen_programs_had_in_their_hands_is_done_by_the_others_and_at_most_twice() {
    let world = World::build().wide_limits().identities(2).mailers(2).start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 60).await;
    let mut requests = all_ask(&world, &names[..30]).await;
    signal("STOP", world.pid(Program::Identity, 0));
    signal("STOP", world.pid(Program::Mailer, 0));
    requests.extend(ask_the_other(&world, &names[30..]).await);

    // A lease lasts 12 s, and a session that stands still in a transaction 15 s.
    until_within(Duration::from_secs(40), "the others have published everything", async || {
        (number(&world, UNDONE).await == 0).then_some(())
    })
    .await;
    signal("CONT", world.pid(Program::Mailer, 0));
    signal("CONT", world.pid(Program::Identity, 0));

    all_mailed(&world, &names).await;
    all_sent(&world, &requests).await;
    until_number(&world, "SELECT count(*) FROM outbox", 0).await;
    let mails = by_message_id(&world);
    assert_eq!(mails.len(), 60);
    assert!(mails.values().all(|count| *count <= 2), "{mails:?}");
}

/// As [`all_ask`], at the second identity process, which is still cold: so one after the other.
async fn ask_the_other(world: &World, names: &[String]) -> BTreeMap<String, String> {
    let client = world.client("gateway", 1);
    let mut requests = BTreeMap::new();
    for name in names {
        requests.extend([ask(client.clone(), name).await]);
    }
    requests
}

async fn ask(mut client: Client, name: &str) -> (String, String) {
    let request = RequestResetRequest {
        identifier: Some(Identifier::Username(name.to_owned())),
        requester: requester("203.0.113.7", "id"),
        ..Default::default()
    };
    let answer = client.identity.request_reset(request).await.expect("it is accepted");
    (name.to_owned(), answer.into_inner().request_id)
}
