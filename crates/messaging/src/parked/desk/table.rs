//! How parked messages are shown to people and to programs.

use std::fmt::Write;

use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::Explained;
use crate::parked::{Fate, Parked, WayBack};

/// A message as it is shown.
pub(super) struct Row {
    number: usize,
    parked: String,
    routing_key: String,
    message_id: String,
    broker: String,
    count: u64,
    size: usize,
    event: String,
    age: Option<time::Duration>,
    pub(super) explained: Explained,
}

impl Row {
    pub(super) fn new(number: usize, message: &Parked, explained: Explained, now: OffsetDateTime) -> Self {
        let event = explained.event_id.clone().or_else(|| message.message_id.clone());
        Self {
            number,
            parked: moment(message.time),
            routing_key: plain(&message.routing_key),
            message_id: plain(message.message_id.as_deref().unwrap_or("none")),
            broker: plain(message.reason.as_deref().unwrap_or("unknown")),
            count: message.count,
            size: message.body.len(),
            event: plain(event.as_deref().unwrap_or("unknown")),
            age: explained.made.or(message.time).map(|since| now - since),
            explained,
        }
    }

    fn age(&self) -> String {
        match self.age.map(time::Duration::whole_minutes) {
            None => "unknown".to_owned(),
            Some(minutes @ ..60) => format!("{}m", minutes.max(0)),
            Some(minutes @ 60..2_880) => format!("{}h", minutes / 60),
            Some(minutes) => format!("{}d", minutes / 1_440),
        }
    }

    /// What is known of it.
    fn facts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let facts = self.explained.facts.iter().map(|(label, value)| (*label, value.as_str()));
        facts.filter(|(_, value)| !value.is_empty())
    }

    fn json(&self) -> Json<'_> {
        let facts = self.facts().map(|(label, value)| (label.replace(' ', "_"), value));
        Json {
            number: self.number,
            parked: &self.parked,
            routing_key: &self.routing_key,
            message_id: &self.message_id,
            by_the_broker: &self.broker,
            times: self.count,
            size: self.size,
            event: &self.event,
            age_seconds: self.age.map(|age| age.whole_seconds().max(0)),
            facts: facts.collect(),
            why: &self.explained.reason,
            what_to_do: self.explained.advice,
            can_go_back: self.explained.way_back.is_some(),
        }
    }
}

#[derive(Serialize)]
struct Json<'a> {
    number: usize,
    parked: &'a str,
    routing_key: &'a str,
    message_id: &'a str,
    by_the_broker: &'a str,
    times: u64,
    size: usize,
    event: &'a str,
    age_seconds: Option<i64>,
    facts: std::collections::BTreeMap<String, &'a str>,
    why: &'a str,
    what_to_do: &'a str,
    can_go_back: bool,
}

#[derive(Serialize)]
struct Done<'a> {
    number: usize,
    event: &'a str,
    done: &'static str,
    why: &'a str,
}

pub(super) fn list(rows: &[Row], more: bool) -> String {
    if rows.is_empty() {
        return "nothing is parked\n".to_owned();
    }
    let mut text =
        format!("{:>4}  {:<20}  {:<29}  {:<36}  {:>7}  WHY\n", "NO", "PARKED", "ROUTING KEY", "EVENT", "AGE");
    for row in rows {
        let Row { number, parked, routing_key, event, explained, .. } = row;
        let (age, why) = (row.age(), &explained.reason);
        let _ = writeln!(text, "{number:>4}  {parked:<20}  {routing_key:<29}  {event:<36}  {age:>7}  {why}");
    }
    if more {
        let _ = writeln!(text, "only the first {} are shown", rows.len());
    }
    text
}

pub(super) fn one(row: &Row) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{label:<16}{value}");
    };
    line("number", &row.number.to_string());
    line("parked", &row.parked);
    line("by the broker", &format!("{} ({} times)", row.broker, row.count));
    line("routing key", &row.routing_key);
    line("message id", &row.message_id);
    line("size", &format!("{} bytes", row.size));
    for (label, value) in row.facts() {
        line(label, value);
    }
    line("why", &row.explained.reason);
    line("what to do", row.explained.advice);
    text
}

