//! Why there was no mail.

use super::account;
use super::revoked;
use super::voice::{ASK_AGAIN, SEARCH_THE_MAILBOX, Step, Voice};
use super::{Explanation, ResetFacts};
use crate::domain::states::{LinkState, NotSentReason};

pub(super) fn because(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    match reset.not_sent_reason {
        Some(NotSentReason::NoSuchAccount) => account::none_for_request(voice, reset),
        Some(NotSentReason::AccountDisabled) => was_disabled(voice, reset),
        Some(NotSentReason::NoAddress) => had_no_address(voice, reset),
        Some(NotSentReason::CoolingDown) => cooling_down(voice, reset),
        Some(NotSentReason::Expired) => too_late(voice, reset),
        Some(NotSentReason::Revoked) => revoked::before_sending(voice, reset),
        Some(NotSentReason::Parked) => parked(voice, reset),
        Some(NotSentReason::Internal) | None => internal(voice, reset),
    }
}

fn was_disabled(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let request = voice.request(reset);
    voice.explain(
        format!("Saat ada {request} pengguna ini dinonaktifkan, jadi tidak ada email yang dikirim. Sekarang pengguna ini aktif."),
        format!("When {request} came, this user was disabled, so no mail was sent. The user is active now."),
        &[ASK_AGAIN],
    )
}

fn had_no_address(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let request = voice.request(reset);
    let address = voice.address();
    voice.explain(
        format!("Saat ada {request} pengguna ini belum memiliki alamat email. Sekarang ada: {address}."),
        format!("When {request} came, this user had no e-mail address. Now there is one: {address}."),
        &[ASK_AGAIN],
    )
}

fn cooling_down(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let request = voice.request(reset);
    let mut explanation = voice.explain(
        format!("Untuk {request} tidak ada email baru, karena email untuk akun ini belum lama dikirim."),
        format!("For {request} no new mail was sent, because mail for this account had gone out not long before."),
        &[SEARCH_THE_MAILBOX],
    );
    let usable = voice
        .facts
        .resets
        .iter()
        .skip(1)
        .find(|other| other.link == LinkState::Live && other.expire_time.is_some_and(|end| end > voice.facts.now));
    if let Some(other) = usable {
        let (request, end) = (voice.request(other), voice.maybe_at(other.expire_time));
        explanation.summary.push_str(&voice.say(
            format!(" Tautan dari {request} berlaku sampai {end}."),
            format!(" The link from {request} works until {end}."),
        ));
    }
    let again = match reset.cool_until.filter(|until| *until > voice.facts.now) {
        Some(until) => {
            let at = voice.at(until);
            voice.say(
                format!("Jika email itu tidak ada, minta lagi mulai {at}."),
                format!("If that mail is not there, ask again from {at}."),
            )
        }
        None => voice.step((
            "Jika email itu tidak ada, minta lagi sekarang: masa tunggunya sudah lewat.",
            "If that mail is not there, ask again now: the wait is over.",
        )),
    };
    explanation.next_steps.push(again);
    explanation.next_steps.push(voice.step((
        "Tautan yang dikirim admin dari daftar pengguna tidak perlu menunggu.",
        "A link that an administrator sends from the list of users need not wait.",
    )));
    explanation
}

pub(super) fn too_late(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let request = voice.request(reset);
    let (mut id, mut en) = (
        format!("Email untuk {request} tidak dapat dikirim sebelum tautannya berakhir."),
        format!("The mail for {request} could not be sent before its link ended."),
    );
    if !reset.answer.is_empty() {
        let code = reset.answer.explained(voice.locale);
        id.push_str(&format!(" Jawaban terakhir server email: {code}."));
        en.push_str(&format!(" The mail server's last answer: {code}."));
    }
    voice.explain(id, en, &[ASK_AGAIN, TELL_OPERATORS_IF_AGAIN])
}

fn parked(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let request = voice.request(reset);
    voice.explain(
        format!("Pengirim email tidak dapat mengolah email untuk {request} dan menyisihkannya."),
        format!("The mailer could not make the mail for {request}, and put it aside."),
        &[
            (
                "Sampaikan kepada pengelola layanan: perintah `mailer parked list` menunjukkan sebabnya.",
                "Tell those who run the service: the command `mailer parked list` shows the cause.",
            ),
            (
                "Minta tautan baru. Jika emailnya tidak sampai juga, tunggu perbaikan.",
                "Ask for a new link. If its mail does not arrive either, wait for the repair.",
            ),
        ],
    )
}

fn internal(voice: Voice<'_>, reset: &ResetFacts) -> Explanation {
    let request = voice.request(reset);
    voice.explain(
        format!("Karena kesalahan di pihak kami, email untuk {request} tidak dikirim."),
        format!("By a fault of ours the mail for {request} was not sent."),
        &[ASK_AGAIN, TELL_OPERATORS_IF_AGAIN],
    )
}

const TELL_OPERATORS_IF_AGAIN: Step =
    ("Jika terulang, sampaikan kepada pengelola layanan.", "If it happens again, tell those who run the service.");
