//! What can be wrong with each field of each call, and what must be said about it.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value};

/// What a refusal must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Wants {
    /// `FIELD_INVALID`, naming this field.
    Field(String),
    /// `PASSWORD_REJECTED`, with this rule in the field of the password.
    Password(&'static str),
    /// This reason.
    Reason(&'static str),
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The field, from the request down.
    pub path: String,
    /// What it is set to; none: it is taken out.
    pub value: Option<Value>,
    /// The only path of the mask, where a field that is empty would not be looked at otherwise.
    pub mask: Option<String>,
    pub wants: Wants,
}

/// What may stand in a field.
enum Rule {
    /// Not just anything: these are refused.
    Refused(Vec<Bad>),
    /// Whatever the type can hold.
    Anything,
    /// Whatever the type can hold, because only answers tell it.
    OutputOnly,
}

struct Bad {
    value: Value,
    wants: Option<Wants>,
    empty: bool,
}

/// Everything that can be wrong with one field of a call, for each of its fields; and the fields that only answers
/// tell.
///
/// # Panics
/// When a field has no rule here.
pub fn faults(rpc: &MethodDescriptor) -> (Vec<Fault>, Vec<(String, FieldDescriptor)>) {
    let (mut faults, mut output_only) = (Vec::new(), Vec::new());
    for (path, field) in fields(&rpc.input()) {
        match rule(rpc.name(), &path) {
            None => panic!("{}.{path} has no rule: say in {} what may not stand in it", rpc.name(), file!()),
            Some(Rule::Anything) => {}
            Some(Rule::OutputOnly) => output_only.push((path, field)),
            Some(Rule::Refused(values)) => faults.extend(values.into_iter().map(|bad| Fault {
                mask: masked(rpc.name(), &path, bad.empty),
                wants: bad.wants.unwrap_or_else(|| Wants::Field(path.clone())),
                value: Some(bad.value),
                path: path.clone(),
            })),
        }
    }
    faults.extend(missing(rpc.name()).into_iter().map(|(path, named)| Fault {
        path: path.to_owned(),
        value: None,
        mask: None,
        wants: Wants::Field(named.to_owned()),
    }));
    (faults, output_only)
}

/// All fields below a message with their paths; well-known types count as one value.
pub fn fields(message: &MessageDescriptor) -> Vec<(String, FieldDescriptor)> {
    let mut all = Vec::new();
    for field in message.fields() {
        let name = field.name().to_owned();
        match field.kind() {
            Kind::Message(inner) if inner.package_name() != "google.protobuf" && !is_output_only(&inner) => {
                all.extend(fields(&inner).into_iter().map(|(path, field)| (format!("{name}.{path}"), field)));
            }
            _ => all.push((name, field)),
        }
    }
    all
}

/// A message that stands in requests only because answers share the type.
fn is_output_only(message: &MessageDescriptor) -> bool {
    message.name() == "Address"
}

/// An update looks at an empty field only when its mask names it.
fn masked(rpc: &str, path: &str, empty: bool) -> Option<String> {
    let (message, name) = path.split_once('.')?;
    let changeable = !name.ends_with("_id") && matches!(message, "user" | "organization");
    (empty && changeable && rpc.starts_with("Update")).then(|| name.to_owned())
}

/// What must be there: when it is taken out, this is named.
fn missing(rpc: &str) -> Vec<(&'static str, &'static str)> {
    match rpc {
        "RequestReset" => vec![("username", "identifier")],
        "CreateOrganization" | "UpdateOrganization" => vec![("organization", "organization")],
        "CreateUser" | "UpdateUser" => vec![("user", "user"), ("actor.user_id", "actor")],
        "GetOrganization" => vec![("organization_id", "key")],
        "GetUser" => vec![("user_id", "key")],
        "AdminReset" | "ListUsers" | "ListResets" | "RevokeReset" => {
            vec![("actor", "actor"), ("actor.user_id", "actor")]
        }
        "GetReset" => vec![("reset_id", "key"), ("actor", "actor"), ("actor.user_id", "actor")],
        "ExplainReset" => vec![("support_code", "key")],
        _ => Vec::new(),
    }
}

fn rule(rpc: &str, path: &str) -> Option<Rule> {
    let creates = rpc.starts_with("Create");
    Some(match (rpc, path) {
        (_, "requester.ip") => ip(),
        (_, "requester.user_agent") => text(false, 512, "u"),
        (_, "requester.locale") | ("ExplainReset", "locale") => locale(),
        (_, "actor.token") => refused(strings([""]).chain(controls()).chain(too_long(8 * 1024, "t"))),
        (_, "actor.user_id") => uuid(true),
        (_, "idempotency_key") => {
            refused(controls().chain(too_long(128, "k")).chain(strings(["kunci-é", "\u{a0}", "鍵"])))
        }
        (_, "page_size") => refused([-1, i32::MIN].map(Value::I32).into_iter().map(bad)),
        (_, "page_token") => refused(
            controls().chain(strings(["x", "!!!!", "AAAA", "=", "' OR 1=1 --", "é"])).chain(too_long(64 * 32, "A")),
        ),
        ("AdminReset", "reason") => text(true, 200, "é"),
        (_, "reason") => text(false, 200, "é"),
        (_, "update_mask") => mask(rpc),

        ("RequestReset", "username" | "email") => text(true, 256, "a"),
        ("VerifyPassword" | "GetUser" | "ExplainReset", "username") => text(true, 256, "a"),
        ("CheckReset" | "CompleteReset", "token") => {
            refused(strings([""]).chain(controls()).chain(too_long(4096, "A")))
        }
        ("VerifyPassword", "password") | ("ChangePassword", "current_password") => text(true, 1024, "a"),
        ("CompleteReset" | "ChangePassword", "new_password") => new_password(true),
        ("CompleteReset" | "ChangePassword", "confirm_password") => {
            refused(["", "another one", "hujan turun di kebun 5 ", "\0"].into_iter().map(|text| Bad {
                value: Value::String(text.to_owned()),
                wants: Some(Wants::Reason("CONFIRMATION_MISMATCH")),
                empty: false,
            }))
        }
        ("CreateUser", "password") => new_password(false),
        ("CreateUser", "send_invitation") => Rule::Anything,
        ("ChangePassword" | "AdminReset" | "GetUser", "user_id") => uuid(true),
        ("AdminReset", "link_life") => link_life(),
        ("GetOrganization" | "ListUsers" | "ListResets", "organization_id") => uuid(true),
        ("GetOrganization", "slug") => slug(),
        ("ListUsers", "query") => text(false, 256, "b"),
        ("ListResets", "user_id") | ("ListAuditEvents", "organization_id" | "user_id") => uuid(false),
        ("ListAuditEvents", "action") => text(false, 64, "a"),
        ("ListAuditEvents", "from_time" | "to_time") => moment(),
        ("GetReset", "reset_id" | "request_id") | ("RevokeReset" | "ExplainReset", "reset_id") => uuid(true),
        (_, "support_code") => support_code(),

        (_, "organization.organization_id") => {
            if creates {
                Rule::OutputOnly
            } else {
                uuid(true)
            }
        }
        (_, "organization.slug") => slug(),
        (_, "organization.display_name") => line(true, 100),
        (_, "organization.locale") | (_, "user.locale") => locale(),
        (_, "organization.time_zone") => time_zone(),
        (_, "organization.link_base") => link_base(),
        (_, "organization.support_contact") => line(false, 200),
        (_, "organization.sender_name") => line(false, 100),
        (_, "organization.reply_to") | (_, "user.email") => address(),
        (_, "organization.suspended") => Rule::Anything,
        (_, "organization.password_policy.min_length") => {
            refused([1, 7, 65, u32::MAX].map(Value::U32).into_iter().map(bad))
        }
        (_, "organization.password_policy.max_bytes") => Rule::OutputOnly,

        (_, "user.user_id") => {
            if creates {
                Rule::OutputOnly
            } else {
                uuid(true)
            }
        }
        (_, "user.organization_id") => {
            if creates {
                uuid(true)
            } else {
                Rule::OutputOnly
            }
        }
        (_, "user.username") => username(),
        (_, "user.display_name") => line(false, 100),
        (_, "user.role") | (_, "user.state") => number(!creates),
        ("CreateUser" | "UpdateUser", _) => {
            let told =
                ["address", "has_password", "credential_version", "password_change_time", "create_time", "update_time"];
            path.strip_prefix("user.").filter(|name| told.contains(name)).map(|_| Rule::OutputOnly)?
        }
        _ => return None,
    })
}

fn bad(value: Value) -> Bad {
    Bad { value, wants: None, empty: false }
}

fn refused(values: impl IntoIterator<Item = Bad>) -> Rule {
    Rule::Refused(values.into_iter().collect())
}

fn strings<const N: usize>(texts: [&str; N]) -> std::vec::IntoIter<Bad> {
    let texts: Vec<_> = texts
        .into_iter()
        .map(|text| Bad { value: Value::String(text.to_owned()), wants: None, empty: text.trim().is_empty() })
        .collect();
    texts.into_iter()
}

/// NUL, line ends, tabulator, escape sequences, and what C1 has of them.
fn controls() -> std::vec::IntoIter<Bad> {
    strings([
        "a\0b",
        "\0",
        "a\nb",
        "a\r\nBcc: x@evil.example",
        "a\tb",
        "a\u{1b}[31mb",
        "a\u{7f}b",
        "a\u{85}b",
        "a\u{9b}b",
    ])
}

/// One more than the limit, and very much more.
fn too_long(limit: usize, unit: &str) -> std::vec::IntoIter<Bad> {
    strings([&unit.repeat(limit + 1), &unit.repeat(40_000 / unit.len())])
}

fn text(required: bool, limit: usize, unit: &str) -> Rule {
    let empty = strings([""]).filter(|_| required);
    refused(too_long(limit, unit).chain(controls()).chain(empty))
}

/// A name that stands in the middle of our sentences.
fn line(required: bool, limit: usize) -> Rule {
    let empty = strings(["", "   "]).filter(|_| required);
    let steering = strings(["a\u{2028}b", "a\u{2029}b", "a\u{202e}b", "a\u{2066}b"]);
    refused(too_long(limit, "é").chain(controls()).chain(steering).chain(empty))
}

fn uuid(required: bool) -> Rule {
    let wrong = [
        "x",
        "0",
        "-1",
        "0194f0a0-0000-7000-8000-00000000000",
        "0194f0a0-0000-7000-8000-0000000000000",
        "0194f0a000007000800000000000000a",
        "{0194f0a0-0000-7000-8000-00000000000a}",
        "urn:uuid:0194f0a0-0000-7000-8000-00000000000a",
        "0194f0a0-0000-7000-8000-00000000000g",
        "0194f0a0-0000-7000-8000-0000000000é",
        "0194f0a0-0000-7000-8000-00000000000\0",
        " 194f0a0-0000-7000-8000-00000000000a",
        "' OR 1=1; DROP TABLE users; ------ --",
    ];
    let empty = strings([""]).filter(|_| required);
    refused(strings(wrong).chain(controls()).chain(too_long(36, "a")).chain(empty))
}

fn locale() -> Rule {
    let wrong = strings(["de", "jv-ID", "indonesia", "english", "en-", "en GB", "*", "en;q=0.8", "é"]);
    refused(wrong.chain(controls()).chain(too_long(100, "e")))
}

fn ip() -> Rule {
    let wrong = [
        "x",
        "localhost",
        "203.0.113",
        "203.0.113.256",
        "203.0.113.7:443",
        "203.0.113.7/24",
        "203.0.113.07",
        " 203.0.113.7",
        "203.0.113.7, 198.51.100.1",
        "[2001:db8::1]",
        "2001:db8:::1",
        "fe80::1%eth0",
    ];
    refused(strings(wrong).chain(controls()).chain(too_long(100, "1")))
}

fn number(required: bool) -> Rule {
    let unset = Bad { value: Value::EnumNumber(0), wants: None, empty: true };
    let wrong = [99, -1, 4, i32::MAX, i32::MIN].map(Value::EnumNumber).into_iter().map(bad);
    refused(wrong.chain(required.then_some(unset)))
}

fn slug() -> Rule {
    let wrong = strings(["Kopi", "-kopi", "kopi-", "ko pi", "ko_pi", "köpi", "kopi.example", "", "-", "../kopi", "%"]);
    refused(wrong.chain(controls()).chain(too_long(63, "k")))
}

fn username() -> Rule {
    let wrong = [
        "budi santoso",
        " budi",
        "budi\u{200b}",
        "budi\u{202e}",
        "\u{212a}opi",
        "😀",
        "אa",
        "someone@elsewhere.example",
        "",
    ];
    refused(strings(wrong).chain(controls()).chain(too_long(256, "a")))
}

fn address() -> Rule {
    let wrong = [
        "x",
        "@",
        "x@",
        "@kopi.example",
        "a b@kopi.example",
        "a@b@kopi.example",
        "a@kopi.example,b@kopi.example",
        "a@kopi.example;b@kopi.example",
        "Budi <budi@kopi.example>",
        "<budi@kopi.example>",
        ".a@kopi.example",
        "a..b@kopi.example",
        "a@kopi..example",
        "a@-kopi.example",
        "a@kopi.example.",
        "a@[127.0.0.1]",
        "\"a\"@kopi.example",
        " a@kopi.example",
        "a@kopi.example%0d%0aBcc:b@evil.example",
        "a@kopi_.example",
    ];
    let long = format!("{}@kopi.example", "a".repeat(65));
    let longer = format!("a@{}.example", vec!["k".repeat(60); 5].join("."));
    refused(strings(wrong).chain(strings([&long, &longer])).chain(controls()).chain(too_long(254, "a")))
}

fn time_zone() -> Rule {
    let wrong = ["WIB", "Asia/Bandung", "Asia/", "+07:00", "UTC+7", "../../etc/passwd", "/etc/localtime", " UTC", "é"];
    refused(strings(wrong).chain(controls()).chain(too_long(64, "A")))
}

fn link_base() -> Rule {
    let wrong = [
        "kopi.example",
        "http://kopi.example",
        "ftp://kopi.example",
        "javascript:alert(1)",
        "https:kopi.example",
        "https://",
        "https://u@kopi.example",
        "https://u:p@kopi.example",
        "https://kopi.example/?next=x",
        "https://kopi.example/#x",
        "https://kopi.example\\@evil.example",
        "https://kopi.example/a b",
        "https://kopi.example:99999",
        "http://127.0.0.1.evil.example",
        "",
    ];
    let long = format!("https://kopi.example/{}", "a".repeat(180));
    refused(strings(wrong).chain(strings([&long])).chain(controls()))
}

fn support_code() -> Rule {
    let wrong = ["", "x", "7KQF3", "7KQF3-M2XA", "7KQF3-M2XABC", "7KQF3-M2XA!", "é", "' OR 1=1"];
    refused(strings(wrong).chain(controls()).chain(too_long(100, "A")))
}

fn new_password(required: bool) -> Rule {
    let rejected = |text: &str, rule| Bad {
        value: Value::String(text.to_owned()),
        wants: Some(Wants::Password(rule)),
        empty: false,
    };
    let long = [rejected(&"a".repeat(1025), "TOO_LONG"), rejected(&"b".repeat(40_000), "TOO_LONG")];
    let empty = required.then(|| rejected("", "TOO_SHORT"));
    refused(controls().chain(long).chain(empty))
}

fn link_life() -> Rule {
    let durations =
        [(-1, 0), (0, -1), (1, -1), (600, 1_000_000_000), (i64::MIN, 0), (i64::MAX, 0), (315_576_000_001, 0)];
    refused(durations.map(|(seconds, nanos)| bad(duration(seconds, nanos))))
}

fn duration(seconds: i64, nanos: i32) -> Value {
    time("google.protobuf.Duration", seconds, nanos)
}

/// Outside of the years 0001 to 9999, or with nanoseconds that are none.
fn moment() -> Rule {
    let moments = [
        (-62_135_596_801, 0),
        (253_402_300_800, 0),
        (0, -1),
        (0, 1_000_000_000),
        (i64::MIN, 0),
        (i64::MAX, 0),
        (0, i32::MIN),
    ];
    refused(moments.map(|(seconds, nanos)| bad(time("google.protobuf.Timestamp", seconds, nanos))))
}

fn time(name: &str, seconds: i64, nanos: i32) -> Value {
    let pool = e2e::contract::rpc("AdminReset").parent_pool().clone();
    let mut message = DynamicMessage::new(pool.get_message_by_name(name).expect("it is imported"));
    message.set_field_by_name("seconds", Value::I64(seconds));
    message.set_field_by_name("nanos", Value::I32(nanos));
    Value::Message(message)
}

/// Beside every field that can be changed, one that cannot.
fn mask(rpc: &str) -> Rule {
    let changeable: &[&str] = match rpc {
        "UpdateUser" => &["username", "display_name", "email", "locale", "role", "state"],
        _ => &[
            "slug",
            "display_name",
            "locale",
            "time_zone",
            "link_base",
            "support_contact",
            "sender_name",
            "suspended",
            "password_policy",
            "reply_to",
        ],
    };
    let wrong: &[&str] = match rpc {
        "UpdateUser" => {
            &["nope", "user_id", "organization_id", "address", "credential_version", "user.username", "Email"]
        }
        _ => &["nope", "organization_id", "organization.slug", "password_policy.max_bytes", "displayName"],
    };
    let named = |path: &&str| Bad {
        value: paths(changeable.iter().copied().chain([*path])),
        wants: Some(Wants::Field(format!("update_mask.{path}"))),
        empty: false,
    };
    let nameless = ["", "\0", "a\nb", "*", "é", &"a".repeat(1000)].map(|path| Bad {
        value: paths(changeable.iter().copied().chain([path])),
        wants: Some(Wants::Field("update_mask".to_owned())),
        empty: false,
    });
    refused(wrong.iter().map(named).chain(nameless))
}

fn paths<'a>(paths: impl Iterator<Item = &'a str>) -> Value {
    let pool = e2e::contract::rpc("UpdateUser").parent_pool().clone();
    let mut mask = DynamicMessage::new(pool.get_message_by_name("google.protobuf.FieldMask").expect("it is imported"));
    mask.set_field_by_name("paths", Value::List(paths.map(|path| Value::String(path.to_owned())).collect()));
    Value::Message(mask)
}