pub(super) fn done(done: &[(Row, Fate)], work: &str) -> String {
    let mut text = String::new();
    for (row, fate) in done {
        let Row { number, event, explained, .. } = row;
        let _ = match fate {
            Fate::Replay(WayBack::Queue) => writeln!(text, "{number}  {event}  put back into {work}"),
            Fate::Replay(WayBack::Writer(_)) => {
                writeln!(text, "{number}  {event}  asked for again: it is sent if it is not superseded by now")
            }
            Fate::Discard => writeln!(text, "{number}  {event}  discarded"),
            Fate::Keep => writeln!(text, "{number}  {event}  not put back: {}; {}", explained.reason, explained.advice),
        };
    }
    if done.is_empty() {
        text.push_str("nothing is parked\n");
    } else if done.len() > 1 {
        let count = |of: fn(&Fate) -> bool| done.iter().filter(|(_, fate)| of(fate)).count();
        let back = count(|fate| matches!(fate, Fate::Replay(_)));
        let (gone, left) = (count(|fate| *fate == Fate::Discard), count(|fate| *fate == Fate::Keep));
        let _ = writeln!(text, "{back} put back, {gone} discarded, {left} left where they are");
    }
    text
}

pub(super) fn json_list(rows: &[Row]) -> String {
    json(&rows.iter().map(Row::json).collect::<Vec<_>>())
}

pub(super) fn json_one(row: &Row) -> String {
    json(&row.json())
}

pub(super) fn json_done(done: &[(Row, Fate)]) -> String {
    let mut all = Vec::new();
    for (row, fate) in done {
        let done = match fate {
            Fate::Replay(WayBack::Queue) => "replayed",
            Fate::Replay(WayBack::Writer(_)) => "asked_for_again",
            Fate::Discard => "discarded",
            Fate::Keep => "kept",
        };
        all.push(Done { number: row.number, event: &row.event, done, why: &row.explained.reason });
    }
    json(&all)
}

fn json<T: Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// A moment to the second, or `unknown`.
pub fn moment(time: Option<OffsetDateTime>) -> String {
    time.and_then(|time| time.replace_nanosecond(0).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// Text of a stranger, for a terminal: not endless, and nothing in it that is not seen, moves the cursor, turns the
/// direction of writing or sits on its neighbour (Unicode's categories C and Z, and marks).
pub fn plain(text: &str) -> String {
    text.chars().take(64).map(|c| if is_seen(c) { c } else { '?' }).collect()
}

fn is_seen(c: char) -> bool {
    matches!(c, '\'' | '"' | '\\') || c.escape_debug().len() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_one_unit() {
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(100);
        for (minutes, told) in [(-1, "0m"), (0, "0m"), (59, "59m"), (60, "1h"), (47 * 60, "47h"), (48 * 60, "2d")] {
            let explained = Explained {
                event_id: None,
                made: Some(now - time::Duration::minutes(minutes)),
                reason: String::new(),
                advice: "",
                way_back: None,
                facts: Vec::new(),
            };
            let message = Parked {
                routing_key: String::new(),
                message_id: None,
                body: Vec::new(),
                reason: None,
                count: 0,
                time: None,
            };
            assert_eq!(Row::new(1, &message, explained, now).age(), told);
        }
    }

    #[test]
    fn text_of_a_stranger_is_made_safe() {
        assert_eq!(plain("\u{1b}[2J\n"), "?[2J?");
        assert_eq!(plain(&"x".repeat(100)).len(), 64);
        // Overrides and isolates of direction, zero width, line separator, a byte order mark, a combining mark.
        assert_eq!(plain("a\u{202e}b\u{2066}c\u{200b}d\u{2028}e\u{feff}f\u{301}"), "a?b?c?d?e?f?");
        assert_eq!(plain("it's \"a\\b\" é 信"), "it's \"a\\b\" é 信");
    }
}
