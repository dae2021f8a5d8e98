//! Forgot password, and forgot username. Whoever is asked for, one call is made and one answer is shown: the page and
//! its time are the same for those who exist and those who do not.

use axum::response::Response;
use http::StatusCode;

use super::log_in::support;
use super::refused;
use crate::identity::Identifier;
use crate::web::{Field, Form, FormPage, Link, Message, Page, Posted, Visit, html};

/// By username.
pub async fn show_by_username(visit: Visit) -> Response {
    let html = html(&by_username(&visit, "", visit.act()));
    visit.answer(StatusCode::OK, html)
}

/// By address.
pub async fn show_by_email(visit: Visit) -> Response {
    let html = html(&by_email(&visit, "", visit.act()));
    visit.answer(StatusCode::OK, html)
}

/// Asks by username.
pub async fn submit_by_username(posted: Posted) -> Response {
    let typed = posted.fields.text("username").to_owned();
    ask(posted, Identifier::Username(typed.clone()), |visit, act| by_username(visit, &typed, act)).await
}

/// Asks by address.
pub async fn submit_by_email(posted: Posted) -> Response {
    let typed = posted.fields.text("email").to_owned();
    ask(posted, Identifier::Email(typed.clone()), |visit, act| by_email(visit, &typed, act)).await
}

async fn ask(posted: Posted, identifier: Identifier, again: impl FnOnce(&Visit, String) -> FormPage) -> Response {
    let act = posted.act();
    let visit = posted.visit;
    match visit.identity.request_reset(identifier, visit.requester(), act.clone()).await {
        Ok(()) => visit.go("/forgot/sent"),
        Err(refusal) => {
            let page = again(&visit, act);
            refused::again(visit, page, &refusal)
        }
    }
}

/// The answer, which knows of nobody.
pub async fn sent(visit: Visit) -> Response {
    let texts = visit.texts();
    let forgot = &texts.forgot;
    let page = Message {
        list_title: Some(forgot.not_come),
        list: forgot.steps.to_vec(),
        support: support(&visit),
        ..Message::new(Page::of(&visit, forgot.sent_title), "sent", [forgot.sent, forgot.sent_life])
    }
    .link(&visit, "ask-again", "/forgot", forgot.again, false)
    .link(&visit, "to-login", "/login", texts.common.to_log_in, false);
    let html = html(&page);
    visit.answer(StatusCode::OK, html)
}

fn by_username(visit: &Visit, typed: &str, act: String) -> FormPage {
    let texts = visit.texts();
    let form = Form::new(visit, "forgot-form", "/forgot", texts.forgot.submit).once(act).fields([Field::text(
        "username",
        texts.common.username,
        "username",
    )
    .value(typed)]);
    let other = visit.app.base.path("/forgot-username");
    FormPage {
        intro: vec![texts.forgot.intro.to_owned()],
        links: vec![
            Link { id: "forgot-username", address: other, label: texts.forgot.no_username, main: false },
            to_log_in(visit),
        ],
        support: support(visit),
        ..FormPage::new(Page::of(visit, texts.forgot.title), form)
    }
}

fn by_email(visit: &Visit, typed: &str, act: String) -> FormPage {
    let texts = visit.texts();
    let email = Field { kind: "email", ..Field::text("email", texts.forgot.email, "email").value(typed) };
    let form =
        Form::new(visit, "forgot-username-form", "/forgot-username", texts.forgot.submit).once(act).fields([email]);
    FormPage {
        intro: vec![texts.forgot.by_email_intro.to_owned()],
        links: vec![to_log_in(visit)],
        support: support(visit),
        ..FormPage::new(Page::of(visit, texts.forgot.by_email_title), form)
    }
}

fn to_log_in(visit: &Visit) -> Link {
    let address = visit.app.base.path("/login");
    Link { id: "to-login", address, label: visit.texts().common.to_log_in, main: false }
}
