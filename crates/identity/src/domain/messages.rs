//! What a person reads when a call fails: `LocalizedMessage`, for every reason of the contract.

use std::time::Duration;

use super::locale::Locale;
use super::moment::wait;

macro_rules! reasons {
    ($($(#[$doc:meta])* $case:ident => $name:literal,)*) => {
        /// Why a call failed: `sandi.identity.v1.ErrorReason`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $case,)*
        }

        impl Reason {
            /// Every reason, by number from 1.
            pub const ALL: &[Self] = &[$(Self::$case),*];

            /// The name in `ErrorInfo.reason`: the enum's without its prefix.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$case => $name,)*
                }
            }
        }
    };
}

reasons! {
    /// A malformed field or body.
    FieldInvalid => "FIELD_INVALID",
    /// The token is wrong, used, expired or revoked.
    ResetTokenInvalid => "RESET_TOKEN_INVALID",
    /// The new password breaks a rule.
    PasswordRejected => "PASSWORD_REJECTED",
    /// The confirmation is not the new password.
    ConfirmationMismatch => "CONFIRMATION_MISMATCH",
    /// The current password, or name and password, are wrong.
    PasswordMismatch => "PASSWORD_MISMATCH",
    /// No such caller.
    CallerUnknown => "CALLER_UNKNOWN",
    /// The caller may not do this.
    ScopeMissing => "SCOPE_MISSING",
    /// The actor is not proven, not there or not active.
    ActorInvalid => "ACTOR_INVALID",
    /// The actor may not do this.
    ActorNotAllowed => "ACTOR_NOT_ALLOWED",
    /// No such user, or not of this organisation.
    UserNotFound => "USER_NOT_FOUND",
    /// No such organisation, or not the actor's.
    OrganizationNotFound => "ORGANIZATION_NOT_FOUND",
    /// No such reset, or not of this organisation.
    ResetNotFound => "RESET_NOT_FOUND",
    /// The user is disabled.
    UserDisabled => "USER_DISABLED",
    /// Another user has this name.
    UsernameTaken => "USERNAME_TAKEN",
    /// Another organisation has this slug.
    SlugTaken => "SLUG_TAKEN",
    /// Too many calls or wrong passwords.
    RateLimited => "RATE_LIMITED",
    /// No hasher free in time.
    HasherBusy => "HASHER_BUSY",
    /// The database is away.
    DependencyUnavailable => "DEPENDENCY_UNAVAILABLE",
    /// The idempotency key was used for another request.
    IdempotencyMismatch => "IDEMPOTENCY_MISMATCH",
    /// Not done in time.
    DeadlineExceeded => "DEADLINE_EXCEEDED",
    /// Our own fault.
    Internal => "INTERNAL",
    /// The organisation would be left without an owner.
    LastOwner => "LAST_OWNER",
    /// The link is over already.
    ResetEnded => "RESET_ENDED",
    /// No such method.
    MethodUnknown => "METHOD_UNKNOWN",
    /// The message is too large.
    MessageTooLarge => "MESSAGE_TOO_LARGE",
}

/// The words for a reason. `retry_after` is said where waiting helps: with [`Reason::RateLimited`],
/// [`Reason::HasherBusy`] and [`Reason::DependencyUnavailable`].
pub fn message(reason: Reason, locale: Locale, retry_after: Option<Duration>) -> String {
    let (id, en) = words(reason);
    let text = locale.pick(id, en);
    match (waiting(reason), retry_after) {
        (true, Some(duration)) => {
            let wait = wait(duration, locale);
            match locale {
                Locale::Id => format!("{text} Silakan coba lagi dalam {wait}."),
                Locale::En => format!("{text} Please try again in {wait}."),
            }
        }
        (true, None) => {
            format!("{text} {}", locale.pick("Silakan coba lagi sebentar lagi.", "Please try again in a moment."))
        }
        (false, _) => text.into(),
    }
}

fn waiting(reason: Reason) -> bool {
    matches!(reason, Reason::RateLimited | Reason::HasherBusy | Reason::DependencyUnavailable)
}

