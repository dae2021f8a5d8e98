//! The page of a link. The token stands in the link's fragment, which no server sees: a script hands it on in a body.
//! Looking does not use it up, so a scanner that follows links spoils nothing; only the button does.

use axum::response::Response;
use http::StatusCode;
use proto::identity::v1::{CheckResetResponse, ErrorReason};
use secrecy::{ExposeSecret as _, SecretString};

use super::log_in::support;
use super::refused;
use crate::identity::Refusal;
use crate::web::{
    Fact, Field, Fields, Form, FormPage, Language, Message, Page, Posted, Rules, Switch, Visit, html, minutes_left,
};

/// Where the link leads, before anybody has looked at the token.
pub async fn show(visit: Visit) -> Response {
    let texts = &visit.texts().link;
    let form =
        Form::new(&visit, "open-form", "/reset/open", texts.open).fields([Field::text("token", texts.label, "off")]);
    let page = FormPage {
        intro: vec![texts.paste.to_owned()],
        no_script: Some(texts.no_script),
        support: support(&visit),
        ..FormPage::new(Page::of(&visit, texts.title), form)
    };
    let html = html(&page);
    visit.answer(StatusCode::OK, html)
}

/// Looks at the token, and asks for the new password.
pub async fn open(Posted { mut visit, fields }: Posted) -> Response {
    if let Some(language) = Language::of(fields.text("lang")) {
        visit.choose(language);
    }
    let token = token(&fields);
    match visit.identity.check_reset(&token).await {
        Ok(link) => {
            visit.speak(&link.locale);
            let html = html(&ask(&visit, &link, &token, visit.act()));
            visit.answer(StatusCode::OK, html)
        }
        Err(refusal) if is_over(&refusal) => over(visit),
        Err(refusal) => later(visit, &token, &refusal),
    }
}

/// Sets the new password.
pub async fn complete(posted: Posted) -> Response {
    let (act, token) = (posted.act(), token(&posted.fields));
    let Posted { mut visit, fields } = posted;
    let username = fields.text("username");
    let [new, confirm] = ["new_password", "confirm_password"].map(|name| fields.secret(name));
    let key = visit.act_with(&act, &new);
    let completed = visit.identity.complete_reset(&token, &new, &confirm, visit.requester(), key).await;
    let refusal = match completed {
        Ok(_) => return done(visit),
        Err(refusal) => refusal,
    };
    if is_over(&refusal) {
        return over(visit);
    }
    if refusal.is_away() {
        let page = blind(&visit, username, &token, act);
        return refused::again(visit, page, &refusal);
    }
    // The form again needs to know for whom, and until when.
    match visit.identity.check_reset(&token).await {
        Ok(link) => {
            visit.speak(&link.locale);
            let page = ask(&visit, &link, &token, act);
            refused::again(visit, page, &refusal)
        }
        Err(other) if is_over(&other) => over(visit),
        Err(_) => {
            let page = blind(&visit, username, &token, act);
            refused::again(visit, page, &refusal)
        }
    }
}

fn ask(visit: &Visit, link: &CheckResetResponse, token: &SecretString, act: String) -> FormPage {
    let texts = visit.texts();
    let least = link.password_policy.as_ref().map_or(0, |policy| policy.min_length);
    let form = Form { rules: Some(Rules { least }), ..form(visit, &link.username, token, act) };
    let minutes = minutes_left(link.expire_time.as_ref(), visit.app.clock.now());
    let organisation = link.organization_display_name.clone();
    FormPage {
        intro: vec![(texts.link.life)(minutes)],
        facts: vec![Fact { id: "account-organisation", label: texts.common.organisation, value: organisation }],
        support: support(visit),
        ..FormPage::new(frame(visit, token), form)
    }
}

/// To try again in a moment, while nobody can look at the link: it is kept, and so is the name that the page showed.
fn blind(visit: &Visit, username: &str, token: &SecretString, act: String) -> FormPage {
    let form = form(visit, username, token, act);
    FormPage {
        intro: vec![visit.texts().link.kept_password.to_owned()],
        support: support(visit),
        ..FormPage::new(frame(visit, token), form)
    }
}

fn form(visit: &Visit, username: &str, token: &SecretString, act: String) -> Form {
    let texts = visit.texts();
    let mut form = Form::new(visit, "password-form", "/reset/complete", texts.link.save).once(act).fields([
        Field { fixed: true, ..Field::text("username", texts.common.username, "username").value(username) },
        Field::password("new_password", texts.link.new, "new-password"),
        Field::password("confirm_password", texts.link.confirm, "new-password"),
    ]);
    form.hidden.push(("token", token.expose_secret().to_owned()));
    form
}

/// The frame of a page whose address does not lead back to it: the token is in no address.
fn frame(visit: &Visit, token: &SecretString) -> Page {
    let hidden = vec![("csrf", visit.csrf().to_owned()), ("token", token.expose_secret().to_owned())];
    let switch = Switch::Form { action: visit.app.base.path("/reset/open"), hidden };
    Page { switch, ..Page::of(visit, visit.texts().link.title) }
}

/// To look again in a moment: the link is kept.
fn later(visit: Visit, token: &SecretString, refusal: &Refusal) -> Response {
    let texts = &visit.texts().link;
    let mut form = Form::new(&visit, "open-form", "/reset/open", texts.retry);
    form.hidden.push(("token", token.expose_secret().to_owned()));
    let page = FormPage {
        intro: vec![texts.kept.to_owned()],
        support: support(&visit),
        ..FormPage::new(frame(&visit, token), form)
    };
    refused::again(visit, page, refusal)
}

fn done(visit: Visit) -> Response {
    let texts = visit.texts();
    let mut page = Page::of(&visit, texts.link.done_title);
    page.switch = Switch::Link(visit.app.base.path("/login?"));
    let page =
        Message::new(page, "done", [texts.link.done]).link(&visit, "to-login", "/login", texts.log_in.title, true);
    let html = html(&page);
    visit.answer(StatusCode::OK, html)
}

fn is_over(refusal: &Refusal) -> bool {
    // What is no token at all is a link that does not work, too.
    let malformed = refusal.reason == ErrorReason::FieldInvalid
        && refusal.violations.iter().any(|violation| violation.field == "token");
    malformed || refusal.reason == ErrorReason::ResetTokenInvalid
}

/// The link does not work: why not is not said, how to get another is.
fn over(visit: Visit) -> Response {
    let texts = &visit.texts().link;
    let mut page = Page::of(&visit, texts.over_title);
    page.switch = Switch::Link(visit.app.base.path("/reset?"));
    let page = Message { support: support(&visit), ..Message::new(page, "over", [texts.over, texts.over_next]) }.link(
        &visit,
        "ask-again",
        "/forgot",
        texts.ask_again,
        true,
    );
    let html = html(&page);
    visit.answer(StatusCode::GONE, html)
}

/// The token, also from a whole link that somebody pasted.
fn token(fields: &Fields) -> SecretString {
    let pasted = fields.text("token").trim();
    let token = pasted.rsplit_once('#').map_or(pasted, |(_, token)| token);
    SecretString::from(token)
}
