//! What the gateway's calls carry: the trace, a deadline, and the key of an act.

use std::time::Duration;

use e2e::{Person, World, people::PASSWORD, resets::BOUND, world::Program};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use super::NEW;

/// Waits until a program's log has the text.
pub(super) async fn logged(world: &World, program: Program, text: &str) {
    let end = Instant::now() + BOUND;
    while !world.log(program, 0).contains(text) {
        assert!(Instant::now() < end, "{text} is not in the log");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn one_trace_goes_from_our_proxy_through_the_pages_to_the_service_and_the_support_code_finds_it() {
    let world = World::build().gateway().set("gateway.trusted_proxies=[\"127.0.0.1\"]").start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("sari").role(proto::identity::v1::Role::Admin)).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut visitor = world.visitor("en");
    visitor.log_in("sari", PASSWORD);
    let mut visitor = visitor.header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"));
    let answer = visitor.get("/users/0193577e-0000-7000-8000-000000000001/reset");
    assert_eq!((answer.status, answer.text("support-code").as_str()), (404, trace));
    logged(&world, Program::Gateway, trace).await;
    logged(&world, Program::Identity, trace).await;
}

#[tokio::test]
async fn a_stranger_does_not_choose_the_trace() {
    let world = World::build().gateway().start().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut visitor = world.visitor("en").header("traceparent", &format!("00-{trace}-00f067aa0ba902b7-01"));
    let answer = visitor.get("/nowhere");
    let code = answer.text("support-code");
    assert!(code.len() == 32 && code != trace, "{code}");
}

#[tokio::test]
async fn a_service_that_hangs_is_not_waited_for() {
    let world = World::build().gateway().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let mut budi = world.visitor("en");
    budi.log_in("budi", PASSWORD);
    let (forgot, change) = (budi.get("/forgot"), budi.get("/account"));
    let pid = i32::try_from(world.pid(Program::Identity, 0)).ok().and_then(Pid::from_raw).expect("it runs");
    kill_process(pid, Signal::STOP).expect("it is ours");
    // Each is answered within the bound of one answer.
    let asked = budi.submit(&forgot, "forgot-form", &[("username", "budi")]);
    let changed = budi.submit(&change, "change-form", &[("current_password", PASSWORD)]);
    let (page, login) = (budi.get("/account"), world.visitor("id").get("/login"));
    kill_process(pid, Signal::CONT).expect("it is ours");
    for answer in [&asked, &changed, &page] {
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.body.contains("cannot be reached"), "{}", answer.body);
    }
    assert_eq!(login.status, 200);
    let end = Instant::now() + BOUND;
    while budi.get("/account").status != 200 {
        assert!(Instant::now() < end, "it does not go on");
        sleep(Duration::from_millis(100)).await;
    }
}

/// To the service, a page whose answer was lost is the same page sent again.
#[tokio::test]
async fn after_a_lost_answer_the_same_password_is_the_same_act_and_another_one_is_refused() {
    let world = World::build().gateway().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.request_reset("budi").await;
    let link = world.mail_to("budi@kopi.example").await.links().remove(0);
    let mut budi = world.visitor("en");
    let page = budi.get("/reset");
    let page = budi.submit(&page, "open-form", &[("token", &link)]);
    let mut send = |password: &str| {
        let answer = budi.submit(&page, "password-form", &[("new_password", password), ("confirm_password", password)]);
        (answer.status, answer.has("done"))
    };
    assert_eq!(send(NEW), (200, true));
    assert_eq!(send("angin kencang di gunung utara 7"), (410, false), "it was not set");
    assert_eq!(send(NEW), (200, true), "this one was");
    assert!(world.visitor("en").log_in("budi", NEW).has("welcome"));
}
