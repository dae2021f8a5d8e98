//! Passwords that everybody tries first.

use std::cmp::Ordering;

use zeroize::Zeroizing;

/// The list that Django ships; see `data/README.md`. Sorted by bytes, one a line, lower case.
const COMMON: &str = include_str!("../../data/common-passwords.txt");
/// Ours, of Indonesian habits.
const INDONESIAN: &str = include_str!("../../data/indonesian-passwords.txt");

/// Whether a password is on a list, upper and lower case alike, with or without spaces, hyphens, dots and
/// underscores between its words.
pub fn is_common(password: &str) -> bool {
    let lower = Zeroizing::new(password.to_lowercase());
    let mut joined = Zeroizing::new(String::with_capacity(lower.len()));
    joined.extend(lower.chars().filter(|character| !matches!(character, ' ' | '-' | '.' | '_')));
    [COMMON, INDONESIAN].into_iter().any(|list| contains(list, &lower) || contains(list, &joined))
}

/// Words of the Indonesian list, to be held against the parts of a password.
pub(super) fn indonesian_words<'a>() -> impl Iterator<Item = &'a str> {
    INDONESIAN.lines().filter(|line| line.len() <= 12 && line.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// Looks a line up in a sorted text by bisection, without an index: the text is read in place.
fn contains(sorted: &str, wanted: &str) -> bool {
    let mut rest = sorted;
    while !rest.is_empty() {
        let middle = rest.as_bytes()[..rest.len() / 2].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let (before, from) = rest.split_at(middle);
        let (line, after) = from.split_once('\n').unwrap_or((from, ""));
        match wanted.cmp(line) {
            Ordering::Equal => return true,
            Ordering::Less => rest = before,
            Ordering::Greater => rest = after,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_unique_and_lower_case() {
        for list in [COMMON, INDONESIAN] {
            let lines: Vec<&str> = list.lines().collect();
            assert!(lines.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(lines.iter().all(|line| !line.is_empty() && line.to_lowercase() == *line));
            assert!(list.ends_with('\n') && !list.contains('\r'));
        }
    }

    #[test]
    fn the_lists_are_long_enough() {
        assert!(COMMON.lines().count() >= 10_000);
        assert!(INDONESIAN.lines().count() >= 500);
        let long = INDONESIAN.lines().filter(|line| line.chars().count() >= 15).count();
        assert!(long >= 300, "only {long} are long enough for the default policy");
        assert!(indonesian_words().count() >= 300);
    }

    #[test]
    fn every_line_is_found() {
        for list in [COMMON, INDONESIAN] {
            assert!(list.lines().all(|line| contains(list, line)));
        }
    }

    #[test]
    fn case_and_separators_do_not_hide_a_common_password() {
        for text in [
            "password",
            "PassWord",
            "123456",
            "Bismillahirrahmanirrahim",
            "aku sayang kamu",
            "Indonesia-Merdeka",
            "17-08-1945",
            "пароль",
        ] {
            assert!(is_common(text), "{text}");
        }
    }

    #[test]
    fn what_contains_a_common_password_is_not_listed_itself() {
        for text in [
            "",
            " ",
            "password kuda hijau",
            "xpassword",
            "kopi-susu-gula-aren",
            "gunung merapi hujan lebat",
            "\n",
            "password\n123456",
        ] {
            assert!(!is_common(text), "{text:?}");
        }
    }
}
