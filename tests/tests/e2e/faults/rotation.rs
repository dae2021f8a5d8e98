//! Both key pairs of the seal are changed while mails flow.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use e2e::{Person, World, client::Client, people::requester, world::Program};
use prost::Message as _;
use proto::identity::{
    events::v1::{MailHeader, ResetRequested},
    v1::{DeliveryState, RequestResetRequest, request_reset_request::Identifier},
};

use super::signal;
use crate::{crowd::address, waiting::until};

/// What a program logs, with their ids, when it has other keys than before.
const READ_AGAIN: &str = "the keys were read again";

#[tokio::test(flavor = "multi_thread")]
async fn both_key_pairs_are_changed_while_mails_flow_and_none_is_lost_or_unopenable() {
    let mut world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email(&address("budi"))).await;
    let enough = Arc::new(AtomicBool::new(false));
    let flow = tokio::spawn(flow(world.gateway(), Arc::clone(&enough)));

    let (old_mailer, new_mailer) = rotate(&world, "mailer").await;
    let (old_identity, new_identity) = rotate(&world, "identity").await;
    mailed_with(&world, 10).await;
    enough.store(true, Ordering::Relaxed);
    let requests = flow.await.expect("it runs to its end");
    for request in &requests {
        world.reset_in(request, DeliveryState::Sent).await;
    }
    assert_eq!(world.sink().mails().len(), requests.len());
    world.broker().await.wait_ready("mailer.parked", 0).await;

    // The old pairs are gone, and what is sealed now is sealed by the new one to the new one.
    remove(&world, &old_mailer);
    remove(&world, &old_identity);
    assert!(world.terminate(Program::Mailer, 0).success());
    let request = world.request_reset("budi").await;
    let broker = world.broker().await;
    broker.wait_ready("mailer.requests", 1).await;
    let message = broker.peek("mailer.requests").await.remove(0);
    let event = ResetRequested::decode(message.body.as_slice()).expect("it is an event");
    let header = MailHeader::decode(event.header.as_slice()).expect("it has a header");
    assert_eq!((header.sender_key_id, header.recipient_key_id), (new_identity, new_mailer));
    world.start_again(Program::Mailer, 0);
    world.reset_in(&request, DeliveryState::Sent).await;
}

/// Asks without a pause until it is enough, and gives the requests.
async fn flow(mut gateway: Client, enough: Arc<AtomicBool>) -> Vec<String> {
    let mut requests = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        let request = RequestResetRequest {
            identifier: Some(Identifier::Username("budi".to_owned())),
            requester: requester("203.0.113.7", "id"),
            ..Default::default()
        };
        let answer = gateway.identity.request_reset(request).await.expect("it is accepted");
        requests.push(answer.into_inner().request_id);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    requests
}

/// Changes the pair of `role` as the manual says: make, distribute, retire. Gives the ids before and after.
async fn rotate(world: &World, role: &str) -> (String, String) {
    mailed_with(world, 10).await;
    let old = ids(world, role, role).remove(0);
    let own = world.path(&format!("keys/{role}")).display().to_string();
    world.command(Program::Identity, &["keys", "generate", "--role", role, "--directory", &own]).expect("it is made");
    let new = ids(world, role, role).into_iter().find(|id| *id != old).expect("there is another");
    let other = if role == "identity" { "mailer" } else { "identity" };
    let public = format!("{role}-{new}.pub");
    fs::copy(world.path(&format!("keys/{role}/{public}")), world.path(&format!("keys/{other}/{public}")))
        .expect("it is copied");
    read_again(world, Program::Mailer, &new).await;
    let identity = world.path("keys/identity").display().to_string();
    world.command(Program::Identity, &["keys", "retire", &old, "--directory", &identity]).expect("it is retired");
    read_again(world, Program::Identity, &format!("{old} (retired)")).await;
    (old, new)
}

/// Waits for so many mails more.
async fn mailed_with(world: &World, more: usize) {
    let now = world.sink().mails().len();
    until("mails flow", async || (world.sink().mails().len() >= now + more).then_some(())).await;
}

/// Has a program read its keys, and waits until it says so of these.
async fn read_again(world: &World, program: Program, keys: &str) {
    signal("HUP", world.pid(program, 0));
    let told = || world.log(program, 0).lines().any(|line| line.contains(READ_AGAIN) && line.contains(keys));
    until("the keys are read again", async || told().then_some(())).await;
}

/// The ids of the keys of `role` at `side`.
fn ids(world: &World, side: &str, role: &str) -> Vec<String> {
    let entries = fs::read_dir(world.path(&format!("keys/{side}"))).expect("it is there");
    let names = entries.map(|entry| entry.expect("it is listed").file_name().into_string().expect("it is text"));
    names
        .filter_map(|name| Some(name.strip_prefix(role)?.strip_prefix('-')?.strip_suffix(".pub")?.to_owned()))
        .collect()
}

/// Removes all files of a key on both sides.
fn remove(world: &World, id: &str) {
    for side in ["identity", "mailer"] {
        for entry in fs::read_dir(world.path(&format!("keys/{side}"))).expect("it is there") {
            let path = entry.expect("it is listed").path();
            if path.display().to_string().contains(id) {
                fs::remove_file(path).expect("it is removed");
            }
        }
    }
}
