//! The command that both programs have: `parked list | show | replay | discard`.
//!
//! A program says what its messages mean ([`Desk`]); never what is in them.

mod table;

use std::{
    collections::HashMap,
    fmt,
    io::{IsTerminal, Write},
    str::FromStr,
};

use clap::{Args, Subcommand};
use thiserror::Error;
use time::OffsetDateTime;
use uuid::Uuid;

use self::table::Row;
pub use self::table::{moment, plain};
pub use super::{Ask, WayBack};
use super::{Fate, Parked, peek, settle};
use crate::broker::{Broker, BrokerError};

/// What to do with parked messages.
#[derive(Subcommand)]
pub enum Command {
    /// One line a message: number, when it was parked, routing key, event, age, why.
    #[command(after_help = "Example: mailer parked list --json, or identity parked list")]
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// All that may be shown of one message, and what to do about it.
    #[command(after_help = "Example: mailer parked show 1, or identity parked show 1")]
    Show {
        /// Its number in the list, from 1, or its event's id.
        message: Name,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have messages tried again that may go well now: a status goes back into its queue; a mail is asked for again,
    /// and the identity service sends it only if its links still live and its address is the same.
    #[command(after_help = "Example: mailer parked replay --all, or identity parked replay 1")]
    Replay {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Throw messages away.
    #[command(after_help = "Example: mailer parked discard 1 --yes, or identity parked discard --all")]
    Discard {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// Without asking.
        #[arg(long)]
        yes: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// How a message is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// By its number in the list, from 1.
    Number(usize),
    /// By its event.
    Event(Uuid),
}

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse().ok().filter(|number| *number > 0).map(Self::Number);
        let name = number.or_else(|| Uuid::try_parse(text).ok().map(Self::Event));
        name.ok_or("neither a number of the list, from 1, nor the id of an event")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Event(event) => event.fmt(f),
        }
    }
}

/// Which messages are meant.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Its number in the list, from 1, or its event's id.
    message: Option<Name>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

/// What a program knows of its parked messages.
pub struct Desk<'a> {
    /// The queue that they are in.
    pub parked: &'static str,
    /// The queue that they came from.
    pub work: &'static str,
    /// What one means now.
    pub explain: &'a dyn Fn(&Parked) -> Explained,
    /// The moment of the command.
    pub now: OffsetDateTime,
}

/// What a parked message means, without secrets. Text of a stranger is made safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The event it speaks of, as far as it can be told.
    pub event_id: Option<String>,
    /// When that event was made.
    pub made: Option<OffsetDateTime>,
    /// Why it is here, beginning with a stable name.
    pub reason: String,
    /// What to do.
    pub advice: &'static str,
    /// How it is tried again; none: it would not go well.
    pub way_back: Option<WayBack>,
    /// What else may be shown: label and value. Those without a value are left out.
    pub facts: Vec<(&'static str, String)>,
}

