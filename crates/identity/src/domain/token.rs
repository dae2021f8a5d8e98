//! The token in a link.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

/// Random bytes of a token: 256 bits (ASVS 7.2.3 asks for 128).
pub const BYTES: usize = 32;
/// Characters of a token: base64url without padding (RFC 4648 section 5).
pub const CHARACTERS: usize = 43;

/// A token in clear. It never prints, and is wiped when dropped.
#[derive(ZeroizeOnDrop)]
pub struct ResetToken([u8; BYTES]);

/// SHA-256 of a token's text: all that is stored. Unsalted, because 256 random bits cannot be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenDigest(pub [u8; 32]);

impl ResetToken {
    /// Makes a new one from a source of randomness.
    pub fn generate(fill: &dyn Fn(&mut [u8])) -> Self {
        let mut bytes = [0; BYTES];
        fill(&mut bytes);
        let token = Self(bytes);
        bytes.zeroize();
        token
    }

    /// Reads the text of a token; `None`: it cannot be one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != CHARACTERS {
            return None;
        }
        // A slice, not a Vec: what is decoded must not stay on the heap.
        let mut bytes = [0; BYTES];
        let decoded = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes);
        let token = (decoded == Ok(BYTES)).then(|| Self(bytes));
        bytes.zeroize();
        token
    }

    /// What is stored and looked up.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.text().as_bytes()).into())
    }

    /// The link for a mail: the base, with or without a slash at its end, `/reset#` and the token.
    /// The token stands in the fragment, so that no server logs it and no scanner spends it.
    pub fn link(&self, link_base: &str) -> Zeroizing<String> {
        let base = link_base.trim_end_matches('/');
        let mut link = Zeroizing::new(String::with_capacity(base.len() + "/reset#".len() + CHARACTERS));
        link.push_str(base);
        link.push_str("/reset#");
        link.push_str(&self.text());
        link
    }

    /// The 43 characters.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(CHARACTERS + 1));
        URL_SAFE_NO_PAD.encode_string(self.0, &mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(bytes: &mut [u8]) {
        for (value, byte) in (0..).zip(bytes) {
            *byte = value;
        }
    }

    #[test]
    fn a_token_is_43_characters_of_base64url() {
        let token = ResetToken::generate(&counting);
        assert_eq!(*token.text(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        assert_eq!(token.text().len(), CHARACTERS);
    }

    #[test]
    fn what_was_sent_is_found_again_by_its_digest() {
        let token = ResetToken::generate(&counting);
        let read = ResetToken::parse(&token.text()).unwrap();
        assert_eq!(read.digest(), token.digest());
        let hex: String = token.digest().0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "ea866a757e4c38babfa8127cbe9a409d3e1f93a00ff1488ff735fcf917afffd0");
    }

    #[test]
    fn what_cannot_be_ours_is_no_token() {
        let text = ResetToken::generate(&counting).text();
        let padded = format!("{}=", *text);
        let spaced = format!(" {}", &text[1..]);
        let standard = format!("+/{}", &text[2..]);
        // The last character has bits to spare: one text a token, or a digest could be missed.
        let slack = format!("{}9", &text[..42]);
        for wrong in
            ["", "x", &text[..42], padded.as_str(), &spaced, &standard, &slack, &"é".repeat(22), &"\0".repeat(43)]
        {
            assert!(ResetToken::parse(wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn the_token_stands_in_the_fragment_of_the_link() {
        let token = ResetToken::generate(&counting);
        let text = token.text();
        for base in ["https://crm.example", "https://crm.example/"] {
            assert_eq!(*token.link(base), format!("https://crm.example/reset#{}", *text));
        }
        assert_eq!(*token.link("https://crm.example/kopi"), format!("https://crm.example/kopi/reset#{}", *text));
    }

    #[test]
    fn a_token_never_ends_in_a_character_that_mail_clients_drop() {
        for last in 0..=u8::MAX {
            let token = ResetToken::generate(&|bytes: &mut [u8]| bytes.fill(last));
            assert!(token.text().ends_with(|end: char| end.is_ascii_alphanumeric()));
        }
    }
}
