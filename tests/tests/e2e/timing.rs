//! Answers that must not tell people apart do not do so by their time either. `cargo xtask timing` measures finer.

use std::time::{Duration, Instant};

use e2e::{
    Person, World,
    timing::{
        Class,
        classes::{self, Accounts},
        measure, needed, pairs,
        statistics::Difference,
    },
};

/// Slow enough to be seen on any machine, however loaded.
const CONTROL: Duration = Duration::from_millis(10);

/// By how much the AUC of two samples of this size may miss one half: six standard errors, so that chance does not
/// reach it. What follows a look-up, a hash or a mail in one class alone is far outside.
fn bound(count: usize) -> f64 {
    6.0 * ((2 * count + 1) as f64 / (12.0 * (count * count) as f64)).sqrt()
}

fn assert_alike(classes: &[Class], times: &[Vec<f64>]) {
    for pair in pairs(classes, times) {
        let miss = (pair.difference.auc - 0.5).abs();
        assert!(miss < bound(times[0].len()), "{:?} can be told apart: {:?}", pair.pair, pair.difference);
    }
}

async fn world() -> World {
    classes::settings().start().await
}

#[tokio::test]
async fn asking_takes_as_long_for_every_kind_of_account_and_a_slow_one_would_be_seen() {
    const COUNT: usize = 150;
    let world = world().await;
    let accounts = Accounts::make(&world, needed(COUNT)).await;
    let mut classes = accounts.request_reset().await;
    classes.push(accounts.nobody().slower("slower", CONTROL));
    let mut times = measure(async || world.wire().await, &classes, COUNT, "", |_| ()).await;
    let (slower, _) = (times.pop().expect("the last one"), classes.pop());
    assert_alike(&classes, &times);
    let seen = Difference::of(&times[1], &slower).auc;
    assert!(seen > 0.5 + bound(COUNT), "the control is not seen: {seen}");
}

#[tokio::test]
async fn a_failed_log_in_takes_as_long_for_every_kind_of_account() {
    const COUNT: usize = 40;
    let world = world().await;
    let accounts = Accounts::make(&world, needed(COUNT)).await;
    let classes = accounts.verify_password();
    let times = measure(async || world.wire().await, &classes, COUNT, "PASSWORD_MISMATCH", |_| ()).await;
    assert_alike(&classes, &times);
}

#[tokio::test]
async fn a_token_that_is_over_is_refused_as_fast_as_one_that_never_was() {
    const COUNT: usize = 150;
    let world = world().await;
    let accounts = Accounts::make(&world, 0).await;
    let classes = accounts.complete_reset().await;
    let times = measure(async || world.wire().await, &classes, COUNT, "RESET_TOKEN_INVALID", |_| ()).await;
    assert_alike(&classes, &times);
}

#[tokio::test]
async fn the_pages_answer_as_fast_about_a_known_name_as_about_an_unknown_one() {
    const COUNT: usize = 120;
    let world = World::build().gateway().wide_limits().start().await;
    let kopi = world.organization("kopi").await;
    for number in 0..COUNT + 5 {
        let person = Person::named(&format!("pegawai{number:03}")).email(&format!("p{number:03}@kopi.example"));
        world.user(&kopi, person.password("")).await;
    }
    let mut visitor = world.visitor("en");
    let page = visitor.get("/forgot");
    let mut ask = |name: &str| {
        let begin = Instant::now();
        let answer = visitor.submit(&page, "forgot-form", &[("username", name), ("act", "")]);
        assert_eq!(answer.status, 303, "{}", answer.body);
        begin.elapsed().as_secs_f64() * 1e6
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    // One after the other in turns, so that what the machine does meanwhile meets both alike.
    for number in 0..COUNT + 5 {
        let turn = [format!("pegawai{number:03}"), format!("nobody-{number:03}")];
        for which in [number % 2, 1 - number % 2] {
            let times = if which == 0 { &mut known } else { &mut unknown };
            times.push(ask(&turn[which]));
        }
    }
    let difference = Difference::of(&known[5..], &unknown[5..]);
    assert!((difference.auc - 0.5).abs() < bound(COUNT), "they can be told apart: {difference:?}");
}
