//! `cargo xtask timing`: measures finely whether answers tell people apart by their time.
//!
//! Arguments: how many calls of each class, and the file to write the table to.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use e2e::{
    Act, Phase, Rule, World,
    timing::{
        Class, Worst,
        classes::{self, Accounts},
        measure, needed, worst,
    },
    world::{Builder, Program},
};
use sqlx::Executor;

/// No statistic may be larger (dudect's bound).
const MOST: f64 = 4.5;
/// How far the AUC may be from one half with 10,000 calls a class.
const AUC: f64 = 0.018;
/// What the harness must see, or it proves nothing.
const CONTROL: Duration = Duration::from_micros(100);

/// What a world is to have besides.
type Wish = fn(Builder) -> Builder;

/// One line of the table.
struct Row {
    what: &'static str,
    count: usize,
    worst: Worst,
    /// Whether a difference is what must be found.
    control: bool,
}

impl Row {
    fn differs(&self) -> bool {
        let bound = AUC * (10_000.0 / self.count as f64).sqrt();
        self.worst.difference.worst() >= MOST || (self.worst.difference.auc - 0.5).abs() > bound
    }

    fn is_good(&self) -> bool {
        self.differs() == self.control
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().and_then(|it| it.parse().ok()).expect("how many calls of each class");
    let file: PathBuf = arguments.next().expect("the table's file").into();
    let mut rows = Vec::new();
    asking(&mut rows, count).await;
    while_something_stands_still(&mut rows, (count / 5).max(200)).await;
    others(&mut rows, count).await;
    let table = table(&rows);
    std::fs::write(&file, &table).expect("the table can be written");
    say(&format!("\n{table}"));
    if rows.iter().all(Row::is_good) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stdout, reason = "a person reads it")]
fn say(text: &str) {
    println!("{text}");
}

async fn times(world: &World, what: &str, classes: &[Class], count: usize, expected: &str) -> Vec<Vec<f64>> {
    let mut error = std::io::stderr();
    let shown = error.is_terminal();
    let progress = |done: usize| {
        if shown || done == count {
            let _ = write!(error, "\r{what}: {done} of {count}{}", if done == count { "\n" } else { "" });
        }
    };
    measure(&world.wire().await, classes, count, expected, progress).await
}

/// RequestReset, and the two controls that say what this run can see.
async fn asking(rows: &mut Vec<Row>, count: usize) {
    let world = classes::settings().start().await;
    let accounts = Accounts::make(&world, needed(count) + needed(count / 2)).await;
    let mut classes = accounts.request_reset().await;
    classes.push(accounts.nobody());
    classes.push(accounts.nobody().slower("unknown + 100 µs", CONTROL));
    let times = times(&world, "RequestReset", &classes, count, "").await;
    let (same, slow) = (classes.len() - 2, classes.len() - 1);
    let mut row = |what, of: &[usize], control| {
        let chosen: Vec<Class> = of.iter().map(|it| Class::new(classes[*it].name, |_| unreachable!())).collect();
        let times: Vec<_> = of.iter().map(|it| times[*it].clone()).collect();
        rows.push(Row { what, count, worst: worst(&chosen, &times), control });
    };
    row("control: the same twice", &[1, same], false);
    row("control: 100 µs more", &[same, slow], true);
    row("RequestReset, 8 classes", &(0..same).collect::<Vec<_>>(), false);
    let classes = accounts.pairs(needed(count)).await;
    let times = self::times(&world, "the next call", &classes, count / 2, "").await;
    rows.push(Row {
        what: "RequestReset after another",
        count: count / 2,
        worst: worst(&classes, &times),
        control: false,
    });
}

/// The same while one of what it works with does not answer.
async fn while_something_stands_still(rows: &mut Vec<Row>, count: usize) {
    let still: [(&'static str, Wish); 3] = [
        ("RequestReset, broker dead", Builder::own_broker),
        ("RequestReset, mail server silent", |it| it),
        ("RequestReset, outbox locked", |it| it),
    ];
    for (what, wish) in still {
        let mut world = wish(classes::settings()).start().await;
        let accounts = Accounts::make(&world, needed(count)).await;
        let classes = accounts.request_reset().await;
        let mut holder = None;
        match what {
            "RequestReset, broker dead" => world.broker_process().kill(),
            "RequestReset, mail server silent" => world.script(Rule::at(Phase::Banner, Act::Silence)),
            _ => {
                let mut transaction = world.database().await.begin().await.expect("a transaction");
                transaction.execute("LOCK TABLE outbox").await.expect("the owner may");
                holder = Some(transaction);
            }
        }
        let times = times(&world, what, &classes, count, "").await;
        rows.push(Row { what, count, worst: worst(&classes, &times), control: false });
        drop(holder);
        world.kill(Program::Identity, 0);
    }
}

/// Log-ins and tokens.
async fn others(rows: &mut Vec<Row>, count: usize) {
    let world = classes::settings().start().await;
    let accounts = Accounts::make(&world, needed(count)).await;
    let classes = accounts.complete_reset().await;
    let times_of_tokens = times(&world, "CompleteReset", &classes, count, "RESET_TOKEN_INVALID").await;
    let worst_of_tokens = worst(&classes, &times_of_tokens);
    rows.push(Row { what: "CompleteReset, tokens that are over", count, worst: worst_of_tokens, control: false });
    let classes = accounts.verify_password();
    let times = times(&world, "VerifyPassword", &classes, count, "PASSWORD_MISMATCH").await;
    rows.push(Row { what: "VerifyPassword, wrong password", count, worst: worst(&classes, &times), control: false });
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| measured | calls a class | the two that differ most | µs | t | t cropped | t of squares | z | AUC | |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let it = &row.worst.difference;
        let verdict = match (row.differs(), row.control) {
            (false, false) => "alike",
            (true, true) => "seen, as it must be",
            (true, false) => "**differ**",
            (false, true) => "**not seen: this run proves nothing**",
        };
        text += &format!(
            "| {} | {} | {} and {} | {:+.0} | {:+.1} | {:+.1} | {:+.1} | {:+.1} | {:.3} | {verdict} |\n",
            row.what,
            row.count,
            row.worst.pair.0,
            row.worst.pair.1,
            it.shift,
            it.raw,
            it.cropped,
            it.second,
            it.ranks,
            it.auc,
        );
    }
    text
}
