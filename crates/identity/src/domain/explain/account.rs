//! What stands in the way at the account itself.

use super::voice::{Step, Voice};
use super::{AccountFacts, AddressFacts, Explanation, ResetFacts};
use crate::domain::smtp_code;
use crate::domain::states::{DeliveryState, LinkState};

pub(super) fn none(voice: Voice<'_>) -> Explanation {
    voice.explain(
        "Tidak ada akun dengan nama pengguna ini.".into(),
        "There is no account with this user name.".into(),
        FIND_THE_NAME,
    )
}

pub(super) fn none_for_request(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let at = voice.at(reset.request_time);
    voice.explain(
        format!(
            "Yang diketik {at} bukan nama pengguna atau alamat email akun mana pun, jadi tidak ada email yang dikirim."
        ),
        format!(
            "What was typed at {at} is neither the user name nor the e-mail address of any account, so no mail was sent."
        ),
        FIND_THE_NAME,
    )
}

const FIND_THE_NAME: &[Step] = &[
    (
        "Periksa ejaannya. Huruf besar dan kecil tidak dibedakan; spasi tidak boleh ada.",
        "Check the spelling. Upper and lower case do not matter; there must be no spaces.",
    ),
    (
        "Admin organisasi dapat menemukan nama pengguna itu dalam daftar pengguna.",
        "The organisation's administrator finds the user name in the list of users.",
    ),
    (
        "Pengguna juga dapat mengetik alamat emailnya: satu email lalu menyebutkan semua akun pada alamat itu.",
        "The user can also type the e-mail address: one mail then names every account on it.",
    ),
];

pub(super) fn disabled(voice: Voice<'_>) -> Explanation {
    voice.explain(
        "Pengguna ini dinonaktifkan, jadi tidak ada tautan yang dikirim dan tautan lama tidak berlaku.".into(),
        "This user is disabled, so no link is sent and older links do not work.".into(),
        &[
            (
                "Jika pengguna memang boleh masuk, minta admin organisasi mengaktifkannya, atau aktifkan sendiri dengan menyebutkan alasan.",
                "If the user should be able to log in, have the organisation's administrator enable the user, or do it yourself and give the reason.",
            ),
            ("Setelah itu, minta tautan baru.", "Then ask for a new link."),
        ],
    )
}

pub(super) fn suspended(voice: Voice<'_>) -> Explanation {
    voice.explain(
        "Organisasi pengguna ini sedang dibekukan, jadi tidak ada tautan yang dikirim kepada penggunanya.".into(),
        "This user's organisation is suspended, so no links are sent to its users.".into(),
        &[
            (
                "Tanyakan kepada pengelola CRM mengapa organisasi ini dibekukan.",
                "Ask those who run the CRM why the organisation is suspended.",
            ),
            (
                "Setelah organisasi aktif lagi, minta tautan baru.",
                "Once the organisation is active again, ask for a new link.",
            ),
        ],
    )
}

pub(super) fn without_address(voice: Voice<'_>, newest: Option<&ResetFacts>) -> Explanation {
    let (mut id, mut en) = (
        "Pengguna ini tidak memiliki alamat email, jadi tautan tidak dapat dikirim.".to_owned(),
        "This user has no e-mail address on file, so no link can be sent.".to_owned(),
    );
    if let Some(reset) = newest.filter(|reset| reset.delivery == DeliveryState::NotSent) {
        let request = voice.request(reset);
        id.push_str(&format!(" Untuk {request} tidak ada email."));
        en.push_str(&format!(" For {request} there was no mail."));
    }
    voice.explain(id, en, &[
        (
            "Minta admin organisasi mencatat alamat email pengguna, atau catat sendiri dengan menyebutkan alasan.",
            "Have the organisation's administrator enter the user's e-mail address, or enter it yourself and give the reason.",
        ),
        (
            "Setelah itu, minta tautan baru, atau kirim dari daftar pengguna.",
            "Then ask for a new link, or send one from the list of users.",
        ),
    ])
}

pub(super) fn never_asked(voice: Voice<'_>) -> Explanation {
    voice.explain(
        "Tidak ada permintaan atur ulang kata sandi yang tercatat untuk akun ini.".into(),
        "No password reset is on record for this account.".into(),
        &[
            (
                "Tanyakan apa yang diketik pengguna di halaman masuk: mungkin nama pengguna lain.",
                "Ask what the user typed on the login page: it may have been another user name.",
            ),
            (
                "Minta pengguna mencoba lagi dengan nama pengguna ini, atau kirim tautan dari daftar pengguna.",
                "Have the user try again with this user name, or send a link from the list of users.",
            ),
        ],
    )
}

/// Adds that the address was refused for good, unless the explanation is about that, or the person is in.
pub(super) fn remark_on_address(
    voice: Voice<'_>,
    account: &AccountFacts,
    newest: Option<&ResetFacts>,
    mut explanation: Explanation,
) -> Explanation {
    let AddressFacts::Undeliverable { masked, code } = &account.address else {
        return explanation;
    };
    let said =
        newest.is_some_and(|reset| reset.delivery == DeliveryState::Bounced || reset.link == LinkState::Completed);
    if !said {
        let code = smtp_code::explained(code, voice.locale);
        let remark = voice.say(
            format!(" Alamat {masked} pernah ditolak oleh server email ({code})."),
            format!(" The address {masked} has been refused by a mail server ({code})."),
        );
        explanation.summary.push_str(&remark);
        explanation.next_steps.insert(0, voice.step(CHECK_THE_ADDRESS));
    }
    explanation
}

/// Steps after an address was refused.
pub(super) const CHECK_THE_ADDRESS: Step = (
    "Cocokkan alamat itu dengan pengguna. Jika salah, minta admin organisasi memperbaikinya, atau perbaiki sendiri dengan menyebutkan alasan.",
    "Compare the address with the user. If it is wrong, have the organisation's administrator correct it, or correct it yourself and give the reason.",
);

/// The step after something was put right.
pub(super) const THEN_ASK_AGAIN: Step = ("Setelah itu, minta tautan baru.", "Then ask for a new link.");
