//! Exchanges, queues, rights and policies on the broker, and who makes them.

use std::fs;

use e2e::{Person, World, resets::BOUND, world::Program};
use messaging::topology::{Declares, permissions};
use proto::identity::v1::DeliveryState;
use serde_json::{Value, json};

use crate::waiting::{until, until_within};

/// The definitions that are deployed.
const DEPLOYED: &str = include_str!("../../../deploy/rabbitmq/definitions.json");
/// Their users who have a program.
const USERS: [(&str, Program); 2] = [("sandi_identity", Program::Identity), ("sandi_mailer", Program::Mailer)];

fn call(world: &World, method: &str, path: &str, body: &Value) {
    let answer = world.rabbitmq().api(method, path, Some(body)).expect("the broker answers");
    assert!(answer.is_ok(), "{method} {path}: {} {}", answer.status, answer.body);
}

fn read(world: &World, path: &str) -> Value {
    let answer = world.rabbitmq().api("GET", path, None).expect("the broker answers");
    serde_json::from_str(&answer.body).expect("it is JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deployed_definitions_are_imported_and_both_programs_run_with_their_users() {
    let mut world = World::build().own_broker().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let exported = world.command(Program::Identity, &["topology", "export"]).expect("it is printed");
    let [exported, deployed]: [Value; 2] = [&exported, DEPLOYED].map(|text| serde_json::from_str(text).expect("JSON"));
    assert_eq!(exported, deployed);

    import(&world, &deployed);
    move_in(&mut world, "");
    let rights = read(&world, "permissions/sandi/sandi_mailer");
    assert_eq!(rights["configure"], permissions(messaging::Side::Mailer, Declares::Programs).configure);
    let first = world.request_reset("budi").await;
    world.reset_in(&first, DeliveryState::Sent).await;
    // The management page learns of it some time later.
    until("the policy holds for the queue", async || {
        (read(&world, "queues/sandi/mailer.requests")["policy"] == "sandi-work").then_some(())
    })
    .await;

    // The same with programs that only look, and users that may not declare.
    let passive = world.command(Program::Identity, &["topology", "export", "--passive"]).expect("it is printed");
    import(&world, &serde_json::from_str(&passive).expect("it is JSON"));
    move_in(&mut world, "declare = false\n");
    for (user, _) in USERS {
        assert_eq!(read(&world, &format!("permissions/sandi/{user}"))["configure"], "^$");
    }
    world.user(&kopi, Person::named("sari").email("sari@kopi.example")).await;
    let second = world.request_reset("sari").await;
    world.reset_in(&second, DeliveryState::Sent).await;
}

/// Imports definitions, and gives the users passwords, which they come without.
fn import(world: &World, definitions: &Value) {
    call(world, "POST", "definitions", definitions);
    for (user, _) in USERS {
        call(world, "PUT", &format!("users/{user}"), &json!({ "password": format!("{user}-secret"), "tags": "" }));
    }
}

/// Restarts both programs on the virtual host of the definitions, with these settings of `amqp`.
fn move_in(world: &mut World, settings: &str) {
    for (user, program) in USERS {
        assert!(world.terminate(program, 0).success());
        let servers = &world.sandi().plan().servers;
        let old = if program == Program::Identity { &servers.amqp_identity } else { &servers.amqp_mailer };
        let host = old.rsplit_once('@').and_then(|(_, rest)| rest.split_once('/')).expect("a URL").0;
        let secret = world.path(&format!("secrets/amqp-{}-url", program.name()));
        fs::write(secret, format!("amqp://{user}:{user}-secret@{host}/sandi\n")).expect("it is written");
        let file = world.path(&format!("{}.toml", program.name()));
        let text = fs::read_to_string(&file).expect("it is there");
        fs::write(&file, text.replace("[amqp]\n", &format!("[amqp]\n{settings}"))).expect("it is written");
    }
    for (_, program) in USERS {
        world.start_again(program, 0);
    }
}

#[tokio::test]
async fn a_service_that_may_not_declare_says_what_is_missing_until_an_operator_made_it() {
    let world = World::build().mailers(0).set("identity.amqp.declare=false").start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let rights = permissions(messaging::Side::Identity, Declares::Operator);
    let rights = json!({ "configure": rights.configure, "write": rights.write, "read": rights.read });
    call(&world, "PUT", &format!("permissions/{}/sandi_identity", world.vhost()), &rights);
    let health = || world.admin(Program::Identity, 0, "/healthz").body;
    until("it is said", async || {
        health()
            .contains("exchange identity.events (which `identity topology apply` makes) does not exist")
            .then_some(())
    })
    .await;

    let applied = apply(&world).expect("an operator may");
    for made in ["exchange identity.events", "queue mailer.requests", "queue identity.parked"] {
        assert!(applied.lines().any(|line| line == made), "{applied}");
    }
    assert_eq!(apply(&world).expect("twice is once"), applied);
    until("identity is content", async || health().contains("broker: ok").then_some(())).await;
    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Queued).await;
    world.broker().await.wait_ready("mailer.requests", 1).await;
}

