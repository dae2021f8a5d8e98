//! What ended a link before its time.

use super::account::THEN_ASK_AGAIN;
use super::voice::{ASK_AGAIN, Step, Voice};
use super::{Explanation, ResetFacts};
use crate::domain::states::RevokeCause;

/// Its mail had gone out, or was on its way.
pub(super) fn after_sending(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let request = voice.request(reset);
    let (why_id, why_en) = why(reset.revoke_cause);
    voice.explain(
        format!("Tautan dari {request} dicabut sebelum dipakai: {why_id}."),
        format!("The link from {request} was revoked before it was used: {why_en}."),
        steps(reset.revoke_cause),
    )
}

/// Its mail was not sent any more.
pub(super) fn before_sending(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let request = voice.request(reset);
    let (why_id, why_en) = why(reset.revoke_cause);
    voice.explain(
        format!("Tautan dari {request} dicabut sebelum emailnya dikirim: {why_id}."),
        format!("The link from {request} was revoked before its mail was sent: {why_en}."),
        steps(reset.revoke_cause),
    )
}

fn why(cause: Option<RevokeCause>) -> Step {
    match cause {
        Some(RevokeCause::OtherLink) => {
            ("tautan lain sudah dipakai untuk membuat kata sandi baru", "another link was used to set a new password")
        }
        Some(RevokeCause::PasswordChanged) => {
            ("kata sandi diganti di pengaturan akun", "the password was changed in the account settings")
        }
        Some(RevokeCause::AddressChanged) => ("alamat email pengguna diganti", "the user's e-mail address was changed"),
        Some(RevokeCause::UsernameChanged) => ("nama pengguna diganti", "the user name was changed"),
        Some(RevokeCause::UserDisabled) => ("pengguna dinonaktifkan", "the user was disabled"),
        Some(RevokeCause::Admin) => ("seorang admin mencabutnya", "an administrator revoked it"),
        Some(RevokeCause::RoleRaised) => {
            ("pengguna mendapat peran yang lebih tinggi", "the user was given a higher role")
        }
        None => (
            "tautan lain sudah dipakai, kata sandi, alamat, atau nama pengguna berubah, atau seseorang mencabutnya",
            "another link was used, the password, address or user name changed, or somebody revoked it",
        ),
    }
}

fn steps(cause: Option<RevokeCause>) -> &'static [Step] {
    match cause {
        Some(RevokeCause::OtherLink | RevokeCause::PasswordChanged) => &[LOG_IN, IF_THAT_FAILS, IF_IT_WAS_NOT_THE_USER],
        Some(RevokeCause::AddressChanged) => &[(
            "Minta tautan baru: tautan itu dikirim ke alamat yang sekarang.",
            "Ask for a new link: it goes to the present address.",
        )],
        Some(RevokeCause::UsernameChanged) => &[(
            "Minta pengguna memakai nama pengguna yang sekarang, juga saat meminta tautan baru.",
            "Have the user use the present user name, also to ask for a new link.",
        )],
        // The user is active again: otherwise that would have been said instead.
        Some(RevokeCause::UserDisabled | RevokeCause::RoleRaised) => &[ASK_AGAIN],
        Some(RevokeCause::Admin) => &[
            (
                "Tanyakan kepada admin organisasi mengapa tautan itu dicabut.",
                "Ask the organisation's administrator why the link was revoked.",
            ),
            THEN_ASK_AGAIN,
        ],
        None => &[LOG_IN, IF_THAT_FAILS],
    }
}

const LOG_IN: Step = (
    "Minta pengguna mencoba masuk dengan kata sandi yang terakhir dibuat.",
    "Have the user try to log in with the password that was set last.",
);
const IF_THAT_FAILS: Step = ("Jika itu gagal, minta tautan baru.", "If that fails, ask for a new link.");
const IF_IT_WAS_NOT_THE_USER: Step = (
    "Jika pengguna tidak membuatnya sendiri, segera kirim tautan baru dari daftar pengguna dan periksa siapa yang dapat membaca emailnya.",
    "If it was not the user, send a new link from the list of users at once and find out who can read the user's mail.",
);
