//! User Settings: the admin's list, page by page, with the state of each address and what became of the last reset.

use askama::Template;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;
use proto::identity::v1::{ErrorReason, Reset, User, UserState};
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::failure;
use super::reset_user::obstacle;
use crate::identity::Refusal;
use crate::web::{Admin, Field, Member, Page, Switch, Zone, html};

/// How many users a page shows.
const PAGE_SIZE: i32 = 20;
/// How many are asked about at once.
const AT_ONCE: usize = 8;

/// Which users.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Which {
    query: String,
    page: String,
}

/// The page.
#[derive(Template)]
#[template(path = "users.html")]
struct List {
    page: Page,
    search: String,
    field: Field,
    rows: Vec<Row>,
    /// Address of the next page.
    next: Option<String>,
    /// Address of the first page, when this is another one.
    first: Option<String>,
}

/// A user.
struct Row {
    username: String,
    name: String,
    role: &'static str,
    disabled: bool,
    address: String,
    address_state: &'static str,
    address_text: &'static str,
    address_reason: String,
    reset_state: &'static str,
    reset_time: String,
    reset_text: &'static str,
    link_text: &'static str,
    button: String,
    button_text: &'static str,
    button_label: String,
    /// No link can go to this user: the button leads to what helps.
    helpless: bool,
}

/// The list.
pub async fn show(Admin(who): Admin, which: Result<Query<Which>, QueryRejection>) -> Response {
    let which = which.map(|query| query.0).unwrap_or_default();
    match read(&who, &which).await {
        Ok((rows, next)) => {
            let html = html(&page(&who, which, rows, &next));
            who.visit.answer(StatusCode::OK, html)
        }
        // A page of another search, or of long ago.
        Err(refusal) if refusal.reason == ErrorReason::FieldInvalid && !which.page.is_empty() => {
            who.visit.go(&address(&which.query, ""))
        }
        Err(refusal) => failure::refused_member(who, &refusal),
    }
}

async fn read(who: &Member, which: &Which) -> Result<(Vec<Row>, String), Refusal> {
    let identity = &who.visit.identity;
    let listed = identity.list_users(&who.user, which.query.trim(), &which.page, PAGE_SIZE).await?;
    identity.pay(listed.users.len())?;
    let zone = Zone::of(&who.organization.time_zone);
    let rows = stream::iter(listed.users).map(async |user| {
        let reset = identity.last_reset(&who.user, &user.user_id).await?;
        Ok::<_, Refusal>(row(who, &zone, user, reset.as_ref()))
    });
    Ok((rows.buffered(AT_ONCE).try_collect().await?, listed.next_page_token))
}

fn row(who: &Member, zone: &Zone, user: User, reset: Option<&Reset>) -> Row {
    let texts = who.visit.texts();
    let path = format!("/users/{}/reset", user.user_id);
    let helpless = obstacle(&who.visit, &user).is_some();
    let (button_text, button_label) = if helpless {
        (texts.users.help, (texts.users.help_of)(&user.username))
    } else {
        (texts.users.reset, (texts.users.reset_of)(&user.username))
    };
    let address = user.address.clone().unwrap_or_default();
    Row {
        role: (texts.users.role_name)(user.role()),
        disabled: user.state() == UserState::Disabled,
        address_state: word(address.state().as_str_name(), "ADDRESS_STATE_"),
        address_text: (texts.users.address_state)(address.state()),
        address_reason: address.undeliverable_reason,
        address: address.masked,
        reset_state: reset.map_or("", |reset| word(reset.delivery_state().as_str_name(), "DELIVERY_STATE_")),
        reset_time: reset
            .and_then(|reset| reset.request_time.as_ref())
            .map_or_else(String::new, |at| zone.show(at, texts)),
        reset_text: reset.map_or(texts.users.never, |reset| {
            (texts.outcome.delivery)(reset.delivery_state(), reset.not_sent_reason())
        }),
        link_text: reset.map_or("", |reset| (texts.outcome.link_state)(reset.link_state())),
        button: who.visit.app.base.path(&path),
        button_text,
        button_label,
        helpless,
        username: user.username,
        name: user.display_name,
    }
}

/// An enum's name as it is on the page: without what all of them begin with.
pub(super) fn word(name: &'static str, prefix: &str) -> &'static str {
    name.strip_prefix(prefix).unwrap_or(name)
}

fn page(who: &Member, which: Which, rows: Vec<Row>, next: &str) -> List {
    let (texts, base) = (who.visit.texts(), &who.visit.app.base);
    let mut page = Page::member(who, texts.users.title);
    let here = base.path(&address(&which.query, &which.page));
    page.switch = Switch::Link(format!("{here}{}", if here.contains('?') { '&' } else { '?' }));
    List {
        page,
        search: base.path("/users"),
        field: Field { kind: "search", ..Field::text("query", texts.users.search, "off").value(&which.query) },
        rows,
        next: (!next.is_empty()).then(|| base.path(&address(&which.query, next))),
        first: (!which.page.is_empty()).then(|| base.path(&address(&which.query, ""))),
    }
}

fn address(query: &str, page: &str) -> String {
    let mut pairs = Serializer::new(String::new());
    for (name, value) in [("query", query), ("page", page)] {
        if !value.is_empty() {
            pairs.append_pair(name, value);
        }
    }
    match pairs.finish().as_str() {
        "" => "/users".to_owned(),
        pairs => format!("/users?{pairs}"),
    }
}
