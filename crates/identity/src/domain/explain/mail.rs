//! What became of a mail that is, or was, on its way.

use time::Duration;

use super::account::{CHECK_THE_ADDRESS, THEN_ASK_AGAIN};
use super::voice::{SEARCH_THE_MAILBOX, Step, Voice};
use super::{Explanation, ResetFacts};
use crate::domain::smtp_code::Answer;

/// A mail that takes longer than this to reach the mailer is late.
const USUAL: Duration = Duration::minutes(1);

const TELL_OPERATORS_OF_DELAY: Step = (
    "Sampaikan kepada pengelola layanan: ini lebih lama daripada biasanya.",
    "Tell those who run the service: this takes longer than usual.",
);
const TELL_OPERATORS_OF_HOLD: Step = (
    "Sampaikan kepada pengelola layanan bahwa email tertahan, sejak kapan, dan mengapa.",
    "Tell those who run the service that mail is held, since when, and why.",
);
const NO_NEED_TO_ASK: Step = (
    "Tidak perlu meminta lagi: email terkirim sendiri selama tautannya berlaku.",
    "There is no need to ask again: the mail goes out by itself while its link lives.",
);

pub(super) fn pending(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let request = voice.request(reset);
    voice.explain(
        format!("{request} sudah diterima; emailnya sedang disiapkan."),
        format!("{request} was accepted; its mail is being prepared."),
        &patience(voice, reset),
    )
}

pub(super) fn queued(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let request = voice.request(reset);
    voice.explain(
        format!("Email untuk {request} ada dalam antrean pengiriman."),
        format!("The mail for {request} is waiting to be sent."),
        &patience(voice, reset),
    )
}

fn patience(voice: Voice<'_>, reset: &ResetFacts) -> [Step; 2] {
    let first = if voice.facts.now - reset.request_time > USUAL {
        TELL_OPERATORS_OF_DELAY
    } else {
        ("Tunggu satu menit, lalu periksa lagi.", "Wait a minute, then look again.")
    };
    [first, NO_NEED_TO_ASK]
}

pub(super) fn held(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let since = voice.maybe_at(reset.hold_time);
    let (why_id, why_en) = why_held(&reset.answer.phase);
    voice.explain(
        format!("Email ini menunggu server email kami sejak {since}: {why_id}. Ini bukan karena pengguna atau alamatnya."),
        format!("The mail has been waiting for our own mail server since {since}: {why_en}. This is not because of the user or the address."),
        &[
            TELL_OPERATORS_OF_HOLD,
            NO_NEED_TO_ASK,
        ],
    )
}

/// What our mail server does, by the phase that it did it in.
fn why_held(phase: &str) -> Step {
    match phase {
        "connect" => ("server itu tidak dapat dihubungi", "it cannot be reached"),
        "tls" => ("sambungan aman ke server itu gagal", "a secure connection to it fails"),
        "auth" => ("server itu menolak nama pengguna atau kata sandi kami", "it refuses our log-in"),
        "" => ("sebabnya belum diketahui", "the cause is not known yet"),
        _ => ("server itu tidak mau menerima email dari kami", "it refuses to take mail from us"),
    }
}

/// When the next attempt is.
fn next_attempt(voice: Voice<'_>, reset: &ResetFacts) -> (String, String) {
    match reset.next_attempt_time {
        Some(time) if time > voice.facts.now => {
            let at = voice.at(time);
            (format!("Percobaan berikutnya {at}"), format!("The next attempt is at {at}"))
        }
        Some(_) => ("Percobaan berikutnya sedang berjalan".into(), "The next attempt is under way".into()),
        None => (
            "Tidak ada percobaan lagi sebelum tautannya berakhir".into(),
            "There is no further attempt before the link ends".into(),
        ),
    }
}

/// Between two attempts, of which the last one failed by our own mail server.
fn put_off_by_us(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let (why_id, why_en) = why_held(&reset.answer.phase);
    let (next_id, next_en) = next_attempt(voice, reset);
    let end = voice.maybe_at(reset.expire_time);
    let then = if reset.next_attempt_time.is_some() { NO_NEED_TO_ASK } else { THEN_ASK_AGAIN };
    voice.explain(
        format!("Server email kami tidak dapat dipakai pada percobaan terakhir: {why_id}. Ini bukan karena pengguna atau alamatnya. {next_id}; tautannya berlaku sampai {end}."),
        format!("Our own mail server could not be used at the last attempt: {why_en}. This is not because of the user or the address. {next_en}; the link works until {end}."),
        &[TELL_OPERATORS_OF_HOLD, then],
    )
}

