//! A mail, and its file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use mail_parser::MessageParser;
use time::{OffsetDateTime, macros::format_description};

/// A mail as the sink accepted it.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The envelope's sender (`MAIL FROM`), without angle brackets; empty for a bounce.
    pub from: String,
    /// The envelope's recipients (`RCPT TO`).
    pub to: Vec<String>,
    /// Header and body as they were sent, dots unstuffed.
    pub data: Vec<u8>,
    /// When the final dot came.
    pub time: OffsetDateTime,
}

impl Mail {
    /// A header's value, unfolded and decoded; none if the mail lacks it.
    pub fn header(&self, name: &str) -> Option<String> {
        let message = MessageParser::default().parse(&self.data)?;
        let raw = message.header_raw(name)?;
        let value = message.header(name).and_then(|value| value.as_text().map(ToOwned::to_owned));
        Some(value.unwrap_or_else(|| raw.split_whitespace().collect::<Vec<_>>().join(" ")))
    }

    /// The decoded subject.
    pub fn subject(&self) -> String {
        let message = MessageParser::default().parse(&self.data);
        message.and_then(|message| message.subject().map(ToOwned::to_owned)).unwrap_or_default()
    }

    /// The decoded text part.
    pub fn text(&self) -> String {
        let message = MessageParser::default().parse(&self.data);
        message.and_then(|message| message.body_text(0).map(|text| text.into_owned())).unwrap_or_default()
    }

    /// The decoded HTML part.
    pub fn html(&self) -> String {
        let message = MessageParser::default().parse(&self.data);
        message.and_then(|message| message.body_html(0).map(|text| text.into_owned())).unwrap_or_default()
    }

    /// The links of the text part: every word that starts with `http://` or `https://`.
    pub fn links(&self) -> Vec<String> {
        let text = self.text();
        let words = text.split_whitespace();
        words
            .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
            .map(ToOwned::to_owned)
            .collect()
    }

    /// The tokens of the reset links, in order: what stands after `/reset#`.
    pub fn tokens(&self) -> Vec<String> {
        let links = self.links();
        let tokens = links.iter().filter_map(|link| link.split_once("/reset#"));
        tokens.map(|(_, token)| token.to_owned()).collect()
    }
}

/// Two lines before the mail's own header carry the envelope.
const FROM: &str = "X-Envelope-From: ";
const TO: &str = "X-Envelope-To: ";

/// Writes a mail as an `.eml` file whose name sorts by time. A reader of the folder never sees half of one.
pub(super) fn write(folder: &Path, number: usize, mail: &Mail) -> Result<PathBuf> {
    let stamp = format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:3]Z");
    let name = format!("{}-{number:05}", mail.time.format(stamp)?);
    let mut text = format!("{FROM}<{}>\r\n{TO}", mail.from).into_bytes();
    let to: Vec<String> = mail.to.iter().map(|to| format!("<{to}>")).collect();
    text.extend(to.join(", ").bytes());
    text.extend(b"\r\n");
    text.extend(&mail.data);
    let (partial, whole) = (folder.join(format!(".{name}")), folder.join(format!("{name}.eml")));
    fs::write(&partial, text)?;
    fs::rename(&partial, &whole)?;
    Ok(whole)
}

/// Reads a file that [`write`] made.
///
/// # Errors
/// When it is not one, or cannot be read.
pub fn read(file: &Path) -> Result<Mail> {
    let bytes = fs::read(file)?;
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let mut envelope = |prefix: &str| {
        let line = lines.next().and_then(|line| std::str::from_utf8(line).ok())?;
        let addresses = line.strip_prefix(prefix)?.trim_end().split(", ");
        Some(addresses.map(|address| address.trim_matches(['<', '>']).to_owned()).collect::<Vec<_>>())
    };
    let from = envelope(FROM).context("the file has no envelope sender")?.concat();
    let to = envelope(TO).context("the file has no envelope recipient")?;
    let data = lines.next().unwrap_or_default().to_vec();
    Ok(Mail { from, to, data, time: fs::metadata(file)?.modified()?.into() })
}
