//! SIGTERM: the identity service ends in order.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use e2e::{Person, World, people::PASSWORD, people::requester, world::Program};
use proto::identity::v1::{
    CreateUserRequest, DeliveryState, RequestResetRequest, User, VerifyPasswordRequest,
    request_reset_request::Identifier,
};
use sqlx::{Connection, Executor, PgConnection};
use tonic::Status;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::waiting::{until, until_number};

/// How long an orderly end may take (faults.md, F-34).
const END: Duration = Duration::from_secs(10);
/// What a client begins an HTTP/2 connection with: the preface and empty settings (RFC 9113, 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

fn request(name: &str) -> RequestResetRequest {
    RequestResetRequest {
        identifier: Some(Identifier::Username(name.to_owned())),
        requester: requester("203.0.113.7", "id"),
        ..Default::default()
    }
}

/// Connections that never say anything more, not even goodbye.
pub(super) fn hostile(address: SocketAddr, count: usize, said: &[u8]) -> Vec<TcpStream> {
    let connect = |_| {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(said).expect("it reads");
        stream
    };
    (0..count).map(connect).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_under_way_succeed_although_the_program_is_told_to_end_and_others_hold_on_to_it() {
    let mut world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    let listen = world.sandi().plan().identities[0].grpc;
    let _idle = hostile(listen, 100, PREFACE);
    let _slow = hostile(listen, 20, &PREFACE[..10]);

    // Ten calls stand still in the database until the lock is gone.
    let mut owner = PgConnection::connect(&world.sandi().plan().servers.database_owner).await.expect("it answers");
    owner
        .execute(
            "CREATE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql
                 AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NEW; END $$;
             CREATE TRIGGER wait_for_the_test BEFORE INSERT ON users
                 FOR EACH ROW EXECUTE FUNCTION wait_for_the_test();
             SELECT pg_advisory_lock(4711);",
        )
        .await
        .expect("the trap is laid");
    let call = |number| {
        let mut client = world.crm().directory;
        let invited = User {
            organization_id: kopi.organization_id.clone(),
            username: format!("tamu{number}"),
            email: format!("tamu{number}@kopi.example"),
            ..User::default()
        };
        let invite = CreateUserRequest { user: Some(invited), send_invitation: true, ..Default::default() };
        tokio::spawn(async move { client.create_user(invite).await })
    };
    let calls: Vec<_> = (0..10).map(call).collect();
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    until_number(&world, waiting, 10).await;

    let mut watch = HealthClient::new(world.channel(0))
        .watch(HealthCheckRequest::default())
        .await
        .expect("health can be watched")
        .into_inner();
    let mut told = async move || watch.message().await.expect("it says").expect("something").status();
    assert_eq!(told().await, ServingStatus::Serving);
    let release = tokio::spawn(async move {
        while told().await != ServingStatus::NotServing {}
        owner.execute("SELECT pg_advisory_unlock(4711)").await.expect("it is unlocked");
    });
    let began = Instant::now();
    let status = world.terminate(Program::Identity, 0);
    let took = began.elapsed();
    assert!(status.success(), "{status}");
    assert!(took < END, "{took:?}");
    release.await.expect("it was said, and then the calls went on");
    for call in calls {
        call.await.expect("it runs to its end").expect("it was under way");
    }

    world.start_again(Program::Identity, 0);
    for number in 0..10 {
        world.token_to(&format!("tamu{number}@kopi.example")).await;
    }
    assert_eq!(world.sink().mails().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_goodbye_and_comes_again_at_once_is_refused_and_not_cut_off() {
    let mut world = World::build().wide_limits().start().await;
    let listen = world.sandi().plan().identities[0].grpc;
    let come_again = |stream| {
        thread::spawn(move || {
            await_goodbye(stream);
            TcpStream::connect(listen).map(drop).map_err(|error| error.kind())
        })
    };
    let clients: Vec<_> = hostile(listen, 400, PREFACE).into_iter().map(come_again).collect();
    let status = world.terminate(Program::Identity, 0);
    assert!(status.success(), "{status}");
    for client in clients {
        assert_eq!(client.join().expect("it runs to its end"), Err(ErrorKind::ConnectionRefused));
    }
}

/// Reads frames until a GOAWAY (RFC 9113, 4.1 and 6.8).
fn await_goodbye(mut stream: TcpStream) {
    const GOAWAY: u8 = 7;
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header).expect("a frame, and a goodbye before the end");
        let [a, b, c, kind, ..] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload).expect("the whole frame");
        if kind == GOAWAY {
            return;
        }
    }
}

/// How a call ended, when it began, and the request it made.
struct Call {
    began: Instant,
    outcome: Result<Option<String>, Status>,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_that_was_sent_before_the_end_of_a_busy_process_and_every_accepted_one_is_mailed() {
    let mut world = World::build().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let load: Vec<_> = (0..6).map(|number| tokio::spawn(busy(world.gateway(), number % 3 == 0))).collect();
    until("there is load", async || (world.sink().mails().len() >= 10).then_some(())).await;

    let signalled = Instant::now();
    let status = world.terminate(Program::Identity, 0);
    let took = signalled.elapsed();
    assert!(status.success(), "{status}");
    assert!(took < END, "{took:?}");
    let mut accepted = Vec::new();
    for calls in load {
        for call in calls.await.expect("it runs to its end") {
            match call.outcome {
                Ok(request) => accepted.extend(request),
                // Sent to a process that was ending already.
                Err(status) => assert!(call.began >= signalled, "{:?} before: {status:?}", signalled - call.began),
            }
        }
    }

    world.start_again(Program::Identity, 0);
    for request in &accepted {
        world.reset_in(request, DeliveryState::Sent).await;
    }
    assert_eq!(world.sink().mails().len(), accepted.len());
}

/// Calls without a pause, until one fails.
async fn busy(mut client: e2e::client::Client, log_ins: bool) -> Vec<Call> {
    let mut calls = Vec::new();
    loop {
        let began = Instant::now();
        let outcome = if log_ins {
            let request = VerifyPasswordRequest {
                username: "budi".to_owned(),
                password: PASSWORD.to_owned(),
                requester: requester("203.0.113.7", "id"),
            };
            client.identity.verify_password(request).await.map(|_| None)
        } else {
            client.identity.request_reset(request("budi")).await.map(|answer| Some(answer.into_inner().request_id))
        };
        let over = outcome.is_err();
        calls.push(Call { began, outcome });
        if over {
            return calls;
        }
    }
}
