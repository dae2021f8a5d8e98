//! What a new password must be like. It is applied when one is set, never at log-in.

use std::collections::BTreeSet;

use zeroize::Zeroizing;
use zxcvbn::{Score, zxcvbn};

use super::common::{indonesian_words, is_common};
use super::locale::Locale;
use super::password::{MAX_BYTES, Password};
use super::violation::Problem;

/// The least length an organisation may ask for, in code points.
pub const MIN_LENGTH_FLOOR: u32 = 8;
/// The greatest least length an organisation may ask for: 64 must be accepted (NIST SP 800-63B-4 3.1.1.2).
pub const MIN_LENGTH_CEILING: u32 = 64;
/// Code points that must be left once the words of the context are taken out.
const LEFT_OVER: usize = 8;
/// Shorter words of the context are not taken out, in code points.
const WORD_MIN: usize = 3;
/// How many characters zxcvbn is given: it looks at 100 at most, and its time grows faster than their
/// square (half a second for 100 that look like letters, such as `4@8`). A good beginning is enough.
const JUDGED_CHARACTERS: [usize; 2] = [32, 100];

/// An organisation's demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// The least length in code points, 8 to 64. 15 unless the organisation chose (NIST SP 800-63B-4:
    /// a password that is the only factor).
    pub min_length: u32,
    /// The greatest length in bytes: 1,024.
    pub max_bytes: u32,
}

impl PasswordPolicy {
    /// The policy of an organisation that asks for this length; 0: the default of 15.
    ///
    /// # Errors
    /// [`Problem::OutOfRange`] below 8 or above 64.
    pub fn with_min_length(min_length: u32) -> Result<Self, Problem> {
        match min_length {
            0 => Ok(Self::default()),
            MIN_LENGTH_FLOOR..=MIN_LENGTH_CEILING => Ok(Self { min_length, ..Self::default() }),
            _ => Err(Problem::OutOfRange { min: MIN_LENGTH_FLOOR.into(), max: MIN_LENGTH_CEILING.into() }),
        }
    }
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self { min_length: 15, max_bytes: MAX_BYTES as u32 }
    }
}

/// What a password must not lean on. No `Debug`: it holds an address.
#[derive(Clone, Default)]
pub struct PasswordContext {
    /// The canonical username.
    pub username: String,
    /// The registered address.
    pub address: Option<String>,
    /// Display name and slug of the organisation.
    pub organization_names: Vec<String>,
    /// The name of the product.
    pub product_name: String,
}

/// A rule that a new password breaks: `sandi.identity.v1.PasswordRule`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PasswordRule {
    /// Fewer code points than the policy asks for.
    TooShort,
    /// More bytes than can be hashed.
    TooLong,
    /// On a list of common passwords.
    Common,
    /// Guessed too soon (zxcvbn below 3).
    Guessable,
    /// Little more than the user's, the organisation's or the product's name.
    ContextWord,
    /// The one that is to be replaced; ChangePassword only.
    SameAsCurrent,
}

impl PasswordRule {
    /// What a program reads: the enum's name without its prefix.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooShort => "TOO_SHORT",
            Self::TooLong => "TOO_LONG",
            Self::Common => "COMMON",
            Self::Guessable => "GUESSABLE",
            Self::ContextWord => "CONTEXT_WORD",
            Self::SameAsCurrent => "SAME_AS_CURRENT",
        }
    }

    /// What a person reads.
    pub fn text(self, locale: Locale, policy: &PasswordPolicy) -> String {
        let (least, most) = (policy.min_length, policy.max_bytes);
        match (self, locale) {
            (Self::TooShort, Locale::Id) => format!("Kata sandi harus paling sedikit {least} karakter. Beberapa kata biasa yang dirangkai pun boleh."),
            (Self::TooShort, Locale::En) => format!("The password must have at least {least} characters. Several plain words in a row will do."),
            (Self::TooLong, Locale::Id) => format!("Kata sandi terlalu panjang: paling banyak {most} byte."),
            (Self::TooLong, Locale::En) => format!("The password is too long: at most {most} bytes."),
            (Self::Common, Locale::Id) => "Kata sandi ini dipakai banyak orang dan dicoba lebih dulu. Pilih yang lain.".into(),
            (Self::Common, Locale::En) => "Many people use this password, so it is tried first. Choose another.".into(),
            (Self::Guessable, Locale::Id) => "Kata sandi ini mudah ditebak. Tambahkan satu atau dua kata yang tidak berhubungan.".into(),
            (Self::Guessable, Locale::En) => "This password is easy to guess. Add one or two unrelated words.".into(),
            (Self::ContextWord, Locale::Id) => "Kata sandi ini hampir hanya terdiri atas nama Anda, organisasi Anda, atau layanan ini. Tambahkan kata-kata lain.".into(),
            (Self::ContextWord, Locale::En) => "This password is little more than your name or that of your organisation or this service. Add other words.".into(),
            (Self::SameAsCurrent, Locale::Id) => "Kata sandi baru harus berbeda dari kata sandi sekarang.".into(),
            (Self::SameAsCurrent, Locale::En) => "The new password must differ from the current one.".into(),
        }
    }
}

