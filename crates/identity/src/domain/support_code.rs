//! The code in a mail's footer that people read out to support.

use std::fmt;

use super::violation::Problem;

/// Crockford's base 32: no I, L, O, U, so that a code survives being read out.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHARACTERS: usize = 10;
const GROUP: usize = 5;

/// Ten characters in two groups, such as `7KQF3-M2XAB`: 50 bits, one a mail. It names, it does not prove.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SupportCode(String);

impl SupportCode {
    /// Makes a new one from a source of randomness.
    pub fn generate(fill: &dyn Fn(&mut [u8])) -> Self {
        let mut bytes = [0; CHARACTERS];
        fill(&mut bytes);
        // 256 is a multiple of 32: the remainder favours no character.
        Self::from_values(bytes.map(|byte| byte % 32))
    }

    /// The code of something that has an id already: the short form of a UUID version 7, from its random part.
    pub fn of_id(id: &[u8; 16]) -> Self {
        let mut values = [0; CHARACTERS];
        for (value, byte) in values.iter_mut().zip(&id[16 - CHARACTERS..]) {
            *value = byte % 32;
        }
        Self::from_values(values)
    }

    /// Reads what somebody typed: case, spaces and hyphens do not matter, O is 0, I and L are 1.
    ///
    /// # Errors
    /// [`Problem::Empty`] or [`Problem::NotASupportCode`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.trim().is_empty() {
            return Err(Problem::Empty);
        }
        let mut values = [0; CHARACTERS];
        let mut count = 0;
        for character in text.chars().filter(|character| !matches!(character, ' ' | '-')) {
            let value = value_of(character).ok_or(Problem::NotASupportCode)?;
            *values.get_mut(count).ok_or(Problem::NotASupportCode)? = value;
            count += 1;
        }
        if count == CHARACTERS { Ok(Self::from_values(values)) } else { Err(Problem::NotASupportCode) }
    }

    fn from_values(values: [u8; CHARACTERS]) -> Self {
        let mut code = String::with_capacity(CHARACTERS + 1);
        for (position, value) in values.into_iter().enumerate() {
            if position == GROUP {
                code.push('-');
            }
            code.push(char::from(ALPHABET[usize::from(value)]));
        }
        Self(code)
    }

    /// The code with its hyphen, as stored and as printed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn value_of(character: char) -> Option<u8> {
    let character = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let position = ALPHABET.iter().position(|symbol| char::from(*symbol) == character)?;
    u8::try_from(position).ok()
}

impl fmt::Display for SupportCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_two_groups_of_five() {
        let code =
            SupportCode::generate(&|bytes: &mut [u8]| bytes.copy_from_slice(&[7, 19, 23, 47, 3, 32, 28, 31, 10, 255]));
        assert_eq!(code.as_str(), "7KQF3-0WZAZ");
        assert_eq!(code.to_string(), "7KQF3-0WZAZ");
    }

    #[test]
    fn what_people_type_is_read_kindly() {
        let code = SupportCode::parse("7KQF3-M2X01").unwrap();
        for typed in
            ["7kqf3-m2x01", " 7KQF3 M2X01 ", "7KQF3M2X01", "7kqf3-m2xoi", "7KQF3-M2XOL", "7 K Q F 3 - M 2 X 0 1"]
        {
            assert_eq!(SupportCode::parse(typed).as_ref(), Ok(&code), "{typed}");
        }
    }

    #[test]
    fn anything_else_is_no_code() {
        for typed in ["7KQF3-M2XA", "7KQF3-M2XABC", "7KQF3-M2XAU", "7KQF3_M2XAB", "7KQF3-M2XA\0", "é", "-----"] {
            assert_eq!(SupportCode::parse(typed), Err(Problem::NotASupportCode), "{typed:?}");
        }
        assert_eq!(SupportCode::parse(""), Err(Problem::Empty));
        assert_eq!(SupportCode::parse("  "), Err(Problem::Empty));
    }

    #[test]
    fn every_value_of_a_byte_gives_a_code_that_reads_back() {
        for value in 0..=u8::MAX {
            let code = SupportCode::generate(&|bytes: &mut [u8]| bytes.fill(value));
            assert_eq!(SupportCode::parse(code.as_str()), Ok(code));
        }
    }
}
