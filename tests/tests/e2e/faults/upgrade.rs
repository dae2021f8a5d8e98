//! An upgrade and the way back: old and new programs side by side, over the same database and the same queues, while
//! people ask.
//!
//! `cargo xtask upgrade --from REVISION` names the older build. Without one, what runs here is the older: the schema
//! goes on to one that a later release might have.

use std::{
    env,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use e2e::{World, program, world::Program};
use proto::identity::v1::DeliveryState;
use sqlx::{Connection, Executor, PgConnection};
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use super::rolling::Pair;
use crate::{
    crowd::{address, by_message_id, crowd},
    waiting::{number, until},
};

/// Where an older build stands.
const OLD: &str = "SANDI_TEST_OLD_PROGRAMS";
const CALLERS: usize = 3;
const PAUSE: Duration = Duration::from_millis(60);
/// Requests that each state of the upgrade must take.
const ENOUGH: usize = 20;
/// The schema's version.
const NEWEST: &str = "SELECT max(version) FROM _sqlx_migrations";
const PASSWORD: &str = "ombak kecil di teluk biru 4";

/// What a later release may do to the schema while this one runs (CONTRIBUTING.md): columns that may stay empty,
/// tables, and a row that says so.
const FUTURE: [&str; 11] = [
    "ALTER TABLE organizations ADD COLUMN of_the_future text",
    "ALTER TABLE users ADD COLUMN of_the_future text",
    "ALTER TABLE reset_requests ADD COLUMN of_the_future text",
    "ALTER TABLE resets ADD COLUMN of_the_future integer NOT NULL DEFAULT 7",
    "ALTER TABLE outbox ADD COLUMN of_the_future text",
    "ALTER TABLE delivery_attempts ADD COLUMN of_the_future text",
    "ALTER TABLE idempotency_keys ADD COLUMN of_the_future text",
    "ALTER TABLE guesses ADD COLUMN of_the_future text",
    "ALTER TABLE audit_events ADD COLUMN of_the_future text",
    "CREATE TABLE of_the_future (of_the_future_id uuid PRIMARY KEY, reset_id uuid REFERENCES resets ON DELETE CASCADE)",
    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
     VALUES (29991231235959, 'of the future', true, '\\x00', 0)",
];

/// People who ask, and what they were told.
struct Load {
    accepted: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
    callers: Vec<JoinHandle<Result<(), tonic::Status>>>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "a person reads what was tried")]
async fn old_and_new_programs_work_side_by_side_there_and_back_and_no_call_fails() {
    let new = program("identity").parent().expect("programs stand in a folder").to_owned();
    let given = env::var_os(OLD).map(PathBuf::from);
    let old = given.clone().unwrap_or_else(|| new.clone());
    let mut world = World::build().identities(2).mailers(2).wide_limits().programs(old.clone()).start().await;
    let kopi = world.organization("kopi").await;
    let names = crowd(&world, &kopi, 10).await;
    let [there, back] = ["orang-sana", "orang-sini"];
    for name in [there, back] {
        world.user(&kopi, e2e::Person::named(name).email(&address(name))).await;
    }
    let before = number(&world, NEWEST).await;
    let load = Load::begin(&world, &names);
    load.goes_on("all old").await;
    world.request_reset(there).await;
    let made_by_old = world.token_to(&address(there)).await;

    world.use_programs(new);
    tokio::task::block_in_place(|| world.sandi().migrate()).expect("the schema moves on under load");
    if given.is_none() {
        go_on_to_the_future(&world).await;
    }
    let after = number(&world, NEWEST).await;
    load.goes_on("new schema, old programs").await;
    replace(&mut world, &load, "up").await;
    world.request_reset(back).await;
    let made_by_new = world.token_to(&address(back)).await;
    world.complete_reset(&made_by_old, PASSWORD).await.expect("the new one takes the old one's link");
    world.log_in(there, PASSWORD).await.expect("with the password that was set");

    world.use_programs(old);
    if given.is_none() {
        let again = tokio::task::block_in_place(|| world.sandi().migrate());
        again.expect("the old release's migration finds nothing to do");
    }
    replace(&mut world, &load, "back").await;
    world.complete_reset(&made_by_new, PASSWORD).await.expect("the old one takes the new one's link");
    for name in [there, back] {
        world.log_in(name, PASSWORD).await.expect("both know both passwords");
    }

    let accepted = load.end().await;
    for request in &accepted {
        world.reset_in(request, DeliveryState::Sent).await;
    }
    let mails = by_message_id(&world);
    assert!(mails.values().all(|count| *count == 1), "everybody is mailed once: {mails:?}");
    for program in [Program::Identity, Program::Mailer] {
        let parked = if program == Program::Identity { "identity.parked" } else { "mailer.parked" };
        assert_eq!(world.broker().await.ready(parked).await, 0, "each understands the other's messages");
    }
    println!("schema {before} to {after}, there and back: {} requests, none failed, each mailed once", accepted.len());
}

/// Mailers first, as the run book says, one after the other; each mixture has to work.
async fn replace(world: &mut World, load: &Load, way: &str) {
    for program in [Program::Mailer, Program::Identity] {
        for index in 0..2 {
            let status = tokio::task::block_in_place(|| world.terminate(program, index));
            assert!(status.success(), "{program:?} {index}: {status}");
            tokio::task::block_in_place(|| world.start_again(program, index));
            load.goes_on(&format!("{way}: {program:?} {index} is replaced")).await;
        }
    }
}

async fn go_on_to_the_future(world: &World) {
    let mut owner = PgConnection::connect(&world.sandi().plan().servers.database_owner).await.expect("it answers");
    owner.execute("SET lock_timeout = '5s'").await.expect("as `identity migrate` does");
    for sql in FUTURE {
        owner.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

impl Load {
    fn begin(world: &World, names: &[String]) -> Self {
        let (accepted, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
        let pair = Pair([world.client("gateway", 0), world.client("gateway", 1)]);
        let callers = (0..CALLERS).map(|caller| {
            let (pair, names) = (pair.clone(), names.to_vec());
            let (accepted, stop) = (Arc::clone(&accepted), stop.clone());
            tokio::spawn(async move {
                for call in 0.. {
                    if stop.is_cancelled() {
                        break;
                    }
                    let name = &names[(caller + call) % names.len()];
                    let request = pair.request(call % 2, name, &format!("call-{caller}-{call}")).await?;
                    accepted.lock().expect("a lock").push(request);
                    sleep(PAUSE).await;
                }
                Ok(())
            })
        });
        let callers = callers.collect();
        Self { accepted, stop, callers }
    }

    /// Waits until enough further requests were accepted.
    async fn goes_on(&self, during: &str) {
        let count = || self.accepted.lock().expect("a lock").len();
        let before = count();
        until(&format!("{during}: requests are accepted"), async || (count() >= before + ENOUGH).then_some(())).await;
    }

    async fn end(self) -> Vec<String> {
        self.stop.cancel();
        for caller in self.callers {
            caller.await.expect("it runs to its end").unwrap_or_else(|status| panic!("a call failed: {status:?}"));
        }
        std::mem::take(&mut *self.accepted.lock().expect("a lock"))
    }
}
