//! While the identity service is away, pages say so and keep what was typed, except secrets.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use e2e::{Person, World, people::PASSWORD, resets::BOUND, web::Answer, world::Program};

use super::{NEW, pages::assert_strict};

#[tokio::test]
async fn pages_say_that_the_service_is_away_and_go_on_when_it_is_back() {
    let mut world = World::build().gateway().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let (mut budi, mut stranger) = (world.visitor("en"), world.visitor("id"));
    budi.log_in("budi", PASSWORD);
    let (login, forgot) = (stranger.get("/login"), stranger.get("/forgot"));
    world.kill(Program::Identity, 0);

    let asked = stranger.submit(&forgot, "forgot-form", &[("username", "budi")]);
    let tried = stranger.submit(&login, "login-form", &[("username", "budi"), ("password", PASSWORD)]);
    for (answer, form) in [(&asked, "forgot-form"), (&tried, "login-form")] {
        assert_strict(answer);
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.header("retry-after").parse::<u64>().is_ok());
        assert!(answer.body.contains("role=\"alert\"") && answer.body.contains("tidak dapat dihubungi"));
        assert!(answer.form(form).fields.contains(&("username".to_owned(), "budi".to_owned())));
        assert!(!answer.body.contains(PASSWORD));
    }
    let page = budi.get("/account");
    assert_eq!(page.status, 503, "{}", page.body);
    assert!(page.has("support-code") && budi.cookies.contains_key("sandi_session"), "the session is kept");
    assert_eq!(stranger.get("/login").status, 200);
    assert_eq!(world.admin(Program::Gateway, 0, "/readyz").status, 200, "pages are still shown");

    world.start_again(Program::Identity, 0);
    let sent = stranger.submit(&asked, "forgot-form", &[]);
    assert_eq!(sent.status, 303, "{}", sent.body);
    world.mail_to("budi@kopi.example").await;
    assert_eq!(budi.get("/account").status, 200);
    let trace = world.log(Program::Gateway, 0);
    assert!(!trace.contains(PASSWORD) && !trace.contains("budi"), "neither names nor secrets are logged");
}

#[tokio::test]
async fn a_link_is_not_lost_while_the_service_is_away() {
    let mut world = World::build().gateway().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    world.request_reset("budi").await;
    let link = world.mail_to("budi@kopi.example").await.links().remove(0);
    let token = link.rsplit_once('#').expect("a token").1;
    let (mut budi, mut late) = (world.visitor("id"), world.visitor("en"));
    let page = budi.get("/reset");
    let page = budi.submit(&page, "open-form", &[("token", &link)]);
    let before = late.get("/reset");
    world.kill(Program::Identity, 0);

    let refused = budi.submit(&page, "password-form", &[("new_password", NEW), ("confirm_password", NEW)]);
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_strict(&refused);
    assert!(refused.body.contains("Tautan Anda tidak hangus") && refused.body.contains("role=\"alert\""));
    assert!(refused.header("retry-after").parse::<u64>().is_ok() && !refused.body.contains(NEW));
    assert_eq!(refused.attribute("username", "value"), "budi");
    let kept = |field: &str, value: &str, page: &Answer, form: &str| {
        page.form(form).fields.contains(&(field.to_owned(), value.to_owned()))
    };
    assert!(kept("token", token, &refused, "password-form"));
    assert!(kept("new_password", "", &refused, "password-form"), "but no password");
    let unseen = late.submit(&before, "open-form", &[("token", &link)]);
    assert_eq!(unseen.status, 503, "{}", unseen.body);
    assert_strict(&unseen);
    assert!(unseen.body.contains("Your link is not lost") && kept("token", token, &unseen, "open-form"));

    world.start_again(Program::Identity, 0);
    let seen = late.submit(&unseen, "open-form", &[]);
    assert_eq!((seen.status, seen.attribute("username", "value").as_str()), (200, "budi"), "{}", seen.body);
    let done = budi.submit(&refused, "password-form", &[("new_password", NEW), ("confirm_password", NEW)]);
    assert!(done.status == 200 && done.has("done"), "{}", done.body);
    budi.log_in("budi", NEW);
}

/// The connection is torn in the middle of calls, by a stop in order and by a crash.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_service_is_never_shown_as_our_fault() {
    let mut world = World::build().gateway().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let mut budi = world.visitor("en");
    budi.log_in("budi", PASSWORD);
    let stop = Arc::new(AtomicBool::new(false));
    let clicking: Vec<_> = (0..4)
        .map(|number| {
            let (mut budi, mut stranger, stop) = (budi.clone(), world.visitor("en"), Arc::clone(&stop));
            std::thread::spawn(move || {
                let forgot = stranger.get("/forgot");
                let mut seen = BTreeMap::new();
                while !stop.load(Ordering::Relaxed) {
                    let name = format!("tidak-ada-{number}");
                    let page = budi.get("/account");
                    assert!([200, 503].contains(&page.status), "{}: {}", page.status, page.body);
                    let asked = stranger.submit(&forgot, "forgot-form", &[("username", &name), ("act", "")]);
                    assert!([303, 503].contains(&asked.status), "{}: {}", asked.status, asked.body);
                    *seen.entry(page.status).or_insert(0_usize) += 1;
                    // As fast as people are; the rest of the machine is for the service.
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                seen
            })
        })
        .collect();
    for round in 0..4 {
        tokio::task::block_in_place(|| {
            if round % 2 == 0 {
                assert!(world.terminate(Program::Identity, 0).success());
            } else {
                world.kill(Program::Identity, 0);
            }
            world.start_again(Program::Identity, 0);
        });
        // Back at work before the next one.
        let end = tokio::time::Instant::now() + BOUND;
        while budi.get("/account").status != 200 {
            assert!(tokio::time::Instant::now() < end, "it does not go on");
        }
    }
    stop.store(true, Ordering::Relaxed);
    for thread in clicking {
        let seen = thread.join().expect("only what is kind was shown");
        assert!(seen.get(&200).is_some_and(|count| *count > 0), "{seen:?}");
    }
    assert_eq!(budi.get("/account").status, 200, "nobody was logged out");
}
