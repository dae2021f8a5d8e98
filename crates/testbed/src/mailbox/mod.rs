//! A page that shows the mails of a folder: the list, and each mail as a mail program would show it.
//!
//! The HTML part stands in a frame of its own that may not run scripts, so that a mail cannot act on the page.

mod page;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use axum::{
    Json, Router, extract,
    http::{HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use crate::smtp::{Mail, read_mail};

/// Serves the mails of `folder` until the process ends.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, folder: PathBuf) -> Result<()> {
    let router = Router::new()
        .route("/", get(|| async { page(Html(page::LIST)) }))
        .route("/mails", get(list))
        .route("/mails/{name}", get(mail))
        .route("/mails/{name}/html", get(html_part))
        .route("/mails/{name}/raw", get(raw))
        .with_state(Arc::new(folder));
    axum::serve(listener, router).await?;
    Ok(())
}

type Folder = extract::State<Arc<PathBuf>>;

/// The files of the folder that are mails, latest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    files.sort_unstable_by(|a, b| b.cmp(a));
    Ok(files)
}

async fn list(extract::State(folder): Folder) -> Response {
    let rows: Vec<serde_json::Value> = files(&folder)
        .unwrap_or_default()
        .iter()
        .filter_map(|file| {
            let mail = read_mail(file).ok()?;
            let name = file.file_stem()?.to_string_lossy().into_owned();
            let time = mail.time.unix_timestamp_nanos() / 1_000_000;
            let from = mail.header("From").unwrap_or_default();
            Some(serde_json::json!({
                "name": name, "time": time, "to": mail.to.join(", "), "from": from, "subject": mail.subject(),
            }))
        })
        .collect();
    page(Json(rows))
}

async fn mail(folder: Folder, name: extract::Path<String>) -> Response {
    match find(&folder, &name) {
        Some((mail, raw)) => page(Html(page::mail(&name, &mail, &raw))),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn html_part(folder: Folder, name: extract::Path<String>) -> Response {
    let Some((mail, _)) = find(&folder, &name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Links open beside the page, not inside the frame.
    let html = mail.html().replacen("<head>", "<head><base target=\"_blank\">", 1);
    let policy = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; \
                  img-src data:";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}

async fn raw(folder: Folder, name: extract::Path<String>) -> Response {
    match find(&folder, &name) {
        Some((_, raw)) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], raw).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn find(folder: &Path, name: &str) -> Option<(Mail, Vec<u8>)> {
    let file = files(folder).ok()?.into_iter().find(|file| file.file_stem().is_some_and(|stem| stem == name))?;
    Some((read_mail(&file).ok()?, fs::read(&file).ok()?))
}

/// Our own pages load nothing from elsewhere and tell no other page where they are: a link has a token in it.
fn page(body: impl IntoResponse) -> Response {
    let headers: [(HeaderName, &str); 3] = [
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-src 'self'",
        ),
    ];
    (headers, body).into_response()
}
