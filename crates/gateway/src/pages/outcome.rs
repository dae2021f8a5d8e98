//! What became of a reset that an admin asked for.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use proto::identity::v1::{Reset, User};

use super::failure;
use super::reset_user::find;
use super::users::word;
use crate::identity::Refusal;
use crate::web::{Admin, Fact, Link, Member, Page, Switch, Zone, html};

/// The page.
#[derive(Template)]
#[template(path = "outcome.html")]
struct Outcome {
    page: Page,
    state: &'static str,
    mail: &'static str,
    next: &'static str,
    facts: Vec<Fact>,
    links: Vec<Link>,
}

/// Shows it.
pub async fn show(Admin(who): Admin, Path((user_id, reset_id)): Path<(String, String)>) -> Response {
    match read(&who, &user_id, &reset_id).await {
        Ok((user, reset)) => {
            let html = html(&page(&who, &user, &reset));
            who.visit.answer(StatusCode::OK, html)
        }
        Err(refusal) => failure::refused_member(who, &refusal),
    }
}

async fn read(who: &Member, user_id: &str, reset_id: &str) -> Result<(User, Reset), Refusal> {
    let user = find(who, user_id).await?;
    let reset = who.visit.identity.get_reset(&who.user, reset_id).await;
    match reset {
        Ok(reset) if reset.user_id == user.user_id => Ok((user, reset)),
        Err(refusal) if refusal.is_away() || refusal.must_wait() => Err(refusal),
        _ => Err(Refusal::absent_user()),
    }
}

fn page(who: &Member, user: &User, reset: &Reset) -> Outcome {
    let (texts, base) = (who.visit.texts(), &who.visit.app.base);
    let outcome = &texts.outcome;
    let zone = Zone::of(&who.organization.time_zone);
    let address = user.address.clone().unwrap_or_default();
    let time = |at: Option<&prost_types::Timestamp>| at.map_or_else(String::new, |at| zone.show(at, texts));
    let facts = [
        ("outcome-address", outcome.address, address.masked),
        ("outcome-link", outcome.link, (outcome.link_state)(reset.link_state()).to_owned()),
        ("outcome-asked", outcome.asked, time(reset.request_time.as_ref())),
        ("outcome-ends", outcome.ends, time(reset.expire_time.as_ref())),
        ("outcome-reason", outcome.reason, reset.reason.clone()),
        ("outcome-code", outcome.code, reset.support_code.clone()),
    ];
    let (state, reason) = (reset.delivery_state(), reset.not_sent_reason());
    let again = base.path(&format!("/users/{}/resets/{}", user.user_id, reset.reset_id));
    Outcome {
        page: Page::member(who, (outcome.title)(&user.username)),
        state: word(state.as_str_name(), "DELIVERY_STATE_"),
        mail: (outcome.delivery)(state, reason),
        next: (outcome.next)(state, reason),
        facts: facts
            .into_iter()
            .filter(|(_, _, value)| !value.is_empty())
            .map(|(id, label, value)| Fact { id, label, value })
            .collect(),
        links: vec![
            Link { id: "again", address: again, label: outcome.again, main: true },
            Link { id: "to-users", address: base.path("/users"), label: outcome.back, main: false },
        ],
    }
}
