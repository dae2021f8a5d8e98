//! What went wrong, in plain words, with the code that finds it in the logs.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use proto::identity::v1::ErrorReason;

use crate::identity::Refusal;
use crate::texts::Failure;
use crate::web::{Member, Message, Page, Switch, Visit, html};

/// When nobody says when to come back.
const COME_BACK: Duration = Duration::from_secs(5);

/// The page of a status, for anybody.
pub fn page(visit: Visit, status: StatusCode) -> Response {
    let (title, words) = words(&visit.texts().failure, status);
    let mut page = Page::of(&visit, title);
    let texts = visit.texts();
    let (id, path, label) = match visit.session {
        Some(_) => ("to-home", "/", texts.frame.home),
        None => ("to-login", "/login", texts.common.to_log_in),
    };
    // The address that failed may be anybody's making.
    page.switch = Switch::Link(visit.app.base.path(&format!("{path}?")));
    let message = message(page, words).link(&visit, id, path, label, false);
    let html = html(&message);
    visit.answer(status, html)
}

/// The page of a status, for somebody who is logged in.
pub fn member(member: Member, status: StatusCode) -> Response {
    let texts = member.visit.texts();
    let (title, words) = match status {
        StatusCode::FORBIDDEN => texts.failure.forbidden,
        status => self::words(&texts.failure, status),
    };
    let mut page = Page::member(&member, title);
    page.switch = Switch::Link(member.visit.app.base.path("/?"));
    let html = html(&message(page, words));
    member.visit.answer(status, html)
}

/// The page of a call that was refused, when there is no form to tell it on.
pub fn refused(visit: Visit, refusal: &Refusal) -> Response {
    let mut response = page(visit, status(refusal));
    come_back(&mut response, refusal);
    response
}

/// As [`refused`], for somebody who is logged in.
pub fn refused_member(who: Member, refusal: &Refusal) -> Response {
    let mut response = member(who, status(refusal));
    come_back(&mut response, refusal);
    response
}

/// The status of a refusal.
pub fn status(refusal: &Refusal) -> StatusCode {
    if refusal.is_away() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    if refusal.must_wait() {
        return StatusCode::TOO_MANY_REQUESTS;
    }
    match refusal.reason {
        ErrorReason::UserNotFound | ErrorReason::OrganizationNotFound | ErrorReason::ResetNotFound => {
            StatusCode::NOT_FOUND
        }
        ErrorReason::ActorNotAllowed | ErrorReason::ActorInvalid => StatusCode::FORBIDDEN,
        ErrorReason::ResetTokenInvalid => StatusCode::GONE,
        ErrorReason::FieldInvalid
        | ErrorReason::PasswordRejected
        | ErrorReason::ConfirmationMismatch
        | ErrorReason::PasswordMismatch
        | ErrorReason::UserDisabled => StatusCode::UNPROCESSABLE_ENTITY,
        // The caller's own rights, and all that a page of ours never asks for.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Says when to come back, where that helps.
pub fn come_back(response: &mut Response, refusal: &Refusal) {
    if refusal.is_away() || refusal.must_wait() {
        let wait = seconds(refusal);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait));
    }
}

/// How many seconds to wait, at least one.
pub fn seconds(refusal: &Refusal) -> u64 {
    let wait = refusal.retry_after.unwrap_or(COME_BACK);
    wait.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)
}

fn message(page: Page, words: &'static str) -> Message {
    Message { support_code: runtime::current_trace_id(), ..Message::new(page, "problem", [words]) }
}

fn words(failure: &Failure, status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => failure.malformed,
        StatusCode::FORBIDDEN => failure.foreign,
        StatusCode::NOT_FOUND => failure.absent,
        StatusCode::METHOD_NOT_ALLOWED => failure.method,
        StatusCode::REQUEST_TIMEOUT => failure.slow,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => failure.large,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => failure.kind,
        StatusCode::TOO_MANY_REQUESTS => failure.busy,
        StatusCode::SERVICE_UNAVAILABLE => failure.away,
        _ => failure.internal,
    }
}
