//! The broker's definitions as RabbitMQ imports them: vhost, users, rights, exchanges, queues,
//! bindings and policies.

use serde_json::{Value, json};

use super::{Argument, Declares, Named, Part, Permissions, SIDES, Side, parked_arguments, permissions, work_arguments};

/// Messages that may wait in a queue that is worked on. Full, it refuses more, and they wait in the
/// database.
const WORK_LENGTH: u32 = 100_000;
/// Messages that may be parked. Full, the queue takes no more, and they wait where they are.
const PARKED_LENGTH: u32 = 10_000;
/// How long a message stays parked, in milliseconds: a week.
const PARKED_LIFE: u32 = 7 * 24 * 60 * 60 * 1000;

/// Everything for the virtual host `vhost`, as JSON. The users have no passwords, and so cannot log
/// in before they are given some.
#[must_use]
pub fn definitions(vhost: &str, declares: Declares) -> String {
    let each = |list: fn(&str, Side) -> Vec<Value>| SIDES.into_iter().flat_map(|side| list(vhost, side)).collect();
    let [exchanges, queues, bindings]: [Vec<Value>; 3] = [each(exchanges), each(queues), each(bindings)];
    let definitions = json!({
        "vhosts": [{ "name": vhost }],
        "users": users(),
        "permissions": rights(vhost, declares),
        "exchanges": exchanges,
        "queues": queues,
        "bindings": bindings,
        "policies": policies(vhost),
    });
    format!("{definitions:#}\n")
}

/// The name of a side's user.
fn user(side: Side) -> &'static str {
    match side {
        Side::Identity => "sandi_identity",
        Side::Mailer => "sandi_mailer",
    }
}

const OPERATOR: &str = "sandi_operator";

fn users() -> Vec<Value> {
    let names = SIDES.into_iter().map(user).chain([OPERATOR]);
    names.map(|name| json!({ "name": name, "password_hash": "", "tags": [] })).collect()
}

fn rights(vhost: &str, declares: Declares) -> Vec<Value> {
    let sides = SIDES.into_iter().map(|side| (user(side), permissions(side, declares)));
    // Looks at parked messages, puts them back, and applies the topology.
    let ours = r"^(identity|mailer)\.";
    let operator = (OPERATOR, Permissions { configure: ours, write: ours, read: ours });
    let entry = |(user, rights): (&str, Permissions)| {
        let Permissions { configure, write, read } = rights;
        json!({ "user": user, "vhost": vhost, "configure": configure, "write": write, "read": read })
    };
    sides.chain([operator]).map(entry).collect()
}

fn exchanges(vhost: &str, side: Side) -> Vec<Value> {
    let Part { exchange, parked, .. } = side.part();
    let entry = |(name, kind): (&str, &str)| {
        json!({
            "name": name, "vhost": vhost, "type": kind, "durable": true, "auto_delete": false, "internal": false,
            "arguments": {},
        })
    };
    [(*exchange, "topic"), (*parked, "fanout")].map(entry).into()
}

fn queues(vhost: &str, side: Side) -> Vec<Value> {
    let Part { queue, parked, .. } = side.part();
    let entry = |(name, arguments): (&str, Vec<Named>)| {
        json!({
            "name": name, "vhost": vhost, "durable": true, "auto_delete": false, "arguments": object(&arguments),
        })
    };
    [(*parked, parked_arguments()), (*queue, work_arguments(parked))].map(entry).into()
}

fn object(arguments: &[Named]) -> Value {
    let value = |argument: &Argument| match argument {
        Argument::Number(number) => json!(number),
        Argument::Text(text) => json!(text),
    };
    arguments.iter().map(|(name, argument)| ((*name).to_owned(), value(argument))).collect()
}

fn bindings(vhost: &str, side: Side) -> Vec<Value> {
    let Part { queue, parked, source, keys, .. } = side.part();
    let entry = |source: &str, queue: &str, key: &str| {
        json!({
            "source": source, "vhost": vhost, "destination": queue, "destination_type": "queue", "routing_key": key,
            "arguments": {},
        })
    };
    let parks = entry(parked, parked, "");
    keys.iter().map(|key| entry(source, queue, key)).chain([parks]).collect()
}

fn policies(vhost: &str) -> Vec<Value> {
    let entry = |name: &str, pattern: &str, definition: Value| {
        json!({
            "vhost": vhost, "name": name, "pattern": pattern, "apply-to": "queues", "priority": 0,
            "definition": definition,
        })
    };
    let parked = json!({ "max-length": PARKED_LENGTH, "overflow": "reject-publish", "message-ttl": PARKED_LIFE });
    vec![
        entry("sandi-work", r"^(mailer\.requests|identity\.mail-status)$", json!({ "max-length": WORK_LENGTH })),
        entry("sandi-parked", r"^(mailer|identity)\.parked$", parked),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_is_deployed_says_the_same() {
        let file: Value =
            serde_json::from_str(include_str!("../../../../deploy/rabbitmq/definitions.json")).expect("it is JSON");
        let now: Value = serde_json::from_str(&definitions("sandi", Declares::Programs)).expect("it is JSON");
        assert_eq!(file, now, "run `identity topology export > deploy/rabbitmq/definitions.json`");
    }
}
