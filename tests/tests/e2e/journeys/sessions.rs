//! The CRM's own services end sessions when they hear of a changed credential.

use std::time::Duration;

use e2e::{Person, World, contract, people::PASSWORD, resets::BOUND, wire::Call};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{BasicGetOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use messaging::topology::{CREDENTIAL_CHANGED, IDENTITY_EVENTS};
use prost::Message;
use proto::identity::{
    events::v1::{CredentialChanged, credential_changed::Cause},
    v1::{CompleteResetResponse, User, UserState},
};

use crate::calls::{change_password, set_state, update};

const NEW: &str = "awan putih di atas ladang 3";

/// A queue of a CRM service that follows changed credentials.
struct Follower {
    channel: Channel,
    _connection: Connection,
}

impl Follower {
    const QUEUE: &str = "crm.sessions";

    async fn start(world: &World) -> Self {
        let url = world.rabbitmq().administrator_url(world.vhost());
        let connection = Connection::connect(&url, ConnectionProperties::default()).await.expect("the broker answers");
        let channel = connection.create_channel().await.expect("a channel opens");
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(Self::QUEUE.into(), options, FieldTable::default()).await.expect("a queue of its own");
        let bound = channel.queue_bind(
            Self::QUEUE.into(),
            IDENTITY_EVENTS.into(),
            CREDENTIAL_CHANGED.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.expect("it is bound");
        Self { channel, _connection: connection }
    }

    /// The next event.
    async fn next(&self) -> CredentialChanged {
        let end = tokio::time::Instant::now() + BOUND;
        loop {
            let got = self.channel.basic_get(Self::QUEUE.into(), BasicGetOptions { no_ack: true }).await;
            if let Some(message) = got.expect("the queue is there") {
                let properties = &message.properties;
                let event = CredentialChanged::decode(&message.data[..]).expect("in the clear");
                assert_eq!(properties.message_id().as_ref().map(|id| id.as_str()), Some(&*event.event_id));
                assert_eq!(properties.content_type().as_ref().map(|it| it.as_str()), Some("application/protobuf"));
                assert_eq!(*properties.delivery_mode(), Some(2), "it survives the broker");
                assert_eq!(*properties.expiration(), None, "it waits for as long as it takes");
                return event;
            }
            assert!(tokio::time::Instant::now() < end, "no event");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
}

#[tokio::test]
async fn services_of_the_crm_are_told_when_a_persons_sessions_end() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let follower = Follower::start(&world).await;
    let expect = async |cause: Cause, version: i64| {
        let event = follower.next().await;
        assert_eq!(event.cause(), cause);
        assert_eq!((&event.user_id, &event.organization_id), (&budi.user_id, &kopi.organization_id));
        assert_eq!(event.credential_version, version, "sessions made under a smaller one are over");
        assert!(event.event_time.is_some());
    };

    let changed = change_password(world.gateway(), &budi, PASSWORD, NEW).await.unwrap().into_inner();
    expect(Cause::PasswordChanged, changed.credential_version).await;
    world.request_reset("budi").await;
    let token = world.mails_to("budi@kopi.example", 2).await.iter().flat_map(|mail| mail.tokens()).next().unwrap();
    let completed = world.complete_reset(&token, PASSWORD).await.unwrap().into_inner();
    expect(Cause::PasswordReset, completed.credential_version).await;

    // Renaming is no change of credentials: nothing is told, as the next event shows.
    let renamed = User { display_name: "Budi Santoso".to_owned(), ..budi.clone() };
    update(world.crm(), renamed, &["display_name"]).await.expect("the system of record may");
    let disabled = set_state(world.crm(), &budi, UserState::Disabled).await.unwrap().into_inner().user.unwrap();
    assert_eq!(disabled.credential_version, completed.credential_version + 1);
    expect(Cause::UserDisabled, disabled.credential_version).await;
}

#[tokio::test]
async fn the_answer_to_a_reset_logs_nobody_in() {
    let world = World::start().await;
    let kopi = world.organization("kopi").await;
    let budi = world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.request_reset("budi").await;
    let token = world.token_to("budi@kopi.example").await;
    let rpc = contract::rpc("CompleteReset");
    let fields: Vec<String> = rpc.output().fields().map(|field| field.name().to_owned()).collect();
    assert_eq!(fields, ["user_id", "username", "credential_version"]);

    let request = serde_json::json!({ "token": token, "newPassword": NEW });
    let answer = world.wire().await.call(Call::of("CompleteReset", request).bearer(world.token("gateway"))).await;
    let expected = CompleteResetResponse {
        user_id: budi.user_id,
        username: "budi".to_owned(),
        credential_version: budi.credential_version + 1,
    };
    assert_eq!(answer.message(), expected.encode_to_vec(), "and nothing that the contract does not know");
    let names = answer.headers.keys().chain(answer.trailers.keys()).map(http::HeaderName::as_str);
    let names: std::collections::BTreeSet<&str> = names.collect();
    assert!(names.is_subset(&["content-type", "date", "grpc-status", "grpc-message"].into()), "{names:?}");
}
