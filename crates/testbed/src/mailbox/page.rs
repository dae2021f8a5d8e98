//! The pages' text.

use crate::smtp::Mail;

/// The list; it looks for new mails every second.
pub(super) const LIST: &str = include_str!("list.html");

/// One mail: header, text and HTML side by side.
pub(super) fn mail(name: &str, mail: &Mail, raw: &[u8]) -> String {
    let raw = String::from_utf8_lossy(raw);
    let (header, _) = raw.split_once("\r\n\r\n").unwrap_or((&raw, ""));
    include_str!("mail.html")
        .replace("{subject}", &escape(&mail.subject()))
        .replace("{to}", &escape(&mail.to.join(", ")))
        .replace("{name}", &escape(name))
        .replace("{header}", &escape(header))
        .replace("{text}", &linked(&mail.text()))
}

/// Text as HTML, with its links made clickable.
fn linked(text: &str) -> String {
    let mut html = String::with_capacity(text.len() * 2);
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        if bare.starts_with("http://") || bare.starts_with("https://") {
            let link = escape(bare);
            html += &format!("<a href=\"{link}\" target=\"_blank\" rel=\"noreferrer\">{link}</a>");
            html += &word[bare.len()..];
        } else {
            html += &escape(word);
        }
    }
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_clickable_and_the_rest_is_inert() {
        let html = linked("see <b>\nhttps://a.example/reset#x&y\nend");
        assert_eq!(
            html,
            "see &lt;b&gt;\n<a href=\"https://a.example/reset#x&amp;y\" target=\"_blank\" \
             rel=\"noreferrer\">https://a.example/reset#x&amp;y</a>\nend"
        );
    }
}
