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
    let at = |path: &str| app.base.path(path);
    let pages = Router::new()
        .route(&at("/"), get(home::show))
        .route(&at("/login"), get(log_in::show).post(log_in::submit))
        .route(&at("/logout"), post(log_in::leave))
        .route(&at("/forgot"), get(forgot::show_by_username).post(forgot::submit_by_username))
        .route(&at("/forgot-username"), get(forgot::show_by_email).post(forgot::submit_by_email))
        .route(&at("/forgot/sent"), get(forgot::sent))
        .route(&at("/reset"), get(link::show))
        .route(&at("/reset/open"), post(link::open))
        .route(&at("/reset/complete"), post(link::complete))
        .route(&at("/account"), get(account::show).post(account::submit))
        .route(&at("/users"), get(users::show))
        .route(&at("/users/{user_id}/reset"), get(reset_user::show).post(reset_user::submit))
        .route(&at("/users/{user_id}/resets/{reset_id}"), get(outcome::show));
    // Not nested: that would take the prefix away from what the pages see of their own address.
    let router = match app.base.prefix() {
        "" => pages.merge(web::assets()),
        prefix => pages.route(prefix, get(home::show)).nest(prefix, web::assets()),
    };
    router
        .fallback(|visit: Visit| async { failure::page(visit, StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|visit: Visit| async { failure::page(visit, StatusCode::METHOD_NOT_ALLOWED) })
        .with_state(app)
}
