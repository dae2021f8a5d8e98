//! The forms in which a secret may stand somewhere.

use std::fmt::Write as _;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

/// Every form of `secret`, by name. The first is the secret itself.
pub fn of(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![("raw", secret.to_vec())];
    for start in 0..3 {
        forms.push(("base64", inside_base64(&STANDARD_NO_PAD, secret, start)));
        forms.push(("base64url", inside_base64(&URL_SAFE_NO_PAD, secret, start)));
    }
    let bytes = |form: &dyn Fn(&mut String, u8)| {
        let mut text = String::new();
        secret.iter().for_each(|byte| form(&mut text, *byte));
        text.into_bytes()
    };
    let each = |name, form: &dyn Fn(u8) -> String| (name, bytes(&|text, byte| text.push_str(&form(byte))));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    forms.extend([
        each("hex", &|byte| format!("{byte:02x}")),
        each("hex", &|byte| format!("{byte:02X}")),
        each("hex with spaces", &|byte| format!("{byte:02x} ")),
        each("percent", &|byte| format!("%{byte:02X}")),
        each("percent", &|byte| format!("%{byte:02x}")),
        each("percent", &|byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") }),
        each("percent", &|byte| match byte {
            b' ' => "+".into(),
            byte if plain(byte) => char::from(byte).into(),
            byte => format!("%{byte:02X}"),
        }),
        each("quoted-printable", &|byte| format!("={byte:02X}")),
        each("quoted-printable", &|byte| match byte {
            b' '..=b'<' | b'>'..=b'~' => char::from(byte).into(),
            byte => format!("={byte:02X}"),
        }),
        each("escaped bytes", &|byte| format!("\\x{byte:02x}")),
        each("octal", &|byte| format!("\\{byte:03o}")),
        each("list of bytes", &|byte| format!("{byte}, ")),
        each("list of bytes", &|byte| format!("{byte},")),
        each("list of bytes", &|byte| format!("{byte} ")),
    ]);
    if let Ok(text) = std::str::from_utf8(secret) {
        forms.extend(of_text(text));
    }
    // Lists end in a separator that the last element lacks.
    for (_, form) in &mut forms[1..] {
        while form.last().is_some_and(|last| b", ".contains(last)) {
            form.pop();
        }
    }
    forms
}

fn of_text(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let json = serde_json::to_string(text).expect("text can be written as JSON");
    let mut escaped = String::new();
    for unit in text.encode_utf16() {
        let _ = write!(escaped, "\\u{unit:04x}");
    }
    let mut ascii = String::new();
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if (b' '..=b'~').contains(&byte) => ascii.push(char::from(byte)),
            _ => {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    vec![
        ("JSON", json[1..json.len() - 1].to_owned().into_bytes()),
        ("JSON", escaped.to_uppercase().replace("\\U", "\\u").into_bytes()),
        ("JSON", escaped.into_bytes()),
        ("JSON", ascii.into_bytes()),
        ("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16", text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ]
}

/// What of the base64 of a longer text depends on the secret alone, when the secret begins `start` bytes after a
/// multiple of three.
fn inside_base64(engine: &impl Engine, secret: &[u8], start: usize) -> Vec<u8> {
    let encoded = engine.encode([&[0; 2][..start], secret].concat()).into_bytes();
    let (first, last) = ((start * 8).div_ceil(6), (start + secret.len()) * 8 / 6);
    encoded[first..last].to_vec()
}