pub(super) fn deferred(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    if reset.answer.is_ours() {
        return put_off_by_us(voice, reset);
    }
    let address = voice.address();
    let code = reset.answer.explained(voice.locale);
    let end = voice.maybe_at(reset.expire_time);
    let (next_id, next_en) = next_attempt(voice, reset);
    let first = if reset.next_attempt_time.is_some() {
        (
            "Tunggu percobaan berikutnya; meminta lagi tidak mempercepatnya.",
            "Wait for the next attempt; asking again does not hasten it.",
        )
    } else {
        THEN_ASK_AGAIN
    };
    let mut steps = vec![
        first,
        (
            "Jika tidak juga sampai, tanyakan apakah pengguna memiliki alamat email lain.",
            "If it does not arrive even so, ask whether the user has another e-mail address.",
        ),
    ];
    if reset.answer.is_full_mailbox() {
        steps.insert(0, EMPTY_THE_MAILBOX);
    }
    voice.explain(
        format!("Email untuk {address} belum diterima ({code}). {next_id}; tautannya berlaku sampai {end}."),
        format!("The mail to {address} was put off ({code}). {next_en}; the link works until {end}."),
        &steps,
    )
}

const EMPTY_THE_MAILBOX: Step =
    ("Minta pengguna mengosongkan sebagian kotak suratnya.", "Have the user make room in the mailbox.");

pub(super) fn bounced(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let address = voice.address();
    let code = reset.answer.explained(voice.locale);
    let (id, en) = if reset.answer.phase == "bounce" {
        (
            format!(
                "Server email menerima email untuk {address}, lalu mengembalikannya ({code}), jadi tautannya tidak sampai."
            ),
            format!(
                "The mail server took the mail to {address} and returned it later ({code}), so the link did not arrive."
            ),
        )
    } else {
        (
            format!("Server email menolak email untuk {address} ({code}), jadi tautannya tidak sampai."),
            format!("The mail server refused the mail to {address} ({code}), so the link did not arrive."),
        )
    };
    voice.explain(id, en, after_refusal(&reset.answer))
}

fn after_refusal(answer: &Answer) -> &'static [Step] {
    if answer.is_about_address() {
        &[CHECK_THE_ADDRESS, THEN_ASK_AGAIN]
    } else if answer.is_full_mailbox() {
        &[EMPTY_THE_MAILBOX, THEN_ASK_AGAIN]
    } else if answer.needs_plain_address() {
        &[
            (
                "Minta alamat email lain yang hanya berisi huruf Latin tanpa tanda, dan catat pada pengguna.",
                "Ask for another e-mail address, with plain Latin letters only, and enter it for the user.",
            ),
            THEN_ASK_AGAIN,
        ]
    } else if answer.is_policy() {
        &[
            (
                "Sampaikan kode ini kepada pengelola layanan: penolakan seperti ini sering menyangkut server email kami, bukan pengguna.",
                "Give this code to those who run the service: such a refusal is often about our mail server, not about the user.",
            ),
            (
                "Sementara itu, tanyakan apakah pengguna memiliki alamat email lain.",
                "Meanwhile, ask whether the user has another e-mail address.",
            ),
        ]
    } else {
        &[
            (
                "Minta tautan baru sekali lagi. Jika ditolak lagi, sampaikan kepada pengelola layanan.",
                "Ask for a new link once more. If it is refused again, tell those who run the service.",
            ),
            (
                "Tanyakan apakah pengguna memiliki alamat email lain.",
                "Ask whether the user has another e-mail address.",
            ),
        ]
    }
}

pub(super) fn unknown(voice: Voice<'_>) -> Explanation {
    let address = voice.address();
    voice.explain(
        format!("Server email tidak memberi jawaban setelah menerima isi email untuk {address}. Email itu mungkin sampai, mungkin juga tidak."),
        format!("The mail server gave no answer after it got the content of the mail to {address}. The mail may have arrived or not."),
        &[
            SEARCH_THE_MAILBOX,
            ("Jika setelah sepuluh menit tidak ada, minta tautan baru.", "If it is not there after ten minutes, ask for a new link."),
        ],
    )
}

pub(super) fn sent(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let address = voice.address();
    let end = voice.maybe_at(reset.expire_time);
    voice.explain(
        format!("Server email menerima email untuk {address}. Tautannya belum dibuka dan berlaku sampai {end}."),
        format!(
            "The mail server accepted the mail to {address}. Its link has not been opened yet and works until {end}."
        ),
        &[
            SEARCH_THE_MAILBOX,
            ("Pastikan bahwa alamat itu milik pengguna.", "Make sure that the address is the user's."),
            (
                "Jika email tetap tidak ada, minta tautan baru, atau kirim dari daftar pengguna.",
                "If the mail is still not there, ask for a new link, or send one from the list of users.",
            ),
        ],
    )
}

pub(super) fn opened(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let viewed = voice.maybe_at(reset.view_time);
    let end = voice.maybe_at(reset.expire_time);
    voice.explain(
        format!("Email sampai dan tautannya dibuka {viewed}, tetapi kata sandi baru belum dibuat. Tautan itu berlaku sampai {end}."),
        format!("The mail arrived and its link was opened at {viewed}, but no new password has been set. The link works until {end}."),
        &[
            (
                "Minta pengguna membuka tautan itu lagi dan menyelesaikannya: membuka tautan tidak menghabiskannya.",
                "Have the user open the link again and finish: opening it does not use it up.",
            ),
            (
                "Jika kata sandi baru ditolak, sarankan beberapa kata biasa yang dirangkai, tanpa nama pengguna atau organisasi.",
                "If the new password is refused, suggest several plain words in a row, without the name of the user or the organisation.",
            ),
        ],
    )
}
