//! Answers of mail servers, so that lettre can read them. It wants UTF-8, CRLF, lines that are not long, a text behind each
//! code, and codes whose second digit is 0 to 5; servers send other letters, bare line feeds, long lines, bare codes (RFC
//! 5321, 4.2.1, asks clients to take those), and codes such as 571, whose first digit says enough (4.3.2). Else a refusal
//! would be no refusal, and after the final dot a mail that was taken would be in doubt.

/// Mends what comes in piece by piece.
#[derive(Debug, Default)]
pub(super) struct Mend {
    /// Bytes of the line so far.
    column: usize,
    /// Whether the last one was a carriage return.
    returned: bool,
}

/// Digits of a code.
const CODE: usize = 3;
/// Longest line (RFC 5321, 4.5.3.1.5); lettre stops at 1,000.
const LINE: usize = 510;

impl Mend {
    /// Adds to `mended` what `heard` means.
    pub(super) fn mend(&mut self, heard: &[u8], mended: &mut Vec<u8>) {
        for &byte in heard {
            let ends = matches!(byte, b'\r' | b'\n');
            if ends && self.column == CODE {
                mended.extend_from_slice(b" -");
            }
            if byte == b'\n' && !self.returned {
                mended.push(b'\r');
            }
            match byte {
                b'6'..=b'9' if self.column == 1 => mended.push(b'0'),
                _ if !ends && self.column >= LINE => {}
                _ => mended.push(if byte.is_ascii() { byte } else { b'?' }),
            }
            self.returned = byte == b'\r';
            self.column = if byte == b'\n' { 0 } else { self.column + 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(b"250 2.0.0 ok\r\n", "250 2.0.0 ok\r\n")]
    #[case(b"250\r\n", "250 -\r\n")]
    #[case(b"250\n", "250 -\r\n")]
    #[case(b"250-one\n250\n", "250-one\r\n250 -\r\n")]
    #[case(b"250-\r\n250-two\r\n250\r\n", "250-\r\n250-two\r\n250 -\r\n")]
    #[case(b"250 gr\xfc\xdfe \xe4\xbf\xa1\r\n", "250 gr??e ???\r\n")]
    #[case(b"250 \r\n", "250 \r\n")]
    #[case(b"571 5.7.1 no\r\n", "501 5.7.1 no\r\n")]
    #[case(b"\r\n", "\r\n")]
    fn an_answer_is_made_readable_in_whatever_pieces_it_comes(#[case] heard: &[u8], #[case] expected: &str) {
        for size in 1..=heard.len() {
            let (mut mend, mut mended) = (Mend::default(), Vec::new());
            heard.chunks(size).for_each(|piece| mend.mend(piece, &mut mended));
            assert_eq!(String::from_utf8(mended).unwrap(), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn the_rest_of_a_long_line_is_left_out() {
        let mut mended = Vec::new();
        let line = format!("250 {}\r\n250 next\r\n", "x".repeat(60_000));
        Mend::default().mend(line.as_bytes(), &mut mended);
        assert_eq!(mended.len(), LINE + 2 + "250 next\r\n".len());
        assert!(mended.ends_with(b"xx\r\n250 next\r\n"));
    }
}
