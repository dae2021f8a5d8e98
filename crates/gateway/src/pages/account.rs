//! User Settings > Account Settings: the password is changed by the current one.

use axum::response::Response;
use http::StatusCode;

use super::refused;
use crate::web::{Field, Form, FormPage, Member, Message, Page, Posted, Rules, Session, draw, html};

/// The form.
pub async fn show(who: Member) -> Response {
    let html = html(&page(&who, who.visit.act()));
    who.visit.answer(StatusCode::OK, html)
}

/// Changes the password; the session goes on under the new version, all others are over.
pub async fn submit(mut who: Member, posted: Posted) -> Response {
    let act = posted.act();
    let [current, new, confirm] =
        ["current_password", "new_password", "confirm_password"].map(|name| posted.fields.secret(name));
    let app = who.visit.app.clone();
    let passwords = [&current, &new, &confirm];
    let key = who.visit.act_with(&act, &new);
    let changed = who.visit.identity.change_password(&who.user.user_id, passwords, who.visit.requester(), key).await;
    match changed {
        Ok(version) => {
            who.user.credential_version = version;
            // An older session does not become a longer one.
            let session = Session { issued: who.session.issued, ..Session::begin(&who.user, 0, draw(&*app.random)) };
            who.visit.begin(&session);
            done(who)
        }
        Err(refusal) => {
            let page = page(&who, act);
            refused::again(who.visit, page, &refusal)
        }
    }
}

fn done(who: Member) -> Response {
    let texts = who.visit.texts();
    let page = Message::new(Page::member(&who, texts.account.done_title), "done", [texts.account.done]).link(
        &who.visit,
        "to-home",
        "/",
        texts.frame.home,
        true,
    );
    let html = html(&page);
    who.visit.answer(StatusCode::OK, html)
}

fn page(who: &Member, act: String) -> FormPage {
    let texts = who.visit.texts();
    let mut form = Form::new(&who.visit, "change-form", "/account", texts.account.submit).once(act).fields([
        Field { fixed: true, ..Field::text("username", texts.common.username, "username").value(&who.user.username) },
        Field::password("current_password", texts.account.current, "current-password"),
        Field::password("new_password", texts.link.new, "new-password"),
        Field::password("confirm_password", texts.link.confirm, "new-password"),
    ]);
    let policy = who.organization.password_policy.as_ref();
    form.rules = Some(Rules { least: policy.map_or(0, |policy| policy.min_length) });
    let contact = who.support_contact();
    FormPage {
        intro: vec![texts.account.intro.to_owned()],
        support: (!contact.is_empty()).then(|| (texts.common.support)(contact)),
        ..FormPage::new(Page::member(who, texts.account.title), form)
    }
}