/// Why the command did not do what it was to do.
#[derive(Debug, Error)]
pub enum DeskError {
    /// The broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// There is no such message.
    #[error("there is no parked message {0}; there are {1}")]
    NoSuch(Name, usize),
    /// None of those that were meant can be tried again.
    #[error("nothing was put back: {0} left where they are")]
    NothingBack(usize),
    /// Nobody agreed.
    #[error("nothing is discarded: {0}")]
    NotAgreed(&'static str),
}

/// Messages looked at, at most: they are all held in memory.
const LIMIT: usize = 10_000;

/// Does it, and gives what is to be printed, and whether what was to be done was.
///
/// # Errors
/// See [`DeskError`]; then there is nothing to print.
pub async fn run(
    command: &Command,
    broker: &Broker,
    desk: &Desk<'_>,
) -> Result<(String, Result<(), DeskError>), DeskError> {
    let mut progress = Progress::new("read", None);
    let messages = peek(broker, desk.parked, LIMIT, |count| progress.at(count)).await?;
    drop(progress);
    let text = match command {
        Command::List { json } => list(desk, &messages, *json),
        Command::Show { message, json } => {
            let index = find(desk, &messages, *message)?;
            show(desk, index, &messages[index], *json)
        }
        Command::Replay { which, json } => {
            let fate = |explained: &Explained| explained.way_back.clone().map_or(Fate::Keep, Fate::Replay);
            let done = act(broker, desk, which, &messages, fate).await?;
            let all_kept = !done.is_empty() && done.iter().all(|(_, fate)| *fate == Fate::Keep);
            let end = if all_kept { Err(DeskError::NothingBack(done.len())) } else { Ok(()) };
            return Ok((told(desk, *json, done), end));
        }
        Command::Discard { which, yes, json } => {
            let count = if which.all { messages.len() } else { 1 };
            if !yes {
                agree(count)?;
            }
            told(desk, *json, act(broker, desk, which, &messages, |_| Fate::Discard).await?)
        }
    };
    Ok((text, Ok(())))
}

/// The list.
pub fn list(desk: &Desk<'_>, messages: &[Parked], json: bool) -> String {
    let rows: Vec<Row> = rows(desk, messages);
    match json {
        true => table::json_list(&rows),
        false => table::list(&rows, messages.len() == LIMIT),
    }
}

/// One message.
pub fn show(desk: &Desk<'_>, index: usize, message: &Parked, json: bool) -> String {
    let row = Row::new(index + 1, message, (desk.explain)(message), desk.now);
    if json { table::json_one(&row) } else { table::one(&row) }
}

fn rows(desk: &Desk<'_>, messages: &[Parked]) -> Vec<Row> {
    let row = |(index, message): (usize, &Parked)| Row::new(index + 1, message, (desk.explain)(message), desk.now);
    messages.iter().enumerate().map(row).collect()
}

fn find(desk: &Desk<'_>, messages: &[Parked], wanted: Name) -> Result<usize, DeskError> {
    let of_event = |it: &Parked, event: Uuid| (desk.explain)(it).event_id == Some(event.to_string());
    let found = match wanted {
        Name::Number(number) => number.checked_sub(1).filter(|index| *index < messages.len()),
        Name::Event(event) => messages.iter().position(|it| of_event(it, event)),
    };
    found.ok_or(DeskError::NoSuch(wanted, messages.len()))
}

/// What was done with each message.
async fn act(
    broker: &Broker,
    desk: &Desk<'_>,
    which: &Which,
    messages: &[Parked],
    fate: impl Fn(&Explained) -> Fate,
) -> Result<Vec<(Row, Fate)>, DeskError> {
    let one = which.message.map(|wanted| find(desk, messages, wanted)).transpose()?;
    let mut rows: Vec<Option<Row>> = rows(desk, messages).into_iter().map(Some).collect();
    // The same bytes may be there several times: each is meant once.
    let mut meant: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (index, message) in messages.iter().enumerate().rev() {
        if one.is_none_or(|one| one == index) {
            meant.entry(&message.body).or_default().push(index);
        }
    }
    let mut done: Vec<(usize, Row, Fate)> = Vec::new();
    let count = meant.values().map(Vec::len).sum();
    let mut progress = Progress::new("done", Some(messages.len()));
    let mut looked_at = 0;
    let settled = settle(broker, desk.parked, desk.work, count, |message| {
        looked_at += 1;
        progress.at(looked_at);
        let index = meant.get_mut(message.body.as_slice()).and_then(Vec::pop)?;
        let row = rows[index].take()?;
        let fate = fate(&row.explained);
        done.push((index, row, fate.clone()));
        Some(fate)
    });
    settled.await?;
    done.sort_by_key(|(index, ..)| *index);
    Ok(done.into_iter().map(|(_, row, fate)| (row, fate)).collect())
}

fn told(desk: &Desk<'_>, json: bool, done: Vec<(Row, Fate)>) -> String {
    if json { table::json_done(&done) } else { table::done(&done, desk.work) }
}

/// Asks on the terminal.
fn agree(count: usize) -> Result<(), DeskError> {
    if !std::io::stdin().is_terminal() {
        return Err(DeskError::NotAgreed("give --yes where nobody can be asked"));
    }
    eprint!("throw away {count} parked message(s) for good? [y/N] ");
    let mut answer = String::new();
    let heard = std::io::stdin().read_line(&mut answer);
    let agreed = heard.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes");
    if agreed { Ok(()) } else { Err(DeskError::NotAgreed("not agreed")) }
}

/// How far it is, where somebody looks on and there is much to do.
struct Progress {
    what: &'static str,
    all: Option<usize>,
    watched: bool,
    shown: bool,
}

impl Progress {
    /// From so many on it is shown.
    const MANY: usize = 100;

    fn new(what: &'static str, all: Option<usize>) -> Self {
        Self { what, all, watched: std::io::stderr().is_terminal(), shown: false }
    }

    fn at(&mut self, count: usize) {
        let many = self.all.unwrap_or(count) >= Self::MANY;
        if !self.watched || !many || !(count.is_multiple_of(25) || self.all == Some(count)) {
            return;
        }
        self.shown = true;
        let of = self.all.map_or_else(String::new, |all| format!(" of {all}"));
        eprint!("\r{count}{of} {}", self.what);
        let _ = std::io::stderr().flush();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            eprintln!();
        }
    }
}
