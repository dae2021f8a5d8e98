//! Pages (AIP-158): sizes are clamped, tokens are authenticated and bound to their filters.

use uuid::Uuid;

use super::error::{Error, Result};
use crate::domain::violation::Problem;
use crate::service::Service;

/// Rows of a page when the caller names no number.
pub const DEFAULT_SIZE: i64 = 50;
/// Most rows of a page.
pub const MAX_SIZE: i64 = 500;

/// Which page is asked for.
pub struct Page {
    /// Rows wanted; 0: the default.
    pub size: i32,
    /// Token of the page before; empty: the first page.
    pub token: String,
}

impl Page {
    /// Rows to give.
    ///
    /// # Errors
    /// A negative number.
    pub fn limit(&self) -> Result<i64> {
        match i64::from(self.size) {
            0 => Ok(DEFAULT_SIZE),
            size if size < 0 => {
                Err(Error::field("page_size", Problem::OutOfRange { min: 0, max: i64::from(i32::MAX) }))
            }
            size => Ok(size.min(MAX_SIZE)),
        }
    }

    /// Where to go on.
    ///
    /// # Errors
    /// A token that was not made for a list with these filters.
    pub fn cursor(&self, service: &Service, filters: &[&[u8]]) -> Result<Option<Uuid>> {
        if self.token.is_empty() {
            return Ok(None);
        }
        match service.digests.page_cursor(filters, &self.token) {
            Some(cursor) => Ok(Some(cursor)),
            None => Err(Error::field("page_token", Problem::NotAPageToken)),
        }
    }
}

/// Cuts a list that was read with one row too many, and makes the token of the next page.
pub fn cut<T>(
    service: &Service,
    filters: &[&[u8]],
    limit: i64,
    mut rows: Vec<T>,
    id: impl Fn(&T) -> Uuid,
) -> (Vec<T>, String) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() <= limit {
        return (rows, String::new());
    }
    rows.truncate(limit);
    let token = rows.last().map(|last| service.digests.page_token(filters, id(last))).unwrap_or_default();
    (rows, token)
}
