//! `cargo xtask timing`: measures finely whether answers tell people apart by their time.
//!
//! Arguments: how many calls of each class, the file to write the table's rows to, and words, of which a row's name must
//! contain one to be measured; without any, all are.

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

const ASKING: &str = "RequestReset, 8 classes";
const SAME: &str = "control: the same twice";
const SLOWER: &str = "control: 100 µs more";
const NEXT: &str = "RequestReset after another";
const NO_BROKER: &str = "RequestReset, broker dead";
const NO_MAIL_SERVER: &str = "RequestReset, mail server silent";
const NO_OUTBOX: &str = "RequestReset, outbox locked";
const TOKENS: &str = "CompleteReset, tokens that are over";
const PASSWORDS: &str = "VerifyPassword, wrong password";

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

    /// As it stands in the table, but for when it was measured.
    fn text(&self) -> String {
        let it = &self.worst.difference;
        let verdict = match (self.differs(), self.control) {
            (false, false) => "alike",
            (true, true) => "seen, as it must be",
            (true, false) => "**differ**",
            (false, true) => "**not seen: this run proves nothing**",
        };
        format!(
            "| {} | {} | {} and {} | {:+.0} | {:+.1} | {:+.1} | {:+.1} | {:+.1} | {:.3} | {verdict} |",
            self.what,
            self.count,
            self.worst.pair.0,
            self.worst.pair.1,
            it.shift,
            it.raw,
            it.cropped,
            it.second,
            it.ranks,
            it.auc,
        )
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().and_then(|it| it.parse().ok()).expect("how many calls of each class");
    let file: PathBuf = arguments.next().expect("the table's file").into();
    let words: Vec<String> = arguments.map(|word| word.to_lowercase()).collect();
    let wanted = |what: &str| words.is_empty() || words.iter().any(|word| what.to_lowercase().contains(word));
    let mut rows = Vec::new();
    if [SAME, SLOWER, ASKING].into_iter().any(wanted) {
        rows.extend(asking(count).await);
    }
    if wanted(NEXT) {
        rows.push(next(count).await);
    }
    let still: [(&'static str, Wish); 3] =
        [(NO_BROKER, Builder::own_broker), (NO_MAIL_SERVER, |it| it), (NO_OUTBOX, |it| it)];
    for (what, wish) in still {
        if wanted(what) {
            rows.push(while_something_stands_still(what, wish, count).await);
        }
    }
    if wanted(TOKENS) {
        rows.push(tokens(count).await);
    }
    if wanted(PASSWORDS) {
        rows.push(passwords(count).await);
    }
    let text: String = rows.iter().map(|row| row.text() + "\n").collect();
    std::fs::write(&file, text).expect("the table can be written");
    if !rows.is_empty() && rows.iter().all(Row::is_good) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn times(world: &World, what: &str, classes: &[Class], count: usize, expected: &str) -> Vec<Vec<f64>> {
    let mut error = std::io::stderr();
    let shown = error.is_terminal();
    let progress = |done: usize| {
        // Where it is no terminal, now and then.
        if shown || done.is_multiple_of(2000) || done == count {
            let end = if done == count || !shown { "\n" } else { "" };
            let _ = write!(error, "\r{what}: {done} of {count}{end}");
        }
    };
    measure(async || world.wire().await, classes, count, expected, progress).await
}

/// RequestReset, and the two controls that say what this run can see.
async fn asking(count: usize) -> [Row; 3] {
    let world = classes::settings().start().await;
    let accounts = Accounts::make(&world, needed(count)).await;
    let mut classes = accounts.request_reset().await;
    classes.push(accounts.nobody());
    classes.push(accounts.nobody().slower("unknown + 100 µs", CONTROL));
    let times = times(&world, ASKING, &classes, count, "").await;
    let (same, slow) = (classes.len() - 2, classes.len() - 1);
    let row = |what, of: &[usize], control| {
        let chosen: Vec<Class> = of.iter().map(|it| Class::new(classes[*it].name, |_| unreachable!())).collect();
        let times: Vec<_> = of.iter().map(|it| times[*it].clone()).collect();
        Row { what, count, worst: worst(&chosen, &times), control }
    };
    [row(SAME, &[1, same], false), row(SLOWER, &[same, slow], true), row(ASKING, &(0..same).collect::<Vec<_>>(), false)]
}

/// Whether the work for a name slows the call after it.
async fn next(count: usize) -> Row {
    let world = classes::settings().start().await;
    let accounts = Accounts::make(&world, needed(count)).await;
    let classes = accounts.pairs().await;
    let times = times(&world, NEXT, &classes, count, "").await;
    Row { what: NEXT, count, worst: worst(&classes, &times), control: false }
}

/// RequestReset while one of what it works with does not answer.
async fn while_something_stands_still(what: &'static str, wish: Wish, count: usize) -> Row {
    let mut world = wish(classes::settings()).start().await;
    let accounts = Accounts::make(&world, needed(count)).await;
    let classes = accounts.request_reset().await;
    let mut holder = None;
    match what {
        NO_BROKER => world.broker_process().kill(),
        NO_MAIL_SERVER => world.script(Rule::at(Phase::Banner, Act::Silence)),
        _ => {
            let mut transaction = world.database().await.begin().await.expect("a transaction");
            transaction.execute("LOCK TABLE outbox").await.expect("the owner may");
            holder = Some(transaction);
        }
    }
    let times = times(&world, what, &classes, count, "").await;
    drop(holder);
    world.kill(Program::Identity, 0);
    Row { what, count, worst: worst(&classes, &times), control: false }
}

/// CompleteReset with tokens that are over.
async fn tokens(count: usize) -> Row {
    let world = classes::settings().start().await;
    let accounts = Accounts::make(&world, 0).await;
    let classes = accounts.complete_reset().await;
    let times = times(&world, TOKENS, &classes, count, "RESET_TOKEN_INVALID").await;
    Row { what: TOKENS, count, worst: worst(&classes, &times), control: false }
}

/// Log-ins that fail. Each call is a hash.
async fn passwords(count: usize) -> Row {
    let world = classes::settings().start().await;
    let accounts = Accounts::make(&world, needed(count)).await;
    let classes = accounts.verify_password();
    let times = times(&world, PASSWORDS, &classes, count, "PASSWORD_MISMATCH").await;
    Row { what: PASSWORDS, count, worst: worst(&classes, &times), control: false }
}