/// Indonesian and English.
fn words(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::FieldInvalid => (
            "Ada isian yang belum benar. Periksa kembali, lalu coba lagi.",
            "Something that was filled in is not right. Please check it and try again.",
        ),
        Reason::ResetTokenInvalid => (
            "Tautan ini tidak berlaku lagi atau sudah dipakai. Silakan minta tautan baru.",
            "This link is no longer valid or has been used. Please ask for a new one.",
        ),
        Reason::PasswordRejected => (
            "Kata sandi baru ini belum cukup kuat. Silakan pilih yang lain.",
            "This new password is not strong enough. Please choose another.",
        ),
        Reason::ConfirmationMismatch => (
            "Kedua kata sandi baru tidak sama. Silakan ketik ulang.",
            "The two new passwords are not the same. Please type them again.",
        ),
        Reason::PasswordMismatch => (
            "Kata sandi tidak cocok. Periksa kembali yang Anda ketik, lalu coba lagi.",
            "The password does not match. Please check what you typed and try again.",
        ),
        Reason::CallerUnknown => {
            ("Layanan yang meminta ini tidak dikenal.", "The service that asked for this is not known.")
        }
        Reason::ScopeMissing => {
            ("Layanan yang meminta ini tidak memiliki izin.", "The service that asked for this is not permitted to.")
        }
        Reason::ActorInvalid => (
            "Kami tidak dapat memastikan siapa Anda. Silakan masuk kembali.",
            "We could not tell who you are. Please log in again.",
        ),
        Reason::ActorNotAllowed => (
            "Anda tidak memiliki izin untuk melakukan ini. Hubungi admin organisasi Anda.",
            "You are not permitted to do this. Please ask your administrator.",
        ),
        Reason::UserNotFound => ("Pengguna ini tidak ditemukan.", "There is no such user."),
        Reason::OrganizationNotFound => ("Organisasi ini tidak ditemukan.", "There is no such organisation."),
        Reason::ResetNotFound => ("Permintaan atur ulang ini tidak ditemukan.", "There is no such reset."),
        Reason::UserDisabled => (
            "Pengguna ini dinonaktifkan. Aktifkan dahulu, lalu kirim tautannya.",
            "This user is disabled. Enable the user first, then send the link.",
        ),
        Reason::UsernameTaken => (
            "Nama pengguna ini sudah dipakai. Silakan pilih yang lain.",
            "This user name is taken. Please choose another.",
        ),
        Reason::SlugTaken => (
            "Nama singkat organisasi ini sudah dipakai. Silakan pilih yang lain.",
            "This short name of an organisation is taken. Please choose another.",
        ),
        Reason::RateLimited => ("Terlalu banyak percobaan.", "There were too many attempts."),
        Reason::HasherBusy => ("Layanan sedang sangat sibuk.", "The service is very busy."),
        Reason::DependencyUnavailable => {
            ("Layanan sedang tidak tersedia.", "The service is not available at the moment.")
        }
        Reason::IdempotencyMismatch => (
            "Permintaan ini berbeda dari yang sebelumnya dikirim dengan kunci yang sama.",
            "This request differs from an earlier one with the same key.",
        ),
        Reason::DeadlineExceeded => (
            "Permintaan ini tidak selesai pada waktunya. Silakan coba lagi.",
            "This was not done in time. Please try again.",
        ),
        Reason::Internal => (
            "Terjadi kesalahan di pihak kami. Silakan coba lagi. Jika terulang, hubungi dukungan.",
            "Something went wrong on our side. Please try again. If it happens again, contact support.",
        ),
        Reason::LastOwner => (
            "Ini pemilik terakhir organisasi. Tunjuk pemilik lain lebih dahulu.",
            "This is the organisation's last owner. Appoint another one first.",
        ),
        Reason::ResetEnded => (
            "Tautan ini sudah berakhir, jadi tidak ada yang perlu dicabut.",
            "This link is over already; there is nothing to revoke.",
        ),
        Reason::MethodUnknown => {
            ("Layanan ini tidak mengenal permintaan itu.", "The service does not know this request.")
        }
        Reason::MessageTooLarge => ("Permintaan ini terlalu besar.", "This request is too large."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_contract_is_here_in_its_order() {
        assert_eq!(Reason::ALL.len(), 25);
        assert_eq!(Reason::ALL[0].as_str(), "FIELD_INVALID");
        assert_eq!(Reason::ALL[20].as_str(), "INTERNAL");
        assert_eq!(Reason::ALL[24].as_str(), "MESSAGE_TOO_LARGE");
    }

    #[test]
    fn every_reason_speaks_both_languages() {
        for reason in Reason::ALL {
            let (id, en) = words(*reason);
            assert_ne!(id, en);
            for text in [id, en] {
                assert!(text.ends_with('.') && !text.contains('!'), "{text}");
                assert!(text.starts_with(char::is_uppercase), "{text}");
            }
        }
    }

    #[test]
    fn indonesian_keeps_to_our_words() {
        for reason in Reason::ALL {
            let text = format!(" {} ", message(*reason, Locale::Id, None).to_lowercase());
            for wrong in
                ["silahkan", "password", "kadaluarsa", " kamu", " link ", "reset ", " login", "imel", " sandi "]
            {
                let text = text.replace("kata sandi", "");
                assert!(!text.contains(wrong), "{wrong} in {text}");
            }
        }
    }

    #[test]
    fn a_wait_is_said_where_waiting_helps() {
        let wait = Some(Duration::from_secs(30));
        assert_eq!(
            message(Reason::RateLimited, Locale::Id, wait),
            "Terlalu banyak percobaan. Silakan coba lagi dalam 30 detik."
        );
        assert_eq!(
            message(Reason::HasherBusy, Locale::En, Some(Duration::from_millis(300))),
            "The service is very busy. Please try again in 1 second."
        );
        assert_eq!(
            message(Reason::DependencyUnavailable, Locale::En, None),
            "The service is not available at the moment. Please try again in a moment."
        );
        assert_eq!(message(Reason::UserNotFound, Locale::En, wait), "There is no such user.");
    }
}
