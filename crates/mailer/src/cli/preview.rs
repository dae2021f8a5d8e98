//! `mailer preview`: every kind of mail, as it would look.

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use runtime::Failure;

use crate::render::form;
use crate::sample::{Kind, Locale, letterhead, sample};

/// Which mail, and how.
#[derive(Args)]
pub(super) struct Preview {
    /// The kind of mail.
    #[arg(long, value_enum)]
    kind: Kind,
    /// Its language.
    #[arg(long, value_enum, default_value = "id")]
    locale: Locale,
    /// The HTML part, the text part, or the whole mail with its headers.
    #[arg(long, value_enum, default_value = "html")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Html,
    Text,
    Eml,
}

impl Preview {
    /// The mail, made of the same code as the real ones.
    pub(super) fn render(&self) -> Result<String, Failure> {
        let sample = sample(self.kind, self.locale);
        let rendered = match self.format {
            Format::Html => sample.letter().and_then(|letter| form::html(&letter)).map(|html| html.to_string()),
            Format::Text => sample.letter().and_then(|letter| form::text(&letter)).map(|text| text.to_string()),
            Format::Eml => sample.render(&letterhead()).map(|mail| String::from_utf8_lossy(&mail.bytes).into_owned()),
        };
        rendered.map_err(|error| Failure::Failed(anyhow!(error)))
    }
}