/// All rules that a new password breaks, in the order of the contract. It takes some milliseconds: run it
/// off the threads that answer calls.
pub fn check(policy: &PasswordPolicy, context: &PasswordContext, password: &Password) -> Vec<PasswordRule> {
    let text = password.expose();
    let words = context_words(context);
    let length = text.chars().count();
    let broken = [
        (PasswordRule::TooShort, length < policy.min_length as usize),
        (PasswordRule::TooLong, text.len() > policy.max_bytes as usize),
        (PasswordRule::Common, is_common(text)),
        (PasswordRule::Guessable, is_guessable(text, &words)),
        (PasswordRule::ContextWord, leans_on(text, &words)),
    ];
    broken.into_iter().filter(|(_, broken)| *broken).map(|(rule, _)| rule).collect()
}

fn is_guessable(text: &str, words: &BTreeSet<String>) -> bool {
    let inputs: Vec<&str> = words.iter().map(String::as_str).chain(indonesian_words()).collect();
    JUDGED_CHARACTERS.iter().all(|count| zxcvbn(beginning(text, *count), &inputs).score() < Score::Three)
}

fn beginning(text: &str, characters: usize) -> &str {
    match text.char_indices().nth(characters) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// The names and their parts, lower-cased.
fn context_words(context: &PasswordContext) -> BTreeSet<String> {
    let names = [context.username.as_str(), context.address.as_deref().unwrap_or(""), context.product_name.as_str()];
    let names = names.into_iter().chain(context.organization_names.iter().map(String::as_str));
    let mut words = BTreeSet::new();
    for name in names {
        let name = name.to_lowercase();
        let parts = name.split(|character: char| !character.is_alphanumeric()).map(str::to_owned);
        words.extend(parts);
        if let Some((local_part, domain)) = name.split_once('@') {
            words.extend([local_part.to_owned(), domain.to_owned()]);
        }
        words.insert(name);
    }
    words.retain(|word| word.chars().count() >= WORD_MIN);
    words
}

/// Whether fewer than 8 code points are left once the words are taken out, the longest first.
fn leans_on(text: &str, words: &BTreeSet<String>) -> bool {
    /// Stands where a word was, so that its neighbours do not join into another.
    const GAP: &str = "\0";
    let mut left = Zeroizing::new(text.to_lowercase());
    let mut longest_first: Vec<&String> = words.iter().collect();
    longest_first.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut found = false;
    for word in longest_first {
        if left.contains(word.as_str()) {
            left = Zeroizing::new(left.replace(word.as_str(), GAP));
            found = true;
        }
    }
    found && left.chars().filter(|character| *character != '\0').count() < LEFT_OVER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> PasswordContext {
        PasswordContext {
            username: "budi.santoso".into(),
            address: Some("budi.s@kopi.example".into()),
            organization_names: vec!["Kopi Nusantara".into(), "kopi".into()],
            product_name: "Sandi".into(),
        }
    }

    fn broken(min_length: u32, text: &str) -> Vec<PasswordRule> {
        let policy = PasswordPolicy::with_min_length(min_length).unwrap();
        check(&policy, &context(), &Password::parse(text).unwrap())
    }

    #[test]
    fn plain_words_in_a_row_pass() {
        for text in [
            "kopi-susu-gula-aren",
            "gunung merapi hujan lebat",
            "meja biru tertawa pelan",
            "correct horse battery staple",
            "😀🔑🌋🐘🦆🍜🧂🪁🥥🌶🧄🥁🪘🛶🏮",
            "Sepeda Nenek 7 Warna",
        ] {
            assert_eq!(broken(15, text), [], "{text}");
        }
    }

    #[test]
    fn length_is_counted_in_code_points() {
        assert_eq!(broken(15, "xvq7 lmpz 3kwu"), [PasswordRule::TooShort]);
        assert_eq!(broken(15, "xvq7 lmpz 3kwué"), []);
        assert_eq!(broken(8, "xvq7lmp"), [PasswordRule::TooShort, PasswordRule::Guessable]);
    }

    #[test]
    fn common_passwords_are_refused_whatever_their_length() {
        for text in [
            "bismillahirrahmanirrahim",
            "Bismillahirrahmanirrahim",
            "1q2w3e4r5t6y7u8i9o0p",
            "akusayangkamuselamanya",
            "indonesiatanahairku",
        ] {
            assert!(broken(15, text).contains(&PasswordRule::Common), "{text}");
        }
        assert!(broken(8, "password1").contains(&PasswordRule::Common));
    }

    #[test]
    fn what_a_cracker_would_try_soon_is_refused() {
        for text in
            ["aaaaaaaaaaaaaaaaaaaa", "abcabcabcabcabcabc", "bismillah12345678", "qwertyuiop12345", "sayangsayangsayang"]
        {
            assert!(broken(15, text).contains(&PasswordRule::Guessable), "{text}");
        }
    }

    #[test]
    fn names_alone_do_not_make_a_password() {
        for text in [
            "budi.santoso2026",
            "BudiSantoso1990",
            "Kopi-Nusantara-26",
            "kopinusantara!",
            "sandisandisandisandi",
            "budi.s@kopi.example",
            "kopi.example.kopi",
            "sandi kopi budi santoso",
        ] {
            assert!(broken(8, text).contains(&PasswordRule::ContextWord), "{text}");
        }
    }

    #[test]
    fn names_beside_enough_else_are_allowed() {
        for text in ["kopi-susu-gula-aren", "budi menanam 12 pohon", "xvq7lmpz3kwu"] {
            assert!(!broken(8, text).contains(&PasswordRule::ContextWord), "{text}");
        }
    }

    #[test]
    fn what_is_left_of_a_word_does_not_join_its_neighbour() {
        let context = PasswordContext { username: "budi".into(), ..PasswordContext::default() };
        let words = context_words(&context);
        assert!(!leans_on("bubudidiabcd", &words), "bu, di and abcd are left");
        assert!(leans_on("xxbudixxxxx", &words));
        assert!(!leans_on("xxbudixxxxxx", &words));
    }

    #[test]
    fn one_answer_names_every_rule_that_is_broken() {
        assert_eq!(
            broken(15, "Sandi123"),
            [PasswordRule::TooShort, PasswordRule::Common, PasswordRule::Guessable, PasswordRule::ContextWord]
        );
    }

    #[test]
    fn a_password_of_the_greatest_length_is_judged_quickly() {
        let long: String = ('a'..='z').cycle().take(MAX_BYTES).collect();
        let start = std::time::Instant::now();
        broken(15, &long);
        broken(15, &"sandi ".repeat(170));
        broken(15, &"4@8({[<369&#!1/|0$5+7%2".repeat(44));
        assert!(start.elapsed() < std::time::Duration::from_secs(2));
    }

    #[test]
    fn an_organisation_may_ask_for_8_to_64_characters() {
        assert_eq!(PasswordPolicy::with_min_length(0).unwrap().min_length, 15);
        assert_eq!(PasswordPolicy::with_min_length(8).unwrap().min_length, 8);
        assert_eq!(PasswordPolicy::with_min_length(64).unwrap().max_bytes, 1024);
        for wrong in [1, 7, 65, u32::MAX] {
            assert_eq!(PasswordPolicy::with_min_length(wrong), Err(Problem::OutOfRange { min: 8, max: 64 }));
        }
    }

    #[test]
    fn every_rule_has_words_with_the_numbers_of_the_policy() {
        let policy = PasswordPolicy::with_min_length(12).unwrap();
        assert_eq!(
            PasswordRule::TooShort.text(Locale::Id, &policy),
            "Kata sandi harus paling sedikit 12 karakter. Beberapa kata biasa yang dirangkai pun boleh."
        );
        assert_eq!(PasswordRule::TooLong.text(Locale::En, &policy), "The password is too long: at most 1024 bytes.");
    }
}
