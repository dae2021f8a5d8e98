//! What can be wrong with a field of a request, and how it is said.

use std::fmt;

use super::locale::Locale;

/// What a length is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of UTF-8.
    Bytes,
    /// Unicode code points (AIP-210).
    Characters,
}

/// What is wrong with one field. A closed set: every case has words in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The message or choice that must be there is not.
    Required,
    /// There, but empty.
    Empty,
    /// Longer than allowed.
    TooLong {
        /// The greatest length that is allowed.
        limit: usize,
        /// What the limit counts.
        unit: Unit,
    },
    /// A number or a duration outside its range.
    OutOfRange {
        /// The least that is allowed.
        min: i64,
        /// The most that is allowed.
        max: i64,
    },
    /// Has control characters (line ends, NUL, escape and their kind).
    ControlCharacters,
    /// An enum number that is not in the contract, or its zero.
    UnknownValue,
    /// A path of a field mask that names no field that can be changed.
    UnknownPath,
    /// A field that the call does not take here.
    NotAllowed,
    /// No UUID.
    NotUuid,
    /// Has bytes other than printable ASCII.
    NotPrintableAscii,
    /// No username by RFC 8265.
    NotAUsername,
    /// A username with an `@` that is not the user's own address.
    NotTheOwnAddress,
    /// Not exactly one e-mail address.
    NotAnAddress,
    /// No lower-case letters, digits and hyphens.
    NotASlug,
    /// A language other than Indonesian and English.
    NotALocale,
    /// No IANA time zone.
    NotATimeZone,
    /// No URL of the allowed form.
    NotAUrl,
    /// A URL that is not https.
    NotHttps,
    /// No IPv4 or IPv6 address.
    NotAnIpAddress,
    /// Not ten characters of a support code.
    NotASupportCode,
    /// A page token that we did not give out for this list.
    NotAPageToken,
    /// A timestamp or duration outside what the protobuf type may hold.
    NotATime,
    /// A body that does not decode.
    NotDecodable,
}

impl Problem {
    /// What a program reads: stands in `BadRequest.FieldViolation.reason`; stable.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Required => "REQUIRED",
            Self::Empty => "EMPTY",
            Self::TooLong { .. } => "TOO_LONG",
            Self::OutOfRange { .. } => "OUT_OF_RANGE",
            Self::ControlCharacters => "CONTROL_CHARACTERS",
            Self::UnknownValue | Self::NotALocale | Self::NotATimeZone => "UNKNOWN_VALUE",
            Self::UnknownPath => "UNKNOWN_PATH",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::NotTheOwnAddress => "NOT_THE_OWN_ADDRESS",
            Self::NotHttps => "NOT_HTTPS",
            Self::NotUuid
            | Self::NotPrintableAscii
            | Self::NotAUsername
            | Self::NotAnAddress
            | Self::NotASlug
            | Self::NotAUrl
            | Self::NotAnIpAddress
            | Self::NotASupportCode
            | Self::NotAPageToken
            | Self::NotATime
            | Self::NotDecodable => "MALFORMED",
        }
    }

    /// What a person reads.
    pub fn text(self, locale: Locale) -> String {
        match self {
            Self::TooLong { limit, unit } => {
                let unit = match unit {
                    Unit::Bytes => locale.pick("byte", "bytes"),
                    Unit::Characters => locale.pick("karakter", "characters"),
                };
                match locale {
                    Locale::Id => format!("paling panjang {limit} {unit}"),
                    Locale::En => format!("must be at most {limit} {unit}"),
                }
            }
            Self::OutOfRange { min, max } => match locale {
                Locale::Id => format!("harus antara {min} dan {max}"),
                Locale::En => format!("must be from {min} to {max}"),
            },
            plain => plain.plain_text(locale).into(),
        }
    }

    fn plain_text(self, locale: Locale) -> &'static str {
        let (id, en) = match self {
            Self::Required => ("harus ada", "must be present"),
            Self::Empty => ("tidak boleh kosong", "must not be empty"),
            Self::TooLong { .. } => ("terlalu panjang", "is too long"),
            Self::OutOfRange { .. } => ("di luar batas", "is out of range"),
            Self::ControlCharacters => ("tidak boleh memuat karakter kendali", "must not have control characters"),
            Self::UnknownValue => ("nilainya tidak dikenal", "is not a known value"),
            Self::UnknownPath => ("bukan nama bidang yang dapat diubah", "does not name a field that can be changed"),
            Self::NotAllowed => ("tidak boleh diisi di sini", "must not be set here"),
            Self::NotUuid => ("harus berupa UUID", "must be a UUID"),
            Self::NotPrintableAscii => ("hanya boleh memuat karakter ASCII yang tampak", "must be printable ASCII"),
            Self::NotAUsername => (
                "bukan nama pengguna yang sah: pakai huruf, angka, dan tanda baca tanpa spasi",
                "is not a valid username: use letters, digits and punctuation without spaces",
            ),
            Self::NotTheOwnAddress => (
                "nama pengguna yang memuat @ harus sama dengan alamat email pengguna itu sendiri",
                "a username with an @ must be the user's own e-mail address",
            ),
            Self::NotAnAddress => ("harus berupa satu alamat email", "must be one e-mail address"),
            Self::NotASlug => (
                "hanya boleh memuat huruf kecil, angka, dan tanda hubung di tengah",
                "must be lower-case letters, digits and inner hyphens",
            ),
            Self::NotALocale => ("harus id atau en", "must be id or en"),
            Self::NotATimeZone => {
                ("harus berupa zona waktu IANA, seperti Asia/Jakarta", "must be an IANA time zone such as Asia/Jakarta")
            }
            Self::NotAUrl => (
                "harus berupa URL dengan nama host, tanpa nama pengguna, kueri, dan fragmen",
                "must be a URL with a host and without user, query and fragment",
            ),
            Self::NotAnIpAddress => ("harus berupa alamat IPv4 atau IPv6", "must be an IPv4 or IPv6 address"),
            Self::NotHttps => ("harus dimulai dengan https://", "must begin with https://"),
            Self::NotASupportCode => {
                ("harus berupa kode bantuan, seperti 7KQF3-M2XAB", "must be a support code such as 7KQF3-M2XAB")
            }
            Self::NotAPageToken => ("bukan penanda halaman dari daftar ini", "is not a page token of this list"),
            Self::NotATime => ("bukan waktu atau durasi yang sah", "is not a valid time or duration"),
            Self::NotDecodable => ("isinya tidak dapat dibaca", "cannot be decoded"),
        };
        locale.pick(id, en)
    }
}

