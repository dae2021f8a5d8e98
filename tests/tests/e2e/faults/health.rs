//! Probes tell the truth: each fault, and what each program says of itself while it lasts and after it.

use std::time::Duration;

use e2e::{Mode, Person, Phase, Rule, World, world::Program};
use lapin::BasicProperties;
use messaging::topology::{IDENTITY_EVENTS, RESET_REQUESTED};
use sqlx::{Connection, Executor, PgConnection};
use tokio::time::sleep;
use tonic_health::pb::health_check_response::ServingStatus;

use super::health;
use crate::waiting::until_within;

/// How long a fault may stay unseen, and its end.
const BOUND: Duration = Duration::from_secs(15);
/// So many looks in a row must see the same, so that nothing flutters.
const LOOKS: usize = 4;
const PAUSE: Duration = Duration::from_millis(200);
const PROGRAMS: [Program; 3] = [Program::Identity, Program::Mailer, Program::Gateway];

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    Nothing,
    DatabaseCloses,
    DatabaseIsSilent,
    DatabaseIsSlow,
    DatabaseIsReadOnly,
    DatabaseHasNoPlaceForUs,
    TableIsLocked,
    BrokerCloses,
    BrokerIsSilent,
    BrokerIsDown,
    BrokerTakesNothing,
    MailServerRefusesUs,
    MailServerRefusesSomebody,
    MessageIsPoison,
}

/// What is said meanwhile.
#[derive(Clone, Copy)]
struct Said {
    fault: Fault,
    /// The check that takes identity out of service, on the public port and the admin port alike.
    identity: Option<&'static str>,
    /// The check that makes the mailer unready.
    mailer: Option<&'static str>,
    /// Checks that only inform.
    informs: &'static [(Program, &'static str)],
}

impl Said {
    fn is_harmless(self) -> bool {
        self.identity.is_none() && self.mailer.is_none() && self.informs.is_empty()
    }
}

/// A fault that takes nobody out of service, and no notice of it.
const fn harmless(fault: Fault) -> Said {
    Said { fault, identity: None, mailer: None, informs: &[] }
}

/// One of identity's database, which the gateway hears of.
const fn of_database(fault: Fault) -> Said {
    Said { identity: Some("database"), informs: &[(Program::Gateway, "identity")], ..harmless(fault) }
}

const TABLE: [Said; 14] = [
    harmless(Fault::Nothing),
    of_database(Fault::DatabaseCloses),
    of_database(Fault::DatabaseIsSilent),
    harmless(Fault::DatabaseIsSlow),
    of_database(Fault::DatabaseIsReadOnly),
    of_database(Fault::DatabaseHasNoPlaceForUs),
    harmless(Fault::TableIsLocked),
    Said {
        informs: &[(Program::Identity, "broker"), (Program::Identity, "publishing")],
        ..harmless(Fault::BrokerCloses)
    },
    harmless(Fault::BrokerIsSilent),
    Said {
        mailer: Some("broker"),
        informs: &[(Program::Identity, "broker"), (Program::Identity, "publishing"), (Program::Mailer, "publishing")],
        ..harmless(Fault::BrokerIsDown)
    },
    Said { informs: &[(Program::Identity, "publishing")], ..harmless(Fault::BrokerTakesNothing) },
    Said { mailer: Some("relay"), ..harmless(Fault::MailServerRefusesUs) },
    harmless(Fault::MailServerRefusesSomebody),
    harmless(Fault::MessageIsPoison),
];

#[tokio::test(flavor = "multi_thread")]
async fn probes_tell_the_truth_under_each_fault_and_after_it() {
    let mut world = World::build().gateway().own_broker().proxies().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let mut owner = PgConnection::connect(&world.sandi().plan().servers.database_owner).await.expect("it answers");
    for said in TABLE {
        set(&mut world, &mut owner, said.fault, true).await;
        steadily(&world, said).await;
        set(&mut world, &mut owner, said.fault, false).await;
        if !said.is_harmless() {
            steadily(&world, harmless(Fault::Nothing)).await;
        }
    }
    world.kill(Program::Identity, 0);
    until_within(BOUND, "the gateway tells that identity is gone", async || {
        fails(&world, Program::Gateway, "/healthz", "identity").then_some(())
    })
    .await;
    assert_eq!(world.admin(Program::Gateway, 0, "/readyz").status, 200, "its pages still say what is wrong");
}

