//! What `identity keys list` prints.

use std::time::Duration;

use messaging::keys::{Listed, RETIRED_LIFE, State};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// For people.
pub(super) fn table(keys: &[Listed], now: OffsetDateTime) -> String {
    if keys.is_empty() {
        return "no keys".into();
    }
    let head = format!("{:<8}  {:<16}  {:<7}  {:<10}  {}", "ROLE", "ID", "STATE", "AGE", "FILES");
    let lines = keys.iter().map(|key| {
        let (role, id, age, files) = (key.role.prefix(), &key.id, age(now - key.made), key.files.join(" "));
        format!("{role:<8}  {id:<16}  {:<7}  {age:<10}  {files}{}", word(key.state), advice(key.state, now))
    });
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}

/// For programs.
pub(super) fn json(keys: &[Listed]) -> String {
    let time = |time: OffsetDateTime| time.format(&Rfc3339).unwrap_or_default();
    let all = keys.iter().map(|key| {
        let retired = if let State::Retired { since } = key.state { Some(since) } else { None };
        json!({
            "role": key.role.prefix(),
            "id": key.id,
            "state": word(key.state),
            "made": time(key.made),
            "retired": retired.map(time),
            "needed_until": retired.map(|since| time(since + RETIRED_LIFE)),
            "files": key.files,
        })
    });
    serde_json::Value::from_iter(all).to_string()
}

/// A moment to the minute, in UTC.
pub(super) fn moment(time: OffsetDateTime) -> String {
    time.format(format_description!("[year]-[month]-[day] [hour]:[minute] UTC")).unwrap_or_default()
}

fn word(state: State) -> &'static str {
    match state {
        State::Seals => "seals",
        State::Opens => "opens",
        State::Retired { .. } => "retired",
    }
}

fn advice(state: State, now: OffsetDateTime) -> String {
    match state {
        State::Seals | State::Opens => String::new(),
        State::Retired { since } if since + RETIRED_LIFE <= now => "  (may be removed)".into(),
        State::Retired { since } => format!("  (needed until {})", moment(since + RETIRED_LIFE)),
    }
}

/// In the largest unit that fits.
fn age(age: time::Duration) -> String {
    let seconds = Duration::try_from(age).unwrap_or_default().as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use messaging::keys::Role;
    use time::macros::datetime;

    use super::*;

    fn keys() -> Vec<Listed> {
        let since = datetime!(2026-11-26 12:00:00 UTC);
        let states = [State::Retired { since }, State::Seals, State::Opens];
        let made =
            [datetime!(2026-08-01 0:00:00 UTC), datetime!(2026-11-27 9:00:00 UTC), datetime!(2026-11-27 11:59:30 UTC)];
        let roles = [Role::Identity, Role::Identity, Role::Mailer];
        let key = |((state, made), role): ((State, OffsetDateTime), Role)| Listed {
            role,
            id: "0f1e2d3c4b5a6978".into(),
            state,
            made,
            files: vec![format!("{role}-0f1e2d3c4b5a6978.pub")],
        };
        states.into_iter().zip(made).zip(roles).map(key).collect()
    }

    #[test]
    fn people_see_what_each_key_is_for_and_how_old_it_is() {
        insta::assert_snapshot!(table(&keys(), datetime!(2026-11-27 12:00:00 UTC)), @r"
        ROLE      ID                STATE    AGE         FILES
        identity  0f1e2d3c4b5a6978  retired  118 d       identity-0f1e2d3c4b5a6978.pub  (needed until 2026-11-27 12:05 UTC)
        identity  0f1e2d3c4b5a6978  seals    3 h         identity-0f1e2d3c4b5a6978.pub
        mailer    0f1e2d3c4b5a6978  opens    30 s        mailer-0f1e2d3c4b5a6978.pub
        ");
        assert_eq!(table(&[], OffsetDateTime::UNIX_EPOCH), "no keys");
        let later = table(&keys(), datetime!(2026-11-28 12:00:00 UTC));
        assert!(later.contains("(may be removed)"), "{later}");
    }

    #[test]
    fn programs_see_the_same() {
        let text = json(&keys()[..1]);
        assert!(
            text.contains(r#""state":"retired""#) && text.contains(r#""needed_until":"2026-11-27T12:05:00Z""#),
            "{text}"
        );
    }
}
