//! The first page after the log-in.

use axum::response::Response;
use http::StatusCode;

use crate::web::{Member, Message, Page, html};

/// Greets, and shows the way.
pub async fn show(who: Member) -> Response {
    let texts = who.visit.texts();
    let name = if who.user.display_name.is_empty() { &who.user.username } else { &who.user.display_name };
    let place = (texts.home.where_)(&who.visit.app.product, &who.organization.display_name);
    let mut page = Message::new(Page::member(&who, (texts.home.hello)(name)), "welcome", [place]).link(
        &who.visit,
        "to-account",
        "/account",
        texts.frame.account,
        false,
    );
    if who.is_admin() {
        page = page.link(&who.visit, "to-users", "/users", texts.frame.users, false);
    }
    let contact = who.support_contact();
    page.support = (!contact.is_empty()).then(|| (texts.common.support)(contact));
    let html = html(&page);
    who.visit.answer(StatusCode::OK, html)
}
