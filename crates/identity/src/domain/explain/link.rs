//! What became of a link.

use super::voice::{ASK_AGAIN, SEARCH_THE_MAILBOX, Voice};
use super::{Explanation, ResetFacts};
use crate::domain::states::DeliveryState;

pub(super) fn completed(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let request = voice.request(reset);
    let used = voice.maybe_at(reset.complete_time);
    voice.explain(
        format!("Tautan dari {request} sudah dipakai {used} untuk membuat kata sandi baru."),
        format!("The link from {request} was used at {used} to set a new password."),
        &[
            ("Minta pengguna masuk dengan kata sandi yang baru.", "Have the user log in with the new password."),
            (
                "Jika pengguna tidak membuatnya sendiri, segera kirim tautan baru dari daftar pengguna dan periksa siapa yang dapat membaca emailnya.",
                "If it was not the user, send a new link from the list of users at once and find out who can read the user's mail.",
            ),
        ],
    )
}

pub(super) fn expired(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let end = voice.maybe_at(reset.expire_time);
    let address = voice.address();
    if let Some(viewed) = reset.view_time {
        let viewed = voice.at(viewed);
        return voice.explain(
            format!(
                "Tautan itu dibuka {viewed}, tetapi tidak ada kata sandi baru yang dibuat sampai tautan berakhir {end}."
            ),
            format!("The link was opened at {viewed}, but no new password was set before it ended at {end}."),
            &[
                ASK_AGAIN,
                (
                    "Minta pengguna menyelesaikannya sebelum batas waktu yang tertulis dalam email.",
                    "Have the user finish before the time that stands in the mail.",
                ),
            ],
        );
    }
    let (id, en) = match reset.delivery {
        DeliveryState::Unknown => (
            format!("Tidak pasti apakah email sampai di {address}; tautannya tidak dibuka sampai berakhir {end}."),
            format!(
                "It is not certain that the mail reached {address}; its link was not opened before it ended at {end}."
            ),
        ),
        _ => (
            format!(
                "Server email menerima email untuk {address}, tetapi tautannya tidak dibuka sampai berakhir {end}."
            ),
            format!(
                "The mail server accepted the mail to {address}, but its link was not opened before it ended at {end}."
            ),
        ),
    };
    voice.explain(
        id,
        en,
        &[
            ASK_AGAIN,
            SEARCH_THE_MAILBOX,
            (
                "Pastikan bahwa alamat itu milik pengguna. Tautan yang dikirim admin berlaku lebih lama.",
                "Make sure that the address is the user's. A link that an administrator sends lives longer.",
            ),
        ],
    )
}
