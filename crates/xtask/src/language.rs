//! Indonesian where the person's environment says so, else English.

use clap::ValueEnum;

/// A language of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Language {
    /// Indonesian.
    Id,
    /// English.
    En,
}

impl Language {
    /// What `LC_ALL`, `LC_MESSAGES` or `LANG` says, in this order.
    pub fn of_environment() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let value = set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG")).unwrap_or_default();
        match value.split(['_', '.']).next() {
            Some("id") => Self::Id,
            _ => Self::En,
        }
    }

    /// The tag that goes over the wire.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::En => "en",
        }
    }

    /// One of two texts.
    pub fn pick<T>(self, id: T, en: T) -> T {
        match self {
            Self::Id => id,
            Self::En => en,
        }
    }
}
