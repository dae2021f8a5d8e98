//! Text that people chose, made safe to stand in a mail.
//!
//! A name must not become a link in a mail program: "your account at evil.example" would otherwise
//! be a phishing mail with our own signature. Mail programs make links of anything that looks like
//! one, in text and in HTML, so the look is broken: an invisible zero-width space (U+200B) follows
//! each character that holds an address together. It shows as the very name, and no detector takes
//! it for an address. Usernames are copied out of mails into login pages, so they are touched only
//! where a link would really arise.

/// Ends the run of characters that link detectors read as one address.
const BREAK: char = '\u{200b}';

/// Characters that hold an address together, with the full stops that IDNA takes for a dot.
const JOINTS: [char; 7] = ['.', ':', '/', '@', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// Last labels that no registry has and that mail programs or networks know all the same
/// (RFC 2606, RFC 6761, RFC 6762, RFC 7686).
const RESERVED: [&str; 8] = ["example", "test", "invalid", "localhost", "local", "internal", "onion", "lan"];

/// One line without control characters, bidirectional overrides and invisible characters, its
/// white space collapsed, cut to `limit` characters with an ellipsis.
pub fn tidy(text: &str, limit: usize) -> String {
    let visible: String = text
        .chars()
        .filter(|c| !invisible(*c))
        .map(|c| if c.is_control() || is_separator(c) { ' ' } else { c })
        .collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= limit {
        return line;
    }
    let kept: String = line.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// A name for show: tidied, and nothing in it can become a link.
pub fn name(text: &str, limit: usize) -> String {
    by_word(&tidy(text, limit), |word| {
        word.char_indices().any(|(at, c)| JOINTS.contains(&c) && at > 0 && at + c.len_utf8() < word.len())
    })
}

/// A username for show and for copying: left alone unless mail programs would make a link of it.
/// The one that is the recipient's own address may become a link to that address.
pub fn username(text: &str, recipient: &str) -> String {
    let text = tidy(text, 256);
    if text.eq_ignore_ascii_case(recipient) {
        return text;
    }
    by_word(&text, looks_like_an_address)
}

/// Whether a mail program would take the word for a URL, an address or a domain. A domain counts
/// when any label after its first dot is a top-level domain: detectors differ in where they stop.
fn looks_like_an_address(word: &str) -> bool {
    word.contains("://")
        || word.contains('@')
        || word.to_ascii_lowercase().starts_with("www.")
        || word.to_ascii_lowercase().starts_with("mailto:")
        || word
            .split(|c: char| JOINTS.contains(&c) || matches!(c, '?' | '#' | ',' | ')' | '('))
            .skip(1)
            .any(is_top_level)
}

fn is_top_level(label: &str) -> bool {
    let label = label.to_ascii_lowercase();
    // A label beyond ASCII may be any of the internationalised ones.
    !label.is_empty() && (!label.is_ascii() || tld::exist(&label) || RESERVED.contains(&label.as_str()))
}

/// Breaks the words that `breaks` picks.
fn by_word(text: &str, breaks: impl Fn(&str) -> bool) -> String {
    text.split(' ').map(|word| if breaks(word) { broken(word) } else { word.to_owned() }).collect::<Vec<_>>().join(" ")
}

fn broken(word: &str) -> String {
    let mut out = String::with_capacity(word.len() + 12);
    for c in word.chars() {
        out.push(c);
        if JOINTS.contains(&c) {
            out.push(BREAK);
        }
    }
    out
}

/// Format characters that show nothing and change what is read around them. The joiners U+200C and
/// U+200D stay: scripts and emoji need them.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn is_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("  Kopi \r\n Nusantara\t", "Kopi Nusantara")]
    #[case("a\u{0}b\u{7}c", "a b c")]
    #[case("a\u{2028}b\u{202e}c\u{200b}d\u{feff}", "a bcd")]
    #[case("Siti Nurhaliza, S.T.", "Siti Nurhaliza, S.T.")]
    fn a_name_is_one_line_of_visible_text(#[case] text: &str, #[case] tidied: &str) {
        assert_eq!(tidy(text, 100), tidied);
    }

    #[test]
    fn a_long_name_is_cut() {
        let cut = tidy(&"ab ".repeat(4_000), 40);
        assert!(cut.chars().count() <= 40);
        assert!(cut.ends_with('…'));
    }

    #[rstest]
    #[case("https://evil.example/x")]
    #[case("HTTP://evil")]
    #[case("see evil.example now")]
    #[case("www.evil.santoso")]
    #[case("sari@evil.example")]
    #[case("evil。com")]
    #[case("mailto:sari")]
    fn a_name_that_looks_like_a_link_is_broken(#[case] text: &str) {
        let shown = name(text, 100);
        assert_ne!(shown, text);
        assert_eq!(shown.replace(BREAK, ""), text);
        for word in ["://", "evil.e", "evil.s", "www.e", "@e", "evil。c", "mailto:s"] {
            assert!(!shown.contains(word), "{shown:?} has {word}");
        }
    }

    #[rstest]
    #[case("Kopi Nusantara")]
    #[case("PT. Kopi Nusantara")]
    #[case("Rumah Sakit: Melati")]
    #[case("Keuangan/HR")]
    fn an_ordinary_name_is_left_alone(#[case] text: &str) {
        // A slash alone makes no link, but it is broken like the others: nobody sees it.
        assert_eq!(name(text, 100).replace(BREAK, ""), text);
        assert_eq!(name(text, 100).contains(BREAK), text.contains("n/H"));
    }

    #[rstest]
    #[case("budi", false)]
    #[case("budi.santoso", false)]
    #[case("budi_santoso-2", false)]
    #[case("budi.id", true)]
    #[case("budi.com.gudang", true)]
    #[case("budi.example", true)]
    #[case("https://gudang", true)]
    #[case("other@kopi.example", true)]
    #[case("budi@kopi.example", false)]
    fn a_username_stays_copyable_unless_it_would_be_a_link(#[case] text: &str, #[case] changed: bool) {
        let shown = username(text, "budi@kopi.example");
        assert_eq!(shown != text, changed, "{shown:?}");
        assert_eq!(shown.replace(BREAK, ""), text);
    }
}
