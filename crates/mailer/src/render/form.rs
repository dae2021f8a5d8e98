//! The two forms of a letter.

use askama::Template;
use zeroize::Zeroizing;

use super::RenderError;
use super::letter::{Block, Letter};

/// Widest line of the text part, in columns. Links stand on their own line and may be longer.
const COLUMNS: usize = 78;

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    letter: &'a Letter,
}

#[derive(Template)]
#[template(path = "mail.txt")]
struct Text<'a> {
    letter: &'a Letter,
}

/// The HTML part.
///
/// # Errors
/// When the template fails, which it has no reason to.
pub fn html(letter: &Letter) -> Result<Zeroizing<String>, RenderError> {
    Html { letter }.render().map(Zeroizing::new).map_err(|_| RenderError::Template)
}

/// The text part.
///
/// # Errors
/// When the template fails, which it has no reason to.
pub fn text(letter: &Letter) -> Result<Zeroizing<String>, RenderError> {
    Text { letter }.render().map(Zeroizing::new).map_err(|_| RenderError::Template)
}

impl Text<'_> {
    fn wrapped(&self, text: &str) -> String {
        wrap(text)
    }
}

/// Breaks a paragraph into lines at its spaces, and a word that is wider than a line wherever the
/// line ends.
fn wrap(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > COLUMNS {
            lines.push(std::mem::take(&mut line));
            width = 0;
        }
        if width > 0 {
            line.push(' ');
            width += 1;
        }
        for c in word.chars() {
            if width == COLUMNS {
                lines.push(std::mem::take(&mut line));
                width = 0;
            }
            line.push(c);
            width += 1;
        }
    }
    lines.push(line);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let text = format!("{} {} {}", "kata ".repeat(40), "x".repeat(200), "sandi");
        let wrapped = wrap(&text);
        assert!(wrapped.lines().all(|line| line.chars().count() <= COLUMNS));
        assert_eq!(wrapped.split_whitespace().collect::<String>(), text.split_whitespace().collect::<String>());
    }

    #[test]
    fn a_short_text_is_one_line() {
        assert_eq!(wrap("Halo Budi,"), "Halo Budi,");
    }
}
