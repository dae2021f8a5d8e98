//! What a program counts, as its metrics page shows it.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use e2e::{Person, World, people::PASSWORD, world::Program};
use proto::identity::v1::DeliveryState;
use tokio::time::{Instant, sleep};

use crate::waiting::BOUND;

/// Names of docs/metrics.md that the journey below does not bring about, and why.
const UNSEEN: [(&str, &str); 0] = [];

/// The sum of a metric over all lines whose labels contain `label`; 0 when there is none.
///
/// # Panics
/// When the page has a line without a number.
pub fn sum(world: &World, program: Program, name: &str, label: &str) -> f64 {
    let page = world.admin(program, 0, "/metrics").body;
    let lines = page.lines().filter(|line| line.starts_with(name) && line.contains(label));
    let value = |line: &str| line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok());
    lines.map(|line| value(line).unwrap_or_else(|| panic!("no number: {line}"))).sum()
}

/// The name in each row of the section `heading` of docs/metrics.md.
fn told(heading: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let page = fs::read_to_string(path).expect("there is a page");
    let section = page.split("\n## ").find_map(|section| section.strip_prefix(heading)).expect("there is a section");
    section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect()
}

/// The names that a program exposes.
fn exposed(world: &World, program: Program) -> BTreeSet<String> {
    let page = world.admin(program, 0, "/metrics").body;
    page.lines().filter_map(|line| Some(line.strip_prefix("# TYPE ")?.split_once(' ')?.0.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_metrics_names_those_of_each_program_and_no_others() {
    let world = World::build().gateway().set("identity.canary.username=canary").start().await;
    let kopi = world.organization("kopi").await;
    world.user(&kopi, Person::named("budi").email("budi@kopi.example")).await;
    let mut visitor = world.visitor("id");
    let visit = tokio::task::spawn_blocking(move || assert!(visitor.log_in("budi", PASSWORD).has("welcome")));
    visit.await.expect("he is logged in");
    let request = world.request_reset("budi").await;
    world.reset_in(&request, DeliveryState::Sent).await;

    let programs = [(Program::Identity, "identity\n"), (Program::Mailer, "mailer\n"), (Program::Gateway, "gateway\n")];
    let of_all = told("Every program\n");
    let end = Instant::now() + BOUND;
    loop {
        let (mut shown, mut missing) = (BTreeSet::new(), BTreeSet::new());
        for (program, heading) in programs {
            let (exposed, told) = (exposed(&world, program), told(heading));
            let strange: Vec<_> =
                exposed.iter().filter(|name| !told.contains(*name) && !of_all.contains(*name)).collect();
            assert!(strange.is_empty(), "{program:?} exposes what is not in docs/metrics.md: {strange:?}");
            missing.extend(told.difference(&exposed).cloned());
            shown.extend(exposed);
        }
        missing.extend(of_all.difference(&shown).cloned());
        missing.retain(|name| UNSEEN.iter().all(|(unseen, _)| unseen != name));
        if missing.is_empty() {
            break;
        }
        assert!(Instant::now() < end, "in docs/metrics.md, and no program exposes it: {missing:?}");
        sleep(Duration::from_millis(250)).await;
    }
    let confirmed = |program, name| sum(&world, program, name, "outcome=\"confirmed\"");
    assert_eq!(confirmed(Program::Identity, "sandi_outbox_published_total"), 1.0);
    assert_eq!(confirmed(Program::Mailer, "sandi_mailer_status_published_total"), 1.0);
    assert_eq!(confirmed(Program::Mailer, "sandi_mailer_status_publish_duration_seconds_count"), 1.0);
    for program in [Program::Identity, Program::Mailer] {
        assert_eq!(sum(&world, program, "sandi_broker_blocked", ""), 0.0, "{program:?}");
    }
}
