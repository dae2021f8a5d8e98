//! The admin presses Reset Password beside a user: a confirmation with a reason, then a link goes out.

use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use proto::identity::v1::{AddressState, User, UserState};

use super::{failure, refused};
use crate::texts::Obstacle;
use crate::web::{Admin, Fact, Field, Form, FormPage, Link, Member, Message, Page, Posted, Unknown, Visit, html};

/// Asks whether that is meant, and why; or says why it cannot be, and what helps instead.
pub async fn show(Admin(who): Admin, Path(user_id): Path<String>) -> Response {
    let user = match find(&who, &user_id).await {
        Ok(user) => user,
        Err(refusal) => return failure::refused_member(who, &refusal),
    };
    let html = match obstacle(&who.visit, &user) {
        Some(obstacle) => html(&instead(&who, &user, obstacle)),
        None => html(&page(&who, &user, "", who.visit.act())),
    };
    who.visit.answer(StatusCode::OK, html)
}

/// Sends the link.
pub async fn submit(Path(user_id): Path<String>, posted: Posted) -> Response {
    let act = posted.act();
    let Posted { visit, fields } = posted;
    let reason = fields.text("reason").trim();
    let who = match Admin::of(visit).await {
        Ok(Admin(who)) => who,
        Err(Unknown::Refused(visit, refusal)) if refusal.is_away() || refusal.must_wait() => {
            let page = later(&visit, &user_id, reason, act);
            return refused::again(*visit, page, &refusal);
        }
        Err(unknown) => return unknown.into_response(),
    };
    let user = match find(&who, &user_id).await {
        Ok(user) => user,
        Err(refusal) if refusal.is_away() || refusal.must_wait() => {
            let page = later(&who.visit, &user_id, reason, act);
            return refused::again(who.visit, page, &refusal);
        }
        Err(refusal) => return failure::refused_member(who, &refusal),
    };
    let identity = &who.visit.identity;
    let sent = identity.admin_reset(&who.user, &user.user_id, reason, who.visit.requester(), act.clone()).await;
    match sent {
        Ok(reset) => who.visit.go(&format!("/users/{}/resets/{}", user.user_id, reset.reset_id)),
        Err(refusal) => {
            let page = page(&who, &user, reason, act);
            refused::again(who.visit, page, &refusal)
        }
    }
}

/// A user of the admin's own organisation; any other one does not exist.
pub(super) async fn find(who: &Member, user_id: &str) -> Result<User, crate::identity::Refusal> {
    let user = who.visit.identity.get_user(user_id).await;
    let absent = || crate::identity::Refusal::absent_user();
    match user {
        Ok(user) if user.organization_id == who.user.organization_id => Ok(user),
        Ok(_) => Err(absent()),
        // An id that is none stands for nobody.
        Err(refusal) if !refusal.is_away() && !refusal.must_wait() => Err(absent()),
        Err(refusal) => Err(refusal),
    }
}

/// Why no link can go to a user, if none can.
pub(super) fn obstacle(visit: &Visit, user: &User) -> Option<&'static Obstacle> {
    let admin = &visit.texts().admin;
    if user.state() == UserState::Disabled {
        return Some(&admin.disabled);
    }
    let address = user.address.as_ref().map_or(AddressState::Missing, |address| address.state());
    (address == AddressState::Missing).then_some(&admin.missing)
}

/// What can be done for a user to whom no link can go.
fn instead(who: &Member, user: &User, obstacle: &Obstacle) -> Message {
    let texts = who.visit.texts();
    let contact = who.support_contact();
    let page = Page::member(who, (texts.admin.cannot)(&user.username));
    Message {
        list_title: Some(texts.admin.instead),
        list: obstacle.steps.to_vec(),
        support: (!contact.is_empty()).then(|| (texts.common.support)(contact)),
        ..Message::new(page, "obstacle", [obstacle.why])
    }
    .link(&who.visit, "cancel", "/users", texts.outcome.back, true)
}

fn form(visit: &Visit, user_id: &str, reason: &str, act: String) -> Form {
    let texts = visit.texts();
    // An id that is none stands for nobody, and gets no address of ours.
    let id: String = user_id.chars().filter(|it| it.is_ascii_hexdigit() || *it == '-').collect();
    Form::new(visit, "reset-form", &format!("/users/{id}/reset"), texts.admin.submit).once(act).fields([Field {
        hint: Some(texts.admin.reason_hint),
        ..Field::text("reason", texts.admin.reason, "off").value(reason)
    }])
}

/// To try again later, with the reason that was typed, while nobody can say who the user is.
fn later(visit: &Visit, user_id: &str, reason: &str, act: String) -> FormPage {
    let form = form(visit, user_id, reason, act);
    FormPage::new(Page::of(visit, visit.texts().users.title), form)
}

fn page(who: &Member, user: &User, reason: &str, act: String) -> FormPage {
    let texts = who.visit.texts();
    let address = user.address.clone().unwrap_or_default();
    let form = form(&who.visit, &user.user_id, reason, act);
    let intro = match address.state() {
        AddressState::Undeliverable => vec![texts.admin.undeliverable, texts.admin.intro],
        AddressState::Missing => vec![texts.admin.missing.why],
        AddressState::Ok | AddressState::Unspecified => vec![texts.admin.intro],
    };
    let mut facts = vec![Fact { id: "target", label: texts.common.username, value: user.username.clone() }];
    if !address.masked.is_empty() {
        facts.push(Fact { id: "target-address", label: texts.outcome.address, value: address.masked });
    }
    let back = who.visit.app.base.path("/users");
    FormPage {
        intro: intro.into_iter().map(ToOwned::to_owned).collect(),
        facts,
        links: vec![Link { id: "cancel", address: back, label: texts.admin.cancel, main: false }],
        ..FormPage::new(Page::member(who, (texts.admin.title)(&user.username)), form)
    }
}
