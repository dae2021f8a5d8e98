//! Many people who ask at once.

use std::collections::BTreeMap;

use e2e::{Mail, Person, World, people::requester};
use futures::future::join_all;
use proto::identity::v1::{DeliveryState, Organization, RequestResetRequest, request_reset_request::Identifier};

use crate::waiting::BOUND;

/// Makes so many users with an address each and no password, and gives their names.
pub async fn crowd(world: &World, organization: &Organization, count: usize) -> Vec<String> {
    let names: Vec<String> = (1..=count).map(|number| format!("orang{number}")).collect();
    for some in names.chunks(10) {
        let made =
            some.iter().map(|name| world.user(organization, Person::named(name).email(&address(name)).password("")));
        join_all(made).await;
    }
    names
}

/// Where the mails of one of them go.
pub fn address(name: &str) -> String {
    format!("{name}@surat.example")
}

/// Everybody asks at once. Gives the request's id for each name.
///
/// # Panics
/// When one is refused.
pub async fn all_ask(world: &World, names: &[String]) -> BTreeMap<String, String> {
    let asking = names.iter().map(|name| {
        let mut client = world.gateway().identity;
        async move {
            let request = RequestResetRequest {
                identifier: Some(Identifier::Username(name.clone())),
                requester: requester("203.0.113.7", "id"),
                ..Default::default()
            };
            let answer = client.request_reset(request).await.expect("it is accepted");
            (name.clone(), answer.into_inner().request_id)
        }
    });
    join_all(asking).await.into_iter().collect()
}

/// Waits until each request's reset is SENT.
///
/// # Panics
/// When one is not within 20 s.
pub async fn all_sent(world: &World, requests: &BTreeMap<String, String>) {
    for request in requests.values() {
        world.reset_in(request, DeliveryState::Sent).await;
    }
}

/// Waits until everybody has a mail, and gives all mails.
///
/// # Panics
/// When somebody has none within 20 s.
pub async fn all_mailed(world: &World, names: &[String]) -> Vec<std::sync::Arc<Mail>> {
    let everybody = |mails: &[std::sync::Arc<Mail>]| {
        let by_name = |name: &String| mails.iter().any(|mail| mail.to == [address(name)]);
        names.iter().all(by_name).then(|| mails.to_vec())
    };
    let waited = world.sink().wait_for(BOUND, everybody).await;
    waited.unwrap_or_else(|error| panic!("not everybody was mailed: {error:#}"))
}

/// The mails so far by Message-ID, each group with one recipient and one link.
///
/// # Panics
/// When two mails with one Message-ID differ in recipient or link.
pub fn by_message_id(world: &World) -> BTreeMap<String, usize> {
    let mut groups: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for mail in world.sink().mails() {
        let id = mail.header("Message-ID").expect("every mail has one");
        groups.entry(id).or_default().push((mail.to.clone(), mail.from.clone(), mail.tokens()));
    }
    let count = |(id, group): (String, Vec<_>)| {
        assert!(group.iter().all(|it| *it == group[0]), "mails with the Message-ID {id} differ");
        (id, group.len())
    };
    groups.into_iter().map(count).collect()
}
