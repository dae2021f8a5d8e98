//! The pages, one file a journey.

mod account;
pub mod failure;
mod forgot;
mod home;
mod link;
mod log_in;
mod outcome;
mod refused;
mod reset_user;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;

use crate::web::{self, App, Visit};

/// All of them, below the path of the public URL.
pub fn router(app: Arc<App>) -> Router {
    let pages = Router::new()
        .route("/", get(home::show))
        .route("/login", get(log_in::show).post(log_in::submit))
        .route("/logout", post(log_in::leave))
        .route("/forgot", get(forgot::show_by_username).post(forgot::submit_by_username))
        .route("/forgot-username", get(forgot::show_by_email).post(forgot::submit_by_email))
        .route("/forgot/sent", get(forgot::sent))
        .route("/reset", get(link::show))
        .route("/reset/open", post(link::open))
        .route("/reset/complete", post(link::complete))
        .route("/account", get(account::show).post(account::submit))
        .route("/users", get(users::show))
        .route("/users/{user_id}/reset", get(reset_user::show).post(reset_user::submit))
        .route("/users/{user_id}/resets/{reset_id}", get(outcome::show))
        .merge(web::assets());
    let router = match app.base.prefix() {
        "" => pages,
        prefix => Router::new().nest(prefix, pages),
    };
    router
        .fallback(|visit: Visit| async { failure::page(visit, StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|visit: Visit| async { failure::page(visit, StatusCode::METHOD_NOT_ALLOWED) })
        .with_state(app)
}
