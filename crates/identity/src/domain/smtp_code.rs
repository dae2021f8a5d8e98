//! Enhanced status codes of mail servers (RFC 3463) in plain words.

use super::locale::Locale;

/// What a code means for a person; codes we have no words for by their class.
pub fn meaning(enhanced_code: &str, locale: Locale) -> &'static str {
    let (id, en) = match enhanced_code.split_once('.').map_or("", |(_, detail)| detail) {
        "1.1" | "1.0" => ("kotak surat itu tidak ada", "there is no such mailbox"),
        "1.2" => ("domain alamat itu tidak ada", "the domain of the address does not exist"),
        "1.3" => ("alamat itu tidak sah", "the address is not valid"),
        "1.6" => ("kotak surat itu sudah pindah", "the mailbox has moved"),
        "1.10" => ("domain itu tidak menerima email", "the domain accepts no mail"),
        "2.1" => ("kotak surat itu dinonaktifkan", "the mailbox is disabled"),
        "2.2" => ("kotak surat itu penuh", "the mailbox is full"),
        "2.3" | "3.4" => ("email itu terlalu besar untuk kotak suratnya", "the mail is too large for the mailbox"),
        "4.1" => ("server email penerima tidak menjawab", "the recipient's mail server does not answer"),
        "4.4" => ("server email untuk domain itu tidak ditemukan", "no mail server was found for the domain"),
        "4.7" => ("email itu terlalu lama di perjalanan", "the mail was on its way for too long"),
        "6.7" => (
            "server email penerima tidak menerima huruf dalam alamat itu",
            "the mail server does not take the letters of the address",
        ),
        detail => match detail.split('.').next().unwrap_or("") {
            "1" => ("server email menolak alamat itu", "the mail server refuses the address"),
            "2" => ("ada masalah pada kotak surat penerima", "there is a problem with the mailbox"),
            "3" => ("server email penerima sedang bermasalah", "the recipient's mail server has a problem"),
            "4" => (
                "ada gangguan jaringan di jalan ke server email penerima",
                "there is a network problem on the way to the mail server",
            ),
            "5" => ("server email tidak memahami pengiriman itu", "the mail server did not understand the delivery"),
            "6" => (
                "server email tidak dapat membaca isi email itu",
                "the mail server cannot read the content of the mail",
            ),
            "7" => (
                "server email menolak pengirim atau isi email itu",
                "the mail server refuses the sender or the content",
            ),
            _ => ("server email tidak memberikan alasan", "the mail server gave no reason"),
        },
    };
    locale.pick(id, en)
}

/// The code with its meaning: `5.1.1: there is no such mailbox`.
pub fn explained(enhanced_code: &str, locale: Locale) -> String {
    let meaning = meaning(enhanced_code, locale);
    if enhanced_code.is_empty() { meaning.into() } else { format!("{enhanced_code}: {meaning}") }
}

/// Whether a code says that the address itself is wrong: 5.1.x and 5.2.1 alone mark an address
/// undeliverable; 5.7.x is about us as often as about the recipient.
pub fn condemns_address(enhanced_code: &str) -> bool {
    enhanced_code.starts_with("5.1.") || enhanced_code == "5.2.1"
}

/// Whether a code says that the mailbox is full.
pub fn is_full_mailbox(enhanced_code: &str) -> bool {
    enhanced_code.ends_with(".2.2")
}

/// Whether a code is about policy: the sender, the content, a block list.
pub fn is_policy(enhanced_code: &str) -> bool {
    enhanced_code.split('.').nth(1) == Some("7")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_plain_words() {
        assert_eq!(explained("5.1.1", Locale::En), "5.1.1: there is no such mailbox");
        assert_eq!(explained("5.1.1", Locale::Id), "5.1.1: kotak surat itu tidak ada");
        assert_eq!(explained("5.1.2", Locale::En), "5.1.2: the domain of the address does not exist");
        assert_eq!(explained("5.2.1", Locale::En), "5.2.1: the mailbox is disabled");
        assert_eq!(explained("4.2.2", Locale::En), "4.2.2: the mailbox is full");
    }

    #[test]
    fn codes_without_words_of_their_own_are_named_by_class() {
        assert_eq!(meaning("5.7.26", Locale::En), "the mail server refuses the sender or the content");
        assert_eq!(meaning("4.4.99", Locale::Id), "ada gangguan jaringan di jalan ke server email penerima");
        for strange in ["", "5", "5.", "5.9.9", "x.y.z", "5.0.0"] {
            assert_eq!(meaning(strange, Locale::En), "the mail server gave no reason", "{strange}");
        }
        assert_eq!(explained("", Locale::En), "the mail server gave no reason");
    }

    #[test]
    fn only_codes_about_the_address_condemn_it() {
        for code in ["5.1.0", "5.1.1", "5.1.2", "5.1.10", "5.2.1"] {
            assert!(condemns_address(code), "{code}");
        }
        for code in ["", "4.1.1", "5.2.2", "5.2.10", "5.7.1", "5.10.1", "15.1.1", "5.4.4"] {
            assert!(!condemns_address(code), "{code}");
        }
    }
}