/// Brings a fault about, or ends it.
async fn set(world: &mut World, owner: &mut PgConnection, fault: Fault, on: bool) {
    let line = |mode| if on { mode } else { Mode::Pass };
    match fault {
        Fault::Nothing => {}
        Fault::DatabaseCloses => world.database_line(line(Mode::Refuse)),
        Fault::DatabaseIsSilent => world.database_line(line(Mode::Hold)),
        Fault::DatabaseIsSlow => world.database_line(line(Mode::Delay(Duration::from_millis(200)))),
        // As on a replica: what is read still comes, nothing can be written.
        Fault::DatabaseIsReadOnly => alter(world, &format!("SET default_transaction_read_only = {on}")),
        // Others have taken all its connections.
        Fault::DatabaseHasNoPlaceForUs => alter(world, &format!("CONNECTION LIMIT {}", if on { 0 } else { -1 })),
        Fault::TableIsLocked => {
            let sql = if on { "BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE" } else { "ROLLBACK" };
            owner.execute(sql).await.expect("the owner may");
        }
        Fault::BrokerCloses => world.broker_line(line(Mode::Refuse)),
        Fault::BrokerIsSilent => world.broker_line(line(Mode::Hold)),
        Fault::BrokerIsDown if on => world.broker_process().stop().expect("it stops"),
        Fault::BrokerIsDown => world.broker_process().restart().expect("it starts again"),
        Fault::BrokerTakesNothing => {
            let free = if on { "999999GB" } else { "50MB" };
            world.broker_process().control(&["set_disk_free_limit", free]).expect("the limit is set");
            // It says so to who publishes.
            until_within(BOUND, "the alarm is seen or over", async || {
                world.request_reset("budi").await;
                (fails(world, Program::Identity, "/healthz", "publishing") == on).then_some(())
            })
            .await;
        }
        Fault::MailServerRefusesUs | Fault::MailServerRefusesSomebody if !on => world.sink().behave(),
        Fault::MailServerRefusesUs => {
            world.script(Rule::reply(Phase::Mail, 550, "5.7.1 sender refused"));
            world.request_reset("budi").await;
        }
        Fault::MailServerRefusesSomebody => {
            world.script(Rule::reply(Phase::Recipient, 550, "5.1.1 no such mailbox"));
            world.request_reset("budi").await;
        }
        Fault::MessageIsPoison if on => {
            let broker = world.broker().await;
            broker.publish(IDENTITY_EVENTS, RESET_REQUESTED, b"\xff\xff\xff", BasicProperties::default()).await;
            broker.wait_ready("mailer.parked", 1).await;
        }
        Fault::MessageIsPoison => world.broker().await.purge("mailer.parked").await,
    }
}

/// Changes something about the database, and ends the sessions that know it otherwise.
fn alter(world: &World, change: &str) {
    let name = world.database_name();
    for sql in [
        format!("ALTER DATABASE {name} {change}"),
        format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = '{name}' AND application_name = 'sandi-identity'"
        ),
    ] {
        world.postgres().query("postgres", &sql).expect("the superuser may");
    }
}

/// Waits until all programs say this, and go on saying it.
async fn steadily(world: &World, said: Said) {
    until_within(BOUND, &format!("{:?}: all programs say so", said.fault), async || {
        for _ in 0..LOOKS {
            if !says(world, said).await {
                return None;
            }
            sleep(PAUSE).await;
        }
        Some(())
    })
    .await;
}

async fn says(world: &World, said: Said) -> bool {
    for program in PROGRAMS {
        assert_eq!(world.admin(program, 0, "/livez").status, 200, "{program:?} lives under {:?}", said.fault);
    }
    let serving = if said.identity.is_none() { ServingStatus::Serving } else { ServingStatus::NotServing };
    health(world).await == serving
        && ready_but_for(world, Program::Identity, said.identity)
        && ready_but_for(world, Program::Mailer, said.mailer)
        && ready_but_for(world, Program::Gateway, None)
        && said.informs.iter().all(|(program, check)| fails(world, *program, "/healthz", check))
        && (said.fault != Fault::Nothing || PROGRAMS.iter().all(|program| is_all_well(world, *program)))
}

/// Whether each check says ok, those that only inform too.
fn is_all_well(world: &World, program: Program) -> bool {
    world.admin(program, 0, "/healthz").body.lines().all(|line| line.ends_with(": ok"))
}

fn ready_but_for(world: &World, program: Program, check: Option<&str>) -> bool {
    let status = world.admin(program, 0, "/readyz").status;
    match check {
        None => status == 200,
        Some(check) => status == 503 && fails(world, program, "/readyz", check),
    }
}

/// Whether the page has a line of that check which does not say ok.
fn fails(world: &World, program: Program, path: &str, check: &str) -> bool {
    let page = world.admin(program, 0, path).body;
    page.lines().any(|line| line.strip_prefix(check).is_some_and(|rest| rest.starts_with(": ") && rest != ": ok"))
}