impl fmt::Display for Problem {
    /// The English words, for the commands an operator types.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Locale::En))
    }
}

impl std::error::Error for Problem {}

/// One bad field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field as in the contract, such as `user.username`.
    pub field: String,
    /// What is wrong with it.
    pub problem: Problem,
}

impl Violation {
    /// What a program reads.
    pub fn reason(&self) -> &'static str {
        self.problem.reason()
    }

    /// What a developer reads: always English.
    pub fn description(&self) -> String {
        self.problem.text(Locale::En)
    }

    /// What a person reads.
    pub fn text(&self, locale: Locale) -> String {
        self.problem.text(locale)
    }
}

/// Collects every bad field of a request, so that one answer names them all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps the value, or notes what is wrong with the field.
    pub fn field<T>(&mut self, name: &str, result: Result<T, Problem>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problem) => {
                self.add(name, problem);
                None
            }
        }
    }

    /// Notes a bad field.
    pub fn add(&mut self, name: &str, problem: Problem) {
        self.0.push(Violation { field: name.into(), problem });
    }

    /// Whether no field is bad so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bad fields, in the order they were found.
    pub fn as_slice(&self) -> &[Violation] {
        &self.0
    }

    /// Ends the collection.
    ///
    /// # Errors
    /// The collection itself, if any field was bad.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl IntoIterator for Violations {
    type Item = Violation;
    type IntoIter = std::vec::IntoIter<Violation>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Violation> for Violations {
    fn from(violation: Violation) -> Self {
        Self(vec![violation])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_field_is_named_at_once() {
        let mut violations = Violations::new();
        assert_eq!(violations.field("a", Ok(1)), Some(1));
        assert_eq!(violations.field::<u8>("b", Err(Problem::Empty)), None);
        assert_eq!(violations.field::<u8>("c", Err(Problem::NotUuid)), None);
        let fields: Vec<_> =
            violations.into_result().unwrap_err().into_iter().map(|v| (v.field.clone(), v.reason())).collect();
        assert_eq!(fields, [("b".to_owned(), "EMPTY"), ("c".to_owned(), "MALFORMED")]);
    }

    #[test]
    fn nothing_bad_is_no_error() {
        assert_eq!(Violations::new().into_result(), Ok(()));
    }

    #[test]
    fn limits_are_said_in_both_languages() {
        let problem = Problem::TooLong { limit: 256, unit: Unit::Bytes };
        assert_eq!(problem.text(Locale::En), "must be at most 256 bytes");
        assert_eq!(problem.text(Locale::Id), "paling panjang 256 byte");
        let problem = Problem::TooLong { limit: 200, unit: Unit::Characters };
        assert_eq!(problem.text(Locale::Id), "paling panjang 200 karakter");
        let problem = Problem::OutOfRange { min: 8, max: 128 };
        assert_eq!(problem.to_string(), "must be from 8 to 128");
        assert_eq!(problem.text(Locale::Id), "harus antara 8 dan 128");
    }
}