impl Fault {
    /// Does it to a request.
    pub fn apply(&self, request: &mut DynamicMessage) {
        let (parents, name) = self.path.rsplit_once('.').unwrap_or(("", &self.path));
        let mut message = &mut *request;
        for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
            let field = message.get_field_by_name_mut(parent).expect("the path is of the contract");
            message = field.as_message_mut().expect("only messages have fields");
        }
        match &self.value {
            Some(value) => message.set_field_by_name(name, value.clone()),
            None => message.clear_field_by_name(name),
        }
        if let Some(path) = &self.mask {
            request.set_field_by_name("update_mask", paths([path.as_str()].into_iter()));
        }
    }

    /// Whether both can be wrong with one request at the same time, and both be named.
    pub fn goes_with(&self, other: &Self, rpc: &MethodDescriptor) -> bool {
        let fields = [self, other].map(|it| matches!(it.wants, Wants::Field(_)) && it.mask.is_none());
        let below = |one: &Self, other: &Self| format!("{}.", other.path).starts_with(&format!("{}.", one.path));
        fields == [true; 2]
            && !below(self, other)
            && !below(other, self)
            && oneof(rpc, &self.path).is_none_or(|one| Some(one) != oneof(rpc, &other.path))
    }
}

/// The choice that a field is one of, by its path.
fn oneof(rpc: &MethodDescriptor, path: &str) -> Option<String> {
    let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut message = rpc.input();
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        message = message.get_field_by_name(parent)?.kind().as_message()?.clone();
    }
    let oneof = message.get_field_by_name(name)?.containing_oneof().filter(|oneof| !oneof.is_synthetic())?;
    Some([parents, oneof.name()].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("."))
}

/// What a field that does not decode is called: of a choice, the choice.
pub fn decoded_as(rpc: &MethodDescriptor, path: &str) -> String {
    oneof(rpc, path).unwrap_or_else(|| path.to_owned())
}
