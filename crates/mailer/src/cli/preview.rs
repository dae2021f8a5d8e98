//! `mailer preview`: every kind of mail, as it would look.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use runtime::Failure;

use crate::render::form;
use crate::sample::{Kind, Locale, letterhead, sample};

/// Which mail, and how.
#[derive(Args)]
pub(super) struct Preview {
    /// The kind of mail.
    #[arg(long, value_enum, required_unless_present = "all")]
    kind: Option<Kind>,
    /// Its language.
    #[arg(long, value_enum, default_value = "id")]
    locale: Locale,
    /// The HTML part, the text part, or the whole mail with its headers.
    #[arg(long, value_enum, default_value = "html")]
    format: Format,
    /// Every kind in every language and format, as files KIND-LOCALE.FORMAT.
    #[arg(long, requires = "directory", conflicts_with_all = ["kind", "locale", "format"])]
    all: bool,
    /// Where `--all` puts them; made if it is not there.
    #[arg(long, requires = "all")]
    directory: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Html,
    Text,
    Eml,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Text => "txt",
            Self::Eml => "eml",
        }
    }
}

impl Preview {
    /// What to print: the mail, made of the same code as the real ones, or where all of them are.
    pub(super) fn run(&self) -> Result<String, Failure> {
        let answer = match (self.kind, &self.directory) {
            (Some(kind), _) => render(kind, self.locale, self.format),
            (None, Some(directory)) => write_all(directory),
            (None, None) => Err(anyhow!("neither --kind nor --directory")),
        };
        answer.map_err(Failure::Failed)
    }
}

fn render(kind: Kind, locale: Locale, format: Format) -> anyhow::Result<String> {
    let sample = sample(kind, locale);
    Ok(match format {
        Format::Html => form::html(&sample.letter()?)?.to_string(),
        Format::Text => form::text(&sample.letter()?)?.to_string(),
        Format::Eml => String::from_utf8_lossy(&sample.render(&letterhead())?.bytes).into_owned(),
    })
}

fn write_all(directory: &Path) -> anyhow::Result<String> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let mut count = 0;
    for kind in Kind::value_variants() {
        for locale in Locale::value_variants() {
            for format in Format::value_variants() {
                let name = format!("{}-{}.{}", value(kind), value(locale), format.extension());
                let file = directory.join(name);
                let mail = render(*kind, *locale, *format)?;
                fs::write(&file, mail).with_context(|| format!("cannot write {}", file.display()))?;
                count += 1;
            }
        }
    }
    Ok(format!("{count} files in {}\n", directory.display()))
}

/// As it is typed on the command line.
fn value(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
