//! The two languages.

use super::violation::Problem;

/// A language that mails and messages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Locale {
    /// Indonesian, what people read first.
    #[default]
    Id,
    /// English.
    En,
}

impl Locale {
    /// Reads a BCP 47 tag; only its language counts (`en-GB` is English).
    ///
    /// # Errors
    /// [`Problem::NotALocale`] for anything but `id`, `en` and their regions.
    pub fn parse(tag: &str) -> Result<Self, Problem> {
        let mut subtags = tag.split(['-', '_']);
        let locale = match subtags.next().map(str::to_ascii_lowercase).as_deref() {
            Some("id") => Self::Id,
            Some("en") => Self::En,
            _ => return Err(Problem::NotALocale),
        };
        let well_formed = subtags
            .all(|subtag| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if well_formed { Ok(locale) } else { Err(Problem::NotALocale) }
    }

    /// The tag: `id` or `en`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::En => "en",
        }
    }

    /// Chooses the text of this language.
    pub(super) fn pick<T>(self, id: T, en: T) -> T {
        match self {
            Self::Id => id,
            Self::En => en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_and_case_do_not_matter() {
        for (tag, locale) in [
            ("id", Locale::Id),
            ("ID", Locale::Id),
            ("id-ID", Locale::Id),
            ("en", Locale::En),
            ("en-GB", Locale::En),
            ("en_US", Locale::En),
            ("en-Latn-US", Locale::En),
        ] {
            assert_eq!(Locale::parse(tag), Ok(locale), "{tag}");
        }
    }

    #[test]
    fn other_languages_and_malformed_tags_are_refused() {
        for tag in ["", "jv", "de-DE", "eng", "indonesia", "en-", "en-GB ", " en", "en-\n", "i", "en-verylongsubtag"] {
            assert_eq!(Locale::parse(tag), Err(Problem::NotALocale), "{tag:?}");
        }
    }

    #[test]
    fn indonesian_stands_where_nothing_is_said() {
        assert_eq!(Locale::default(), Locale::Id);
        assert_eq!(Locale::default().as_str(), "id");
        assert_eq!(Locale::En.as_str(), "en");
    }
}
