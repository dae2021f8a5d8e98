//! Pages (AIP-158): sizes are clamped, tokens are authenticated and bound to their list.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::digest::DigestKey;
use crate::domain::violation::Problem;

/// Rows of a page when the caller names no number.
pub const DEFAULT_SIZE: i64 = 50;
/// Most rows of a page.
pub const MAX_SIZE: i64 = 500;

/// What a token is good for: one list of one caller, by the list's name and its filters.
pub struct List(Vec<Vec<u8>>);

impl List {
    /// The list of that name for the caller, with these filters.
    pub fn new(name: &str, caller: &str, filters: &[&[u8]]) -> Self {
        let mut bound = vec![name.into(), caller.into()];
        bound.extend(filters.iter().map(|filter| filter.to_vec()));
        Self(bound)
    }

    fn bound(&self) -> Vec<&[u8]> {
        self.0.iter().map(Vec::as_slice).collect()
    }
}

/// Which page is asked for.
pub struct Page {
    /// Rows to give.
    pub limit: i64,
    cursor: Option<Vec<u8>>,
    list: List,
}

impl Page {
    /// Reads what the caller asked for; 0 rows are the default, too many the most there are.
    ///
    /// # Errors
    /// The token was not made for this list.
    pub fn read(digests: &DigestKey, list: List, size: i32, token: &str) -> Result<Self, Problem> {
        let limit = if size <= 0 { DEFAULT_SIZE } else { i64::from(size).min(MAX_SIZE) };
        let cursor = match token {
            "" => None,
            token => Some(digests.page_cursor(&list.bound(), token).ok_or(Problem::NotAPageToken)?),
        };
        Ok(Self { limit, cursor, list })
    }

    /// The last row of the page before; none: the first page.
    pub fn after(&self) -> Option<Uuid> {
        Uuid::from_slice(self.cursor.as_deref()?).ok()
    }

    /// The last row of the page before, of a list by time.
    pub fn after_time(&self) -> Option<(OffsetDateTime, Uuid)> {
        let (time, id) = self.cursor.as_deref()?.split_first_chunk::<8>()?;
        let micros = i128::from(i64::from_be_bytes(*time));
        Some((OffsetDateTime::from_unix_timestamp_nanos(micros * 1000).ok()?, Uuid::from_slice(id).ok()?))
    }

    /// Cuts a list that was read with one row too many, and makes the token of the next page; empty at the end.
    pub fn cut<T>(&self, digests: &DigestKey, rows: Vec<T>, id: impl Fn(&T) -> Uuid) -> (Vec<T>, String) {
        self.cut_at(digests, rows, |row| id(row).as_bytes().to_vec())
    }

    /// As [`Page::cut`], of a list by time.
    pub fn cut_by_time<T>(
        &self,
        digests: &DigestKey,
        rows: Vec<T>,
        place: impl Fn(&T) -> (OffsetDateTime, Uuid),
    ) -> (Vec<T>, String) {
        self.cut_at(digests, rows, |row| {
            let (time, id) = place(row);
            // The database counts in microseconds.
            let micros = i64::try_from(time.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX);
            [&micros.to_be_bytes()[..], id.as_bytes()].concat()
        })
    }

    fn cut_at<T>(&self, digests: &DigestKey, mut rows: Vec<T>, place: impl Fn(&T) -> Vec<u8>) -> (Vec<T>, String) {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if rows.len() <= limit {
            return (rows, String::new());
        }
        rows.truncate(limit);
        let token = rows.last().map(|last| digests.page_token(&self.list.bound(), &place(last))).unwrap_or_default();
        (rows, token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_on_with_its_own_list_only() {
        let digests = DigestKey::new([1; 32]);
        let page = |list, size, token: &str| Page::read(&digests, list, size, token);
        let mine = || List::new("users", "crm", &[b"org", b"bu"]);
        let ids: Vec<Uuid> = (0..3).map(Uuid::from_u128).collect();
        let (rows, token) = page(mine(), 2, "").expect("the first page").cut(&digests, ids.clone(), |id| *id);
        assert_eq!(rows, ids[..2]);
        assert_eq!(page(mine(), 2, &token).expect("the second page").after(), Some(ids[1]));
        for other in [
            List::new("resets", "crm", &[b"org", b"bu"]),
            List::new("users", "gateway", &[b"org", b"bu"]),
            List::new("users", "crm", &[b"org", b"b"]),
        ] {
            assert_eq!(page(other, 2, &token).err(), Some(Problem::NotAPageToken));
        }
        let (rows, token) = page(mine(), 3, "").expect("the first page").cut(&digests, ids, |id| *id);
        assert_eq!((rows.len(), token.as_str()), (3, ""));
    }

    #[test]
    fn sizes_are_brought_into_range() {
        let limit = |size| {
            Page::read(&DigestKey::new([1; 32]), List::new("users", "crm", &[]), size, "").expect("no token").limit
        };
        assert_eq!([limit(0), limit(1), limit(500), limit(501), limit(i32::MAX)], [50, 1, 500, 500, 500]);
    }
}
