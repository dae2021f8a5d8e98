//! Random passwords and tokens for things that live as long as a demo or a test run.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Random bytes from the system.
#[expect(clippy::disallowed_methods, reason = "what stands around the programs has no randomness to inject")]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// 256 random bits as 43 characters of base64url: fit for a URL, a shell and a settings file without quoting.
pub fn secret() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// `N` random bytes as lower-case hexadecimal digits.
pub fn hex<const N: usize>() -> String {
    bytes::<N>().iter().map(|byte| format!("{byte:02x}")).collect()
}
