//! Enhanced status codes of mail servers (RFC 3463) in plain words.

use super::locale::Locale;

/// Greylisting, or too much from us at once.
const COME_AGAIN: (&str, &str) =
    ("server email meminta kami mencoba lagi nanti", "the mail server asks us to come again later");

/// What a code means for a person; codes we have no words for by their class.
pub fn meaning(enhanced_code: &str, locale: Locale) -> &'static str {
    let (id, en) = match enhanced_code.split_once('.').map_or("", |(_, detail)| detail) {
        "1.1" | "1.0" => ("kotak surat itu tidak ada", "there is no such mailbox"),
        "1.2" => ("domain alamat itu tidak ada", "the domain of the address does not exist"),
        "1.3" => ("alamat itu tidak sah", "the address is not valid"),
        "1.6" => ("kotak surat itu sudah pindah", "the mailbox has moved"),
        "1.7" | "1.8" => ("server email menolak alamat pengirim kami", "the mail server refuses our sender's address"),
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
            "7" if enhanced_code.starts_with('4') => COME_AGAIN,
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
/// undeliverable; 5.7.x is about us as often as about the recipient, and 5.1.7 and 5.1.8 are about
/// our sender's address (RFC 3463, 3.2).
pub fn condemns_address(enhanced_code: &str) -> bool {
    enhanced_code == "5.2.1" || (enhanced_code.starts_with("5.1.") && !is_about_sender(enhanced_code))
}

fn is_about_sender(enhanced_code: &str) -> bool {
    matches!(enhanced_code, "5.1.7" | "5.1.8")
}

/// Whether an answer, or the lack of one, is about our own mail server: before the recipient is
/// named it speaks of us alone. That it asks to come again is no fault.
pub fn is_ours(code: i32, phase: &str) -> bool {
    let refused_or_silent = !(400..500).contains(&code);
    match phase {
        "tls" | "auth" => true,
        "connect" => refused_or_silent,
        "mail" => (500..600).contains(&code),
        _ => code == 530,
    }
}

/// What a mail server answered, without its text.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// SMTP reply code (RFC 5321); 0: none.
    pub code: i32,
    /// Enhanced status code (RFC 3463); may be empty.
    pub enhanced_code: String,
    /// Where in the conversation: connect, tls, auth, mail, rcpt, data, final or bounce; may be empty.
    pub phase: String,
}

impl Answer {
    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.code == 0 && self.enhanced_code.is_empty()
    }

    /// The code with its meaning; by the reply code where the server gave no enhanced one.
    pub fn explained(&self, locale: Locale) -> String {
        let (id, en) = match self.code {
            _ if !self.enhanced_code.is_empty() => return explained(&self.enhanced_code, locale),
            550 | 551 | 553 if self.phase == "rcpt" => {
                ("server email tidak menerima kotak surat itu", "the mail server does not accept the mailbox")
            }
            452 | 552 => ("kotak surat itu penuh", "the mailbox is full"),
            400..500 => COME_AGAIN,
            _ => return explained("", locale),
        };
        format!("{}: {}", self.code, locale.pick(id, en))
    }

    /// Whether it is about our own mail server.
    pub fn is_ours(&self) -> bool {
        is_ours(self.code, &self.phase)
    }

    /// Whether it says that the address is wrong, or its domain is nowhere to be found.
    pub fn is_about_address(&self) -> bool {
        let refused = self.enhanced_code.is_empty() && self.phase == "rcpt" && matches!(self.code, 550 | 551 | 553);
        condemns_address(&self.enhanced_code) || self.enhanced_code == "5.4.4" || refused
    }

    /// Whether it says that the mailbox is full.
    pub fn is_full_mailbox(&self) -> bool {
        self.enhanced_code.ends_with(".2.2") || (self.enhanced_code.is_empty() && matches!(self.code, 452 | 552))
    }

    /// Whether it is about policy: the sender, the content, a block list.
    pub fn is_policy(&self) -> bool {
        self.enhanced_code.split('.').nth(1) == Some("7") || is_about_sender(&self.enhanced_code)
    }

    /// Whether the address has letters that the mail server does not take (RFC 6531).
    pub fn needs_plain_address(&self) -> bool {
        self.enhanced_code.ends_with(".6.7")
    }
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
    fn an_answer_without_an_enhanced_code_is_read_by_its_reply_code() {
        let answer = |code, phase: &str| Answer { code, enhanced_code: String::new(), phase: phase.into() };
        for (code, phase, words) in [
            (550, "rcpt", "550: the mail server does not accept the mailbox"),
            (552, "final", "552: the mailbox is full"),
            (451, "rcpt", "451: the mail server asks us to come again later"),
            (554, "final", "the mail server gave no reason"),
            (0, "", "the mail server gave no reason"),
        ] {
            assert_eq!(answer(code, phase).explained(Locale::En), words);
        }
        assert!(answer(550, "rcpt").is_about_address() && !answer(550, "final").is_about_address());
        assert!(answer(552, "final").is_full_mailbox() && !answer(554, "final").is_full_mailbox());
    }

    #[test]
    fn what_is_said_before_the_recipient_is_named_is_about_us() {
        for (code, phase) in
            [(0, "connect"), (554, "connect"), (454, "tls"), (535, "auth"), (550, "mail"), (530, "rcpt")]
        {
            assert!(is_ours(code, phase), "{code} {phase}");
        }
        for (code, phase) in [(421, "connect"), (451, "mail"), (550, "rcpt"), (0, "data"), (0, "final"), (0, "")] {
            assert!(!is_ours(code, phase), "{code} {phase}");
        }
    }

    #[test]
    fn a_server_that_asks_to_come_again_does_not_refuse() {
        assert_eq!(meaning("4.7.1", Locale::En), "the mail server asks us to come again later");
        assert_eq!(meaning("5.7.1", Locale::En), "the mail server refuses the sender or the content");
    }

    #[test]
    fn only_codes_about_the_address_condemn_it() {
        for code in ["5.1.0", "5.1.1", "5.1.2", "5.1.10", "5.2.1"] {
            assert!(condemns_address(code), "{code}");
        }
        for code in ["", "4.1.1", "5.1.7", "5.1.8", "5.2.2", "5.2.10", "5.7.1", "5.10.1", "15.1.1", "5.4.4"] {
            assert!(!condemns_address(code), "{code}");
        }
    }
}
