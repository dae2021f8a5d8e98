//! Indonesian or English: what the person chose, else what the browser asks for, else the organisation's.

use http::header::{ACCEPT_LANGUAGE, HeaderMap};

/// A language of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Indonesian.
    Id,
    /// English.
    En,
}

impl Language {
    /// From a BCP 47 tag, of which only the language counts. `in` is what older systems call Indonesian.
    pub fn of(tag: &str) -> Option<Self> {
        let language = tag.split(['-', '_']).next()?.trim();
        match language.to_ascii_lowercase().as_str() {
            "id" | "in" => Some(Self::Id),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// Its tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::En => "en",
        }
    }

    /// The one of ours that the browser likes best (RFC 9110, 12.5.4).
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let lists = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
        let liked = lists.flat_map(|list| list.split(',')).filter_map(|range| {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
            Some((Self::of(tag)?, weight)).filter(|_| weight > 0.0)
        });
        // The first of the best: a later one must be liked more.
        let best = liked.reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map(|(language, _)| language)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("id-ID,id;q=0.9,en-US;q=0.8", Some(Language::Id))]
    #[case("en-US,en;q=0.9,id;q=0.8", Some(Language::En))]
    #[case("fr, en;q=0.5, id;q=0.7", Some(Language::Id))]
    #[case("in", Some(Language::Id))]
    #[case("id;q=0, en;q=0.1", Some(Language::En))]
    #[case("fr-FR, de;q=0.9", None)]
    #[case("indonesian;q=", None)]
    #[case("", None)]
    fn the_best_liked_language_of_ours_is_taken(#[case] header: &str, #[case] language: Option<Language>) {
        let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, header.parse().unwrap())]);
        assert_eq!(Language::accepted(&headers), language);
    }
}
