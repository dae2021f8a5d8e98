//! Passwords that everybody tries first.

/// The list that Django ships; see `data/README.md`. Sorted by bytes, one a line, lower case.
const COMMON: &str = include_str!("../../data/common-passwords.txt");
/// Ours, of Indonesian habits.
const INDONESIAN: &str = include_str!("../../data/indonesian-passwords.txt");

/// Whether a password is on a list, upper and lower case alike.
pub fn is_common(password: &str) -> bool {
    let lower = zeroize::Zeroizing::new(password.to_lowercase());
    contains(COMMON, &lower) || contains(INDONESIAN, &lower)
}

/// Words of the Indonesian list, to be held against the parts of a password.
pub(super) fn indonesian_words<'a>() -> impl Iterator<Item = &'a str> {
    INDONESIAN
        .lines()
        .filter(|line| line.len() <= 12 && line.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// Looks a line up in a sorted text by bisection, without an index: the text is read in place.
fn contains(sorted: &str, wanted: &str) -> bool {
    let mut rest = sorted;
    while !rest.is_empty() {
        let middle = rest.as_bytes()[..rest.len() / 2]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let (before, from) = rest.split_at(middle);
        let (line, after) = from.split_once('\n').unwrap_or((from, ""));
        match wanted.cmp(line) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => rest = before,
            std::cmp::Ordering::Greater => rest = after,
        }
    }
    false
}
