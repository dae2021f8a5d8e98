//! A form whose call was refused: the same form again, with what was typed except secrets, and what is wrong.

use axum::response::Response;
use http::StatusCode;
use proto::identity::v1::ErrorReason;

use super::failure;
use crate::identity::Refusal;
use crate::web::{FormPage, Problem, Visit, html};

/// The field that a wrong password was typed into, where there are several.
const CURRENT: &str = "current_password";

/// Shows the form again.
pub fn again(visit: Visit, form: FormPage, refusal: &Refusal) -> Response {
    let problems = problems(&visit, &form, refusal);
    let status = failure::status(refusal);
    // What the person can mend alone needs no code.
    let for_help = status.is_server_error() || refusal.must_wait();
    let support_code = for_help.then(runtime::current_trace_id).flatten();
    let html = html(&FormPage { support_code, ..form }.problems(problems));
    let mut response = visit.answer(status, html);
    failure::come_back(&mut response, refusal);
    response
}

fn problems(visit: &Visit, form: &FormPage, refusal: &Refusal) -> Vec<Problem> {
    let texts = visit.texts();
    let plain = |text: String| vec![Problem { field: None, text }];
    if refusal.is_away() {
        return plain(texts.common.away.to_owned());
    }
    if refusal.must_wait() {
        return plain((texts.common.wait)(failure::seconds(refusal)));
    }
    if failure::status(refusal) == StatusCode::INTERNAL_SERVER_ERROR {
        let (what, next) = texts.failure.internal;
        return plain(format!("{what}. {next}"));
    }
    if refusal.reason == ErrorReason::PasswordMismatch && form.form.fields.iter().any(|field| field.name == CURRENT) {
        let text = refusal.message.clone().unwrap_or_default();
        return vec![Problem { field: Some(CURRENT), text }];
    }
    if refusal.violations.is_empty() {
        let message = refusal.message.clone();
        return plain(message.unwrap_or_else(|| texts.failure.internal.1.to_owned()));
    }
    let field_of = |name: &str| form.form.fields.iter().map(|field| field.name).find(|known| *known == name);
    refusal
        .violations
        .iter()
        .map(|violation| Problem { field: field_of(&violation.field), text: violation.text.clone() })
        .collect()
}
