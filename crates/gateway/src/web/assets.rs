//! The stylesheet, the script and the icon. Their address has their digest in it, so that a browser keeps them for ever
//! and still sees a new one at once.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::RawQuery;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest as _, Sha256};

use super::App;

/// What their paths begin with.
pub const PREFIX: &str = "/static/";

/// A file of ours.
pub struct Asset {
    path: &'static str,
    kind: &'static str,
    content: &'static str,
    digest: LazyLock<String>,
}

/// How it looks.
pub static STYLE: Asset = Asset {
    path: "/static/gateway.css",
    kind: "text/css; charset=utf-8",
    content: include_str!("../../static/gateway.css"),
    digest: LazyLock::new(|| digest(STYLE.content)),
};
/// Reads the link's fragment, and ticks off the rules.
pub static SCRIPT: Asset = Asset {
    path: "/static/gateway.js",
    kind: "text/javascript; charset=utf-8",
    content: include_str!("../../static/gateway.js"),
    digest: LazyLock::new(|| digest(SCRIPT.content)),
};
/// What stands in the browser's tab.
pub static ICON: Asset = Asset {
    path: "/static/icon.svg",
    kind: "image/svg+xml",
    content: include_str!("../../static/icon.svg"),
    digest: LazyLock::new(|| digest(ICON.content)),
};

impl Asset {
    /// Its address below the prefix.
    pub fn address(&'static self) -> String {
        format!("{}?v={}", self.path, *self.digest)
    }

    /// Of another version than was asked for, it is not kept: the next answer may come from a newer program.
    fn answer(&'static self, query: Option<&str>) -> Response {
        let asked_for = query.and_then(|query| query.strip_prefix("v="));
        let keep = if asked_for == Some(&**self.digest) { "public, max-age=31536000, immutable" } else { "no-cache" };
        ([(CONTENT_TYPE, self.kind), (CACHE_CONTROL, keep)], self.content).into_response()
    }
}

/// Serves them.
pub fn router() -> Router<Arc<App>> {
    [&STYLE, &SCRIPT, &ICON].into_iter().fold(Router::new(), |router, asset| {
        router.route(asset.path, get(move |RawQuery(query): RawQuery| async move { asset.answer(query.as_deref()) }))
    })
}

fn digest(content: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(content)[..9])
}
