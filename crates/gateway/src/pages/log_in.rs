//! Logging in and out.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::refused;
use crate::web::{App, Field, Form, FormPage, Link, Page, Posted, Session, Visit, draw, html};

/// What has just happened.
#[derive(Deserialize, Default)]
pub struct Note {
    note: Option<String>,
}

/// The log-in.
pub async fn show(visit: Visit, note: Result<Query<Note>, QueryRejection>) -> Response {
    let Note { note } = note.map(|query| query.0).unwrap_or_default();
    let texts = &visit.texts().log_in;
    let notice = match note.as_deref() {
        Some("ended") => Some(texts.ended),
        Some("out") => Some(texts.out),
        _ => None,
    };
    let page = FormPage { notice, ..page(&visit, "") };
    let html = html(&page);
    visit.answer(StatusCode::OK, html)
}

/// Checks the password, and begins a session.
pub async fn submit(State(app): State<Arc<App>>, Posted { mut visit, fields }: Posted) -> Response {
    let username = fields.text("username");
    let checked = visit.identity.verify_password(username, &fields.secret("password"), visit.requester()).await;
    match checked {
        Ok(user) => {
            let session = Session::begin(&user, app.clock.now().unix_timestamp(), draw(&*app.random));
            visit.begin(&session);
            visit.go("/")
        }
        Err(refusal) => {
            let page = page(&visit, username);
            refused::again(visit, page, &refusal)
        }
    }
}

/// Ends the session in this browser, also while the identity service is away.
pub async fn leave(Posted { mut visit, .. }: Posted) -> Response {
    visit.end();
    visit.go("/login?note=out")
}

fn page(visit: &Visit, username: &str) -> FormPage {
    let texts = visit.texts();
    let form = Form::new(visit, "login-form", "/login", texts.log_in.title).fields([
        Field::text("username", texts.common.username, "username").value(username),
        Field::password("password", texts.common.password, "current-password"),
    ]);
    let forgot = visit.app.base.path("/forgot");
    FormPage {
        links: vec![Link { id: "forgot", address: forgot, label: texts.log_in.forgot, main: false }],
        support: support(visit),
        ..FormPage::new(Page::of(visit, texts.log_in.title), form)
    }
}

/// Where somebody who is not logged in finds help.
pub(super) fn support(visit: &Visit) -> Option<String> {
    let contact = &visit.app.support_contact;
    (!contact.is_empty()).then(|| (visit.texts().common.support)(contact))
}