/// Applies the topology as an operator.
fn apply(world: &World) -> anyhow::Result<String> {
    let file = world.path("secrets/amqp-operator-url");
    fs::write(&file, world.rabbitmq().administrator_url(world.vhost())).expect("it is written");
    world.command(Program::Identity, &["topology", "apply", "--url-file", &file.display().to_string()])
}

#[tokio::test]
async fn a_queue_that_is_another_one_than_we_need_is_named_with_what_differs() {
    let mut world = World::build().mailers(0).start().await;
    world.kill(Program::Identity, 0);
    let path = format!("queues/{}/identity.mail-status", world.vhost());
    // It may not be there yet.
    world.rabbitmq().api("DELETE", &path, None).expect("the broker answers");
    let arguments = json!({
        "x-queue-type": "quorum", "x-delivery-limit": 20, "x-dead-letter-exchange": "elsewhere",
        "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish",
    });
    call(&world, "PUT", &path, &json!({ "durable": true, "arguments": arguments }));
    world.start_again(Program::Identity, 0);
    let conflict = "queue identity.mail-status exists with another x-dead-letter-exchange: \
                    elsewhere is there, identity.parked is wanted";
    until("it is said", async || world.admin(Program::Identity, 0, "/healthz").body.contains(conflict).then_some(()))
        .await;
    let refused = apply(&world).expect_err("it is there").to_string();
    assert!(refused.contains(conflict), "{refused}");
}

#[tokio::test]
async fn the_doctors_see_a_queue_that_is_another_one_and_bring_back_a_binding_that_is_gone() {
    let mut world = World::start().await;
    world.command(Program::Identity, &["doctor"]).expect("all is well");
    world.kill(Program::Mailer, 0);
    let bindings = format!("bindings/{}/e/identity.events/q/mailer.requests", world.vhost());
    let bound = || read(&world, &bindings).as_array().expect("a list").len();
    assert_eq!(bound(), 2);
    let answer = world.rabbitmq().api("DELETE", &format!("{bindings}/identity.reset.requested.v1"), None);
    assert!(answer.expect("the broker answers").is_ok());
    world.command(Program::Mailer, &["doctor"]).expect("all is well again");
    assert_eq!(bound(), 2);

    let path = format!("queues/{}/mailer.requests", world.vhost());
    assert!(world.rabbitmq().api("DELETE", &path, None).expect("the broker answers").is_ok());
    call(&world, "PUT", &path, &json!({ "durable": true, "arguments": { "x-queue-type": "classic" } }));
    let (well, said) = world.said(Program::Mailer, &["doctor"]).await;
    assert!(!well && said.contains("BAD   broker: queue mailer.requests exists with another"), "{said}");
}

#[tokio::test]
async fn the_doctor_knows_whether_the_canary_arrives() {
    let mut world = World::build().set("identity.canary.username=canary").set("identity.canary.every=1s").start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("canary").email("canary@kopi.example")).await;
    until("one has arrived", async || {
        world.command(Program::Identity, &["doctor"]).is_ok_and(|said| said.contains("ok       canary: ")).then_some(())
    })
    .await;
    world.script(e2e::Rule::reply(e2e::Phase::Mail, 451, "4.3.0 later"));
    until_within(BOUND * 2, "none has arrived for three rounds", async || {
        let (well, said) = world.said(Program::Identity, &["doctor"]).await;
        (!well && said.contains("FAILED   canary: asked for")).then_some(())
    })
    .await;
    world.kill(Program::Identity, 0);
    until("nobody has asked for two rounds", async || {
        let said = world.command(Program::Identity, &["doctor"]).ok()?;
        said.contains("warning  canary: nobody asks for it").then_some(())
    })
    .await;
}
