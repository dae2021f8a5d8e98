use std::fmt::Write as _;

use insta::assert_snapshot;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::*;

const ASKED: OffsetDateTime = datetime!(2026-11-23 07:03 UTC);

fn reset(delivery: DeliveryState, link: LinkState) -> ResetFacts {
    ResetFacts {
        kind: ResetKind::SelfService,
        delivery,
        not_sent_reason: None,
        link,
        revoke_cause: None,
        request_time: ASKED,
        expire_time: Some(ASKED + Duration::minutes(30)),
        view_time: None,
        complete_time: None,
        next_attempt_time: None,
        hold_time: None,
        cool_until: None,
        answer: Answer::default(),
    }
}

fn not_sent(reason: NotSentReason) -> ResetFacts {
    let mut reset = reset(DeliveryState::NotSent, LinkState::NotIssued);
    reset.not_sent_reason = Some(reason);
    reset.expire_time = None;
    reset
}

fn live(delivery: DeliveryState) -> ResetFacts {
    reset(delivery, LinkState::Live)
}

fn bounced(code: &str) -> ResetFacts {
    let mut reset = live(DeliveryState::Bounced);
    reset.answer = answer(550, code, "rcpt");
    reset
}

fn answer(code: i32, enhanced_code: &str, phase: &str) -> Answer {
    Answer { code, enhanced_code: enhanced_code.into(), phase: phase.into() }
}

fn revoked(cause: RevokeCause) -> ResetFacts {
    let mut revoked = reset(DeliveryState::Sent, LinkState::Revoked);
    revoked.revoke_cause = Some(cause);
    revoked
}

fn account() -> AccountFacts {
    AccountFacts {
        active: true,
        organization_active: true,
        address: AddressFacts::Ok { masked: "b***@kopi.example".into() },
    }
}

fn without_address() -> AccountFacts {
    AccountFacts { address: AddressFacts::Missing, ..account() }
}

fn undeliverable() -> AccountFacts {
    let address = AddressFacts::Undeliverable { masked: "b***@kopi.example".into(), code: "5.1.1".into() };
    AccountFacts { address, ..account() }
}

/// What support reads in both languages, five minutes after the request.
fn read(account: Option<AccountFacts>, resets: impl Into<Vec<ResetFacts>>) -> String {
    read_after(Duration::minutes(5), account, resets)
}

fn read_after(later: Duration, account: Option<AccountFacts>, resets: impl Into<Vec<ResetFacts>>) -> String {
    let facts = Facts { now: ASKED + later, zone: TimeZone::default(), account, resets: resets.into() };
    let mut text = String::new();
    for locale in [Locale::Id, Locale::En] {
        let explanation = explain(&facts, locale);
        writeln!(text, "{}", explanation.summary).unwrap();
        for step in explanation.next_steps {
            writeln!(text, "- {step}").unwrap();
        }
    }
    text
}

fn facts(reset: ResetFacts) -> Facts {
    let now = ASKED + Duration::minutes(5);
    Facts { now, zone: TimeZone::default(), account: Some(account()), resets: vec![reset] }
}

fn read_known(reset: ResetFacts) -> String {
    read(Some(account()), [reset])
}

#[test]
fn a_name_that_is_no_account() {
    assert_snapshot!(read(None, []), @r"
    Tidak ada akun dengan nama pengguna ini.
    - Periksa ejaannya. Huruf besar dan kecil tidak dibedakan; spasi tidak boleh ada.
    - Admin organisasi dapat menemukan nama pengguna itu dalam daftar pengguna.
    - Pengguna juga dapat mengetik alamat emailnya: satu email lalu menyebutkan semua akun pada alamat itu.
    There is no account with this user name.
    - Check the spelling. Upper and lower case do not matter; there must be no spaces.
    - The organisation's administrator finds the user name in the list of users.
    - The user can also type the e-mail address: one mail then names every account on it.
    ");
}

#[test]
fn a_request_for_a_name_that_is_no_account() {
    assert_snapshot!(read(None, [not_sent(NotSentReason::NoSuchAccount)]), @r"
    Yang diketik pukul 14.03 WIB bukan nama pengguna atau alamat email akun mana pun, jadi tidak ada email yang dikirim.
    - Periksa ejaannya. Huruf besar dan kecil tidak dibedakan; spasi tidak boleh ada.
    - Admin organisasi dapat menemukan nama pengguna itu dalam daftar pengguna.
    - Pengguna juga dapat mengetik alamat emailnya: satu email lalu menyebutkan semua akun pada alamat itu.
    What was typed at 14:03 WIB is neither the user name nor the e-mail address of any account, so no mail was sent.
    - Check the spelling. Upper and lower case do not matter; there must be no spaces.
    - The organisation's administrator finds the user name in the list of users.
    - The user can also type the e-mail address: one mail then names every account on it.
    ");
}

#[test]
fn a_disabled_user() {
    let disabled = AccountFacts { active: false, ..account() };
    assert_snapshot!(read(Some(disabled), [not_sent(NotSentReason::AccountDisabled)]), @r"
    Pengguna ini dinonaktifkan, jadi tidak ada tautan yang dikirim dan tautan lama tidak berlaku.
    - Jika pengguna memang boleh masuk, minta admin organisasi mengaktifkannya, atau aktifkan sendiri dengan menyebutkan alasan.
    - Setelah itu, minta tautan baru.
    This user is disabled, so no link is sent and older links do not work.
    - If the user should be able to log in, have the organisation's administrator enable the user, or do it yourself and give the reason.
    - Then ask for a new link.
    ");
}

#[test]
fn a_suspended_organisation() {
    let suspended = AccountFacts { organization_active: false, ..account() };
    assert_snapshot!(read(Some(suspended), [not_sent(NotSentReason::AccountDisabled)]), @r"
    Organisasi pengguna ini sedang dibekukan, jadi tidak ada tautan yang dikirim kepada penggunanya.
    - Tanyakan kepada pengelola CRM mengapa organisasi ini dibekukan.
    - Setelah organisasi aktif lagi, minta tautan baru.
    This user's organisation is suspended, so no links are sent to its users.
    - Ask those who run the CRM why the organisation is suspended.
    - Once the organisation is active again, ask for a new link.
    ");
}

#[test]
fn a_user_who_was_disabled_when_asking() {
    assert_snapshot!(read_known(not_sent(NotSentReason::AccountDisabled)), @r"
    Saat ada permintaan pukul 14.03 WIB pengguna ini dinonaktifkan, jadi tidak ada email yang dikirim. Sekarang pengguna ini aktif.
    - Minta tautan baru.
    When the request of 14:03 WIB came, this user was disabled, so no mail was sent. The user is active now.
    - Ask for a new link.
    ");
}

#[test]
fn a_user_without_an_address_who_asked() {
    assert_snapshot!(read(Some(without_address()), [not_sent(NotSentReason::NoAddress)]), @r"
    Pengguna ini tidak memiliki alamat email, jadi tautan tidak dapat dikirim. Untuk permintaan pukul 14.03 WIB tidak ada email.
    - Minta admin organisasi mencatat alamat email pengguna, atau catat sendiri dengan menyebutkan alasan.
    - Setelah itu, minta tautan baru, atau kirim dari daftar pengguna.
    This user has no e-mail address on file, so no link can be sent. For the request of 14:03 WIB there was no mail.
    - Have the organisation's administrator enter the user's e-mail address, or enter it yourself and give the reason.
    - Then ask for a new link, or send one from the list of users.
    ");
}

#[test]
fn a_user_without_an_address_who_never_asked() {
    assert_snapshot!(read(Some(without_address()), []), @r"
    Pengguna ini tidak memiliki alamat email, jadi tautan tidak dapat dikirim.
    - Minta admin organisasi mencatat alamat email pengguna, atau catat sendiri dengan menyebutkan alasan.
    - Setelah itu, minta tautan baru, atau kirim dari daftar pengguna.
    This user has no e-mail address on file, so no link can be sent.
    - Have the organisation's administrator enter the user's e-mail address, or enter it yourself and give the reason.
    - Then ask for a new link, or send one from the list of users.
    ");
}

#[test]
fn a_user_who_had_no_address_when_asking() {
    assert_snapshot!(read_known(not_sent(NotSentReason::NoAddress)), @r"
    Saat ada permintaan pukul 14.03 WIB pengguna ini belum memiliki alamat email. Sekarang ada: b***@kopi.example.
    - Minta tautan baru.
    When the request of 14:03 WIB came, this user had no e-mail address. Now there is one: b***@kopi.example.
    - Ask for a new link.
    ");
}

#[test]
fn nobody_asked() {
    assert_snapshot!(read(Some(account()), []), @r"
    Tidak ada permintaan atur ulang kata sandi yang tercatat untuk akun ini.
    - Tanyakan apa yang diketik pengguna di halaman masuk: mungkin nama pengguna lain.
    - Minta pengguna mencoba lagi dengan nama pengguna ini, atau kirim tautan dari daftar pengguna.
    No password reset is on record for this account.
    - Ask what the user typed on the login page: it may have been another user name.
    - Have the user try again with this user name, or send a link from the list of users.
    ");
}

#[test]
fn nobody_asked_and_the_address_was_refused_before() {
    assert_snapshot!(read(Some(undeliverable()), []), @r"
    Tidak ada permintaan atur ulang kata sandi yang tercatat untuk akun ini. Alamat b***@kopi.example pernah ditolak oleh server email (5.1.1: kotak surat itu tidak ada).
    - Cocokkan alamat itu dengan pengguna. Jika salah, minta admin organisasi memperbaikinya, atau perbaiki sendiri dengan menyebutkan alasan.
    - Tanyakan apa yang diketik pengguna di halaman masuk: mungkin nama pengguna lain.
    - Minta pengguna mencoba lagi dengan nama pengguna ini, atau kirim tautan dari daftar pengguna.
    No password reset is on record for this account. The address b***@kopi.example has been refused by a mail server (5.1.1: there is no such mailbox).
    - Compare the address with the user. If it is wrong, have the organisation's administrator correct it, or correct it yourself and give the reason.
    - Ask what the user typed on the login page: it may have been another user name.
    - Have the user try again with this user name, or send a link from the list of users.
    ");
}

#[test]
fn a_mail_to_an_address_that_was_refused_before() {
    assert_snapshot!(read(Some(undeliverable()), [live(DeliveryState::Queued)]), @r"
    Email untuk permintaan pukul 14.03 WIB ada dalam antrean pengiriman. Alamat b***@kopi.example pernah ditolak oleh server email (5.1.1: kotak surat itu tidak ada).
    - Cocokkan alamat itu dengan pengguna. Jika salah, minta admin organisasi memperbaikinya, atau perbaiki sendiri dengan menyebutkan alasan.
    - Sampaikan kepada pengelola layanan: ini lebih lama daripada biasanya.
    - Tidak perlu meminta lagi: email terkirim sendiri selama tautannya berlaku.
    The mail for the request of 14:03 WIB is waiting to be sent. The address b***@kopi.example has been refused by a mail server (5.1.1: there is no such mailbox).
    - Compare the address with the user. If it is wrong, have the organisation's administrator correct it, or correct it yourself and give the reason.
    - Tell those who run the service: this takes longer than usual.
    - There is no need to ask again: the mail goes out by itself while its link lives.
    ");
}

#[test]
fn an_account_that_is_cooling_down_with_a_link_that_works() {
    let mut cooling = not_sent(NotSentReason::CoolingDown);
    cooling.request_time += Duration::seconds(30);
    cooling.cool_until = Some(ASKED + Duration::minutes(1));
    let resets = [cooling, live(DeliveryState::Sent)];
    assert_snapshot!(read_after(Duration::seconds(40), Some(account()), resets), @r"
    Untuk permintaan pukul 14.03 WIB tidak ada email baru, karena email untuk akun ini belum lama dikirim. Tautan dari permintaan pukul 14.03 WIB berlaku sampai pukul 14.33 WIB.
    - Minta pengguna memeriksa kotak masuk, folder spam, dan folder promosi.
    - Jika email itu tidak ada, minta lagi mulai pukul 14.04 WIB.
    - Tautan yang dikirim admin dari daftar pengguna tidak perlu menunggu.
    For the request of 14:03 WIB no new mail was sent, because mail for this account had gone out not long before. The link from the request of 14:03 WIB works until 14:33 WIB.
    - Have the user look in the inbox and in the folders for spam and promotions.
    - If that mail is not there, ask again from 14:04 WIB.
    - A link that an administrator sends from the list of users need not wait.
    ");
}

#[test]
fn an_account_that_was_cooling_down() {
    let mut cooling = not_sent(NotSentReason::CoolingDown);
    cooling.cool_until = Some(ASKED + Duration::minutes(1));
    assert_snapshot!(read_known(cooling), @r"
    Untuk permintaan pukul 14.03 WIB tidak ada email baru, karena email untuk akun ini belum lama dikirim.
    - Minta pengguna memeriksa kotak masuk, folder spam, dan folder promosi.
    - Jika email itu tidak ada, minta lagi sekarang: masa tunggunya sudah lewat.
    - Tautan yang dikirim admin dari daftar pengguna tidak perlu menunggu.
    For the request of 14:03 WIB no new mail was sent, because mail for this account had gone out not long before.
    - Have the user look in the inbox and in the folders for spam and promotions.
    - If that mail is not there, ask again now: the wait is over.
    - A link that an administrator sends from the list of users need not wait.
    ");
}

#[test]
fn a_request_that_was_just_accepted() {
    assert_snapshot!(read_after(Duration::seconds(1), Some(account()), [live(DeliveryState::Pending)]), @r"
    Permintaan pukul 14.03 WIB sudah diterima; emailnya sedang disiapkan.
    - Tunggu satu menit, lalu periksa lagi.
    - Tidak perlu meminta lagi: email terkirim sendiri selama tautannya berlaku.
    The request of 14:03 WIB was accepted; its mail is being prepared.
    - Wait a minute, then look again.
    - There is no need to ask again: the mail goes out by itself while its link lives.
    ");
}

#[test]
fn a_request_that_waits_too_long() {
    assert_snapshot!(read_known(live(DeliveryState::Pending)), @r"
    Permintaan pukul 14.03 WIB sudah diterima; emailnya sedang disiapkan.
    - Sampaikan kepada pengelola layanan: ini lebih lama daripada biasanya.
    - Tidak perlu meminta lagi: email terkirim sendiri selama tautannya berlaku.
    The request of 14:03 WIB was accepted; its mail is being prepared.
    - Tell those who run the service: this takes longer than usual.
    - There is no need to ask again: the mail goes out by itself while its link lives.
    ");
}

#[test]
fn a_mail_in_the_queue() {
    assert_snapshot!(read_after(Duration::seconds(1), Some(account()), [live(DeliveryState::Queued)]), @r"
    Email untuk permintaan pukul 14.03 WIB ada dalam antrean pengiriman.
    - Tunggu satu menit, lalu periksa lagi.
    - Tidak perlu meminta lagi: email terkirim sendiri selama tautannya berlaku.
    The mail for the request of 14:03 WIB is waiting to be sent.
    - Wait a minute, then look again.
    - There is no need to ask again: the mail goes out by itself while its link lives.
    ");
}

#[test]
fn a_mail_that_waits_in_the_queue_too_long() {
    assert_snapshot!(read_known(live(DeliveryState::Queued)), @r"
    Email untuk permintaan pukul 14.03 WIB ada dalam antrean pengiriman.
    - Sampaikan kepada pengelola layanan: ini lebih lama daripada biasanya.
    - Tidak perlu meminta lagi: email terkirim sendiri selama tautannya berlaku.
    The mail for the request of 14:03 WIB is waiting to be sent.
    - Tell those who run the service: this takes longer than usual.
    - There is no need to ask again: the mail goes out by itself while its link lives.
    ");
}

#[test]
fn a_mail_that_is_held() {
    let mut held = live(DeliveryState::Held);
    held.hold_time = Some(ASKED + Duration::minutes(1));
    assert_snapshot!(read_known(held), @r"
    Email ini menunggu server email kami sejak pukul 14.04 WIB: sebabnya belum diketahui. Ini bukan karena pengguna atau alamatnya.
    - Sampaikan kepada pengelola layanan bahwa email tertahan, sejak kapan, dan mengapa.
    - Tidak perlu meminta lagi: email terkirim sendiri selama tautannya berlaku.
    The mail has been waiting for our own mail server since 14:04 WIB: the cause is not known yet. This is not because of the user or the address.
    - Tell those who run the service that mail is held, since when, and why.
    - There is no need to ask again: the mail goes out by itself while its link lives.
    ");
}

#[test]
fn a_mail_that_is_tried_again_later() {
    let mut deferred = live(DeliveryState::Deferred);
    deferred.next_attempt_time = Some(ASKED + Duration::minutes(6));
    deferred.answer = answer(450, "4.4.1", "rcpt");
    assert_snapshot!(read_known(deferred), @r"
    Email untuk b***@kopi.example belum diterima (4.4.1: server email penerima tidak menjawab). Percobaan berikutnya pukul 14.09 WIB; tautannya berlaku sampai pukul 14.33 WIB.
    - Tunggu percobaan berikutnya; meminta lagi tidak mempercepatnya.
    - Jika tidak juga sampai, tanyakan apakah pengguna memiliki alamat email lain.
    The mail to b***@kopi.example was put off (4.4.1: the recipient's mail server does not answer). The next attempt is at 14:09 WIB; the link works until 14:33 WIB.
    - Wait for the next attempt; asking again does not hasten it.
    - If it does not arrive even so, ask whether the user has another e-mail address.
    ");
}

#[test]
fn a_mail_to_a_full_mailbox_that_is_being_tried_again() {
    let mut deferred = live(DeliveryState::Deferred);
    deferred.answer = answer(450, "4.2.2", "rcpt");
    deferred.next_attempt_time = Some(ASKED);
    assert_snapshot!(read_known(deferred), @r"
    Email untuk b***@kopi.example belum diterima (4.2.2: kotak surat itu penuh). Percobaan berikutnya sedang berjalan; tautannya berlaku sampai pukul 14.33 WIB.
    - Minta pengguna mengosongkan sebagian kotak suratnya.
    - Tunggu percobaan berikutnya; meminta lagi tidak mempercepatnya.
    - Jika tidak juga sampai, tanyakan apakah pengguna memiliki alamat email lain.
    The mail to b***@kopi.example was put off (4.2.2: the mailbox is full). The next attempt is under way; the link works until 14:33 WIB.
    - Have the user make room in the mailbox.
    - Wait for the next attempt; asking again does not hasten it.
    - If it does not arrive even so, ask whether the user has another e-mail address.
    ");
}

#[test]
fn a_mail_that_was_put_off_for_the_last_time() {
    let mut deferred = live(DeliveryState::Deferred);
    deferred.answer = answer(450, "4.7.1", "rcpt");
    let said = read_known(deferred);
    assert!(said.contains("Tidak ada percobaan lagi sebelum tautannya berakhir"), "{said}");
    assert!(said.contains("There is no further attempt before the link ends"), "{said}");
}

#[test]
fn a_mail_after_which_the_server_fell_silent() {
    assert_snapshot!(read_known(live(DeliveryState::Unknown)), @r"
    Server email tidak memberi jawaban setelah menerima isi email untuk b***@kopi.example. Email itu mungkin sampai, mungkin juga tidak.
    - Minta pengguna memeriksa kotak masuk, folder spam, dan folder promosi.
    - Jika setelah sepuluh menit tidak ada, minta tautan baru.
    The mail server gave no answer after it got the content of the mail to b***@kopi.example. The mail may have arrived or not.
    - Have the user look in the inbox and in the folders for spam and promotions.
    - If it is not there after ten minutes, ask for a new link.
    ");
}

#[test]
fn a_mail_that_was_sent_and_not_opened() {
    assert_snapshot!(read_known(live(DeliveryState::Sent)), @r"
    Server email menerima email untuk b***@kopi.example. Tautannya belum dibuka dan berlaku sampai pukul 14.33 WIB.
    - Minta pengguna memeriksa kotak masuk, folder spam, dan folder promosi.
    - Pastikan bahwa alamat itu milik pengguna.
    - Jika email tetap tidak ada, minta tautan baru, atau kirim dari daftar pengguna.
    The mail server accepted the mail to b***@kopi.example. Its link has not been opened yet and works until 14:33 WIB.
    - Have the user look in the inbox and in the folders for spam and promotions.
    - Make sure that the address is the user's.
    - If the mail is still not there, ask for a new link, or send one from the list of users.
    ");
}

#[test]
fn a_link_that_was_opened_and_not_used() {
    let mut opened = live(DeliveryState::Sent);
    opened.view_time = Some(ASKED + Duration::minutes(2));
    assert_snapshot!(read_known(opened), @r"
    Email sampai dan tautannya dibuka pukul 14.05 WIB, tetapi kata sandi baru belum dibuat. Tautan itu berlaku sampai pukul 14.33 WIB.
    - Minta pengguna membuka tautan itu lagi dan menyelesaikannya: membuka tautan tidak menghabiskannya.
    - Jika kata sandi baru ditolak, sarankan beberapa kata biasa yang dirangkai, tanpa nama pengguna atau organisasi.
    The mail arrived and its link was opened at 14:05 WIB, but no new password has been set. The link works until 14:33 WIB.
    - Have the user open the link again and finish: opening it does not use it up.
    - If the new password is refused, suggest several plain words in a row, without the name of the user or the organisation.
    ");
}

#[test]
fn a_link_that_was_used() {
    let mut completed = reset(DeliveryState::Sent, LinkState::Completed);
    completed.view_time = Some(ASKED + Duration::minutes(2));
    completed.complete_time = Some(ASKED + Duration::minutes(3));
    assert_snapshot!(read_known(completed), @r"
    Tautan dari permintaan pukul 14.03 WIB sudah dipakai pukul 14.06 WIB untuk membuat kata sandi baru.
    - Minta pengguna masuk dengan kata sandi yang baru.
    - Jika pengguna tidak membuatnya sendiri, segera kirim tautan baru dari daftar pengguna dan periksa siapa yang dapat membaca emailnya.
    The link from the request of 14:03 WIB was used at 14:06 WIB to set a new password.
    - Have the user log in with the new password.
    - If it was not the user, send a new link from the list of users at once and find out who can read the user's mail.
    ");
}

#[test]
fn a_link_that_ended_unopened() {
    let later = Duration::hours(1);
    assert_snapshot!(read_after(later, Some(account()), [live(DeliveryState::Sent)]), @r"
    Server email menerima email untuk b***@kopi.example, tetapi tautannya tidak dibuka sampai berakhir pukul 14.33 WIB.
    - Minta tautan baru.
    - Minta pengguna memeriksa kotak masuk, folder spam, dan folder promosi.
    - Pastikan bahwa alamat itu milik pengguna. Tautan yang dikirim admin berlaku lebih lama.
    The mail server accepted the mail to b***@kopi.example, but its link was not opened before it ended at 14:33 WIB.
    - Ask for a new link.
    - Have the user look in the inbox and in the folders for spam and promotions.
    - Make sure that the address is the user's. A link that an administrator sends lives longer.
    ");
}

#[test]
fn a_link_that_ended_opened() {
    let mut opened = live(DeliveryState::Sent);
    opened.view_time = Some(ASKED + Duration::minutes(2));
    assert_snapshot!(read_after(Duration::hours(1), Some(account()), [opened]), @r"
    Tautan itu dibuka pukul 14.05 WIB, tetapi tidak ada kata sandi baru yang dibuat sampai tautan berakhir pukul 14.33 WIB.
    - Minta tautan baru.
    - Minta pengguna menyelesaikannya sebelum batas waktu yang tertulis dalam email.
    The link was opened at 14:05 WIB, but no new password was set before it ended at 14:33 WIB.
    - Ask for a new link.
    - Have the user finish before the time that stands in the mail.
    ");
}

#[test]
fn a_link_that_ended_while_nobody_knows_whether_it_arrived() {
    let later = Duration::hours(1);
    assert_snapshot!(read_after(later, Some(account()), [live(DeliveryState::Unknown)]), @r"
    Tidak pasti apakah email sampai di b***@kopi.example; tautannya tidak dibuka sampai berakhir pukul 14.33 WIB.
    - Minta tautan baru.
    - Minta pengguna memeriksa kotak masuk, folder spam, dan folder promosi.
    - Pastikan bahwa alamat itu milik pengguna. Tautan yang dikirim admin berlaku lebih lama.
    It is not certain that the mail reached b***@kopi.example; its link was not opened before it ended at 14:33 WIB.
    - Ask for a new link.
    - Have the user look in the inbox and in the folders for spam and promotions.
    - Make sure that the address is the user's. A link that an administrator sends lives longer.
    ");
}

#[test]
fn a_link_that_was_revoked() {
    assert_snapshot!(read_known(reset(DeliveryState::Sent, LinkState::Revoked)), @r"
    Tautan dari permintaan pukul 14.03 WIB dicabut sebelum dipakai: tautan lain sudah dipakai, kata sandi, alamat, atau nama pengguna berubah, atau seseorang mencabutnya.
    - Minta pengguna mencoba masuk dengan kata sandi yang terakhir dibuat.
    - Jika itu gagal, minta tautan baru.
    The link from the request of 14:03 WIB was revoked before it was used: another link was used, the password, address or user name changed, or somebody revoked it.
    - Have the user try to log in with the password that was set last.
    - If that fails, ask for a new link.
    ");
}

#[test]
fn a_link_that_was_revoked_before_its_mail() {
    assert_snapshot!(read_known(not_sent(NotSentReason::Revoked)), @r"
    Tautan dari permintaan pukul 14.03 WIB dicabut sebelum emailnya dikirim: tautan lain sudah dipakai, kata sandi, alamat, atau nama pengguna berubah, atau seseorang mencabutnya.
    - Minta pengguna mencoba masuk dengan kata sandi yang terakhir dibuat.
    - Jika itu gagal, minta tautan baru.
    The link from the request of 14:03 WIB was revoked before its mail was sent: another link was used, the password, address or user name changed, or somebody revoked it.
    - Have the user try to log in with the password that was set last.
    - If that fails, ask for a new link.
    ");
}

#[test]
fn an_address_without_a_mailbox() {
    assert_snapshot!(read(Some(undeliverable()), [bounced("5.1.1")]), @r"
    Server email menolak email untuk b***@kopi.example (5.1.1: kotak surat itu tidak ada), jadi tautannya tidak sampai.
    - Cocokkan alamat itu dengan pengguna. Jika salah, minta admin organisasi memperbaikinya, atau perbaiki sendiri dengan menyebutkan alasan.
    - Setelah itu, minta tautan baru.
    The mail server refused the mail to b***@kopi.example (5.1.1: there is no such mailbox), so the link did not arrive.
    - Compare the address with the user. If it is wrong, have the organisation's administrator correct it, or correct it yourself and give the reason.
    - Then ask for a new link.
    ");
}

#[test]
fn an_address_without_a_domain() {
    assert_snapshot!(read_known(bounced("5.1.2")), @r"
    Server email menolak email untuk b***@kopi.example (5.1.2: domain alamat itu tidak ada), jadi tautannya tidak sampai.
    - Cocokkan alamat itu dengan pengguna. Jika salah, minta admin organisasi memperbaikinya, atau perbaiki sendiri dengan menyebutkan alasan.
    - Setelah itu, minta tautan baru.
    The mail server refused the mail to b***@kopi.example (5.1.2: the domain of the address does not exist), so the link did not arrive.
    - Compare the address with the user. If it is wrong, have the organisation's administrator correct it, or correct it yourself and give the reason.
    - Then ask for a new link.
    ");
}

#[test]
fn a_disabled_mailbox() {
    assert_snapshot!(read_known(bounced("5.2.1")), @r"
    Server email menolak email untuk b***@kopi.example (5.2.1: kotak surat itu dinonaktifkan), jadi tautannya tidak sampai.
    - Cocokkan alamat itu dengan pengguna. Jika salah, minta admin organisasi memperbaikinya, atau perbaiki sendiri dengan menyebutkan alasan.
    - Setelah itu, minta tautan baru.
    The mail server refused the mail to b***@kopi.example (5.2.1: the mailbox is disabled), so the link did not arrive.
    - Compare the address with the user. If it is wrong, have the organisation's administrator correct it, or correct it yourself and give the reason.
    - Then ask for a new link.
    ");
}

#[test]
fn a_full_mailbox() {
    assert_snapshot!(read_known(bounced("5.2.2")), @r"
    Server email menolak email untuk b***@kopi.example (5.2.2: kotak surat itu penuh), jadi tautannya tidak sampai.
    - Minta pengguna mengosongkan sebagian kotak suratnya.
    - Setelah itu, minta tautan baru.
    The mail server refused the mail to b***@kopi.example (5.2.2: the mailbox is full), so the link did not arrive.
    - Have the user make room in the mailbox.
    - Then ask for a new link.
    ");
}

#[test]
fn a_refusal_that_may_be_about_us() {
    assert_snapshot!(read_known(bounced("5.7.1")), @r"
    Server email menolak email untuk b***@kopi.example (5.7.1: server email menolak pengirim atau isi email itu), jadi tautannya tidak sampai.
    - Sampaikan kode ini kepada pengelola layanan: penolakan seperti ini sering menyangkut server email kami, bukan pengguna.
    - Sementara itu, tanyakan apakah pengguna memiliki alamat email lain.
    The mail server refused the mail to b***@kopi.example (5.7.1: the mail server refuses the sender or the content), so the link did not arrive.
    - Give this code to those who run the service: such a refusal is often about our mail server, not about the user.
    - Meanwhile, ask whether the user has another e-mail address.
    ");
}

#[test]
fn a_refusal_without_a_reason() {
    let mut refused = live(DeliveryState::Bounced);
    refused.answer = answer(554, "", "final");
    assert_snapshot!(read_known(refused), @r"
    Server email menolak email untuk b***@kopi.example (server email tidak memberikan alasan), jadi tautannya tidak sampai.
    - Minta tautan baru sekali lagi. Jika ditolak lagi, sampaikan kepada pengelola layanan.
    - Tanyakan apakah pengguna memiliki alamat email lain.
    The mail server refused the mail to b***@kopi.example (the mail server gave no reason), so the link did not arrive.
    - Ask for a new link once more. If it is refused again, tell those who run the service.
    - Ask whether the user has another e-mail address.
    ");
}

#[test]
fn a_mail_that_came_too_late() {
    let mut late = not_sent(NotSentReason::Expired);
    late.answer = answer(450, "4.7.1", "rcpt");
    assert_snapshot!(read_known(late), @r"
    Email untuk permintaan pukul 14.03 WIB tidak dapat dikirim sebelum tautannya berakhir. Jawaban terakhir server email: 4.7.1: server email meminta kami mencoba lagi nanti.
    - Minta tautan baru.
    - Jika terulang, sampaikan kepada pengelola layanan.
    The mail for the request of 14:03 WIB could not be sent before its link ended. The mail server's last answer: 4.7.1: the mail server asks us to come again later.
    - Ask for a new link.
    - If it happens again, tell those who run the service.
    ");
}

#[test]
fn a_mail_that_is_still_on_its_way_after_the_end_of_its_link() {
    let later = Duration::hours(1);
    assert_snapshot!(read_after(later, Some(account()), [live(DeliveryState::Held)]), @r"
    Email untuk permintaan pukul 14.03 WIB tidak dapat dikirim sebelum tautannya berakhir.
    - Minta tautan baru.
    - Jika terulang, sampaikan kepada pengelola layanan.
    The mail for the request of 14:03 WIB could not be sent before its link ended.
    - Ask for a new link.
    - If it happens again, tell those who run the service.
    ");
}

#[test]
fn a_mail_that_was_parked() {
    assert_snapshot!(read_known(not_sent(NotSentReason::Parked)), @r"
    Pengirim email tidak dapat mengolah email untuk permintaan pukul 14.03 WIB dan menyisihkannya.
    - Sampaikan kepada pengelola layanan: perintah `mailer parked list` menunjukkan sebabnya.
    - Minta tautan baru. Jika emailnya tidak sampai juga, tunggu perbaikan.
    The mailer could not make the mail for the request of 14:03 WIB, and put it aside.
    - Tell those who run the service: the command `mailer parked list` shows the cause.
    - Ask for a new link. If its mail does not arrive either, wait for the repair.
    ");
}

#[test]
fn a_fault_of_ours() {
    assert_snapshot!(read_known(not_sent(NotSentReason::Internal)), @r"
    Karena kesalahan di pihak kami, email untuk permintaan pukul 14.03 WIB tidak dikirim.
    - Minta tautan baru.
    - Jika terulang, sampaikan kepada pengelola layanan.
    By a fault of ours the mail for the request of 14:03 WIB was not sent.
    - Ask for a new link.
    - If it happens again, tell those who run the service.
    ");
}

#[test]
fn a_request_that_is_not_issued_yet_names_no_account() {
    let mut pending = reset(DeliveryState::Pending, LinkState::NotIssued);
    pending.expire_time = None;
    assert_snapshot!(read_after(Duration::seconds(1), None, [pending]), @r"
    Permintaan pukul 14.03 WIB sudah diterima; emailnya sedang disiapkan.
    - Tunggu satu menit, lalu periksa lagi.
    - Tidak perlu meminta lagi: email terkirim sendiri selama tautannya berlaku.
    The request of 14:03 WIB was accepted; its mail is being prepared.
    - Wait a minute, then look again.
    - There is no need to ask again: the mail goes out by itself while its link lives.
    ");
}

#[test]
fn an_admins_link() {
    let mut admins = live(DeliveryState::Queued);
    admins.kind = ResetKind::Admin;
    assert_snapshot!(read_known(admins), @r"
    Email untuk permintaan admin pukul 14.03 WIB ada dalam antrean pengiriman.
    - Sampaikan kepada pengelola layanan: ini lebih lama daripada biasanya.
    - Tidak perlu meminta lagi: email terkirim sendiri selama tautannya berlaku.
    The mail for the administrator's request of 14:03 WIB is waiting to be sent.
    - Tell those who run the service: this takes longer than usual.
    - There is no need to ask again: the mail goes out by itself while its link lives.
    ");
}

#[test]
fn an_invitation_of_yesterday() {
    let mut invitation = reset(DeliveryState::Sent, LinkState::Revoked);
    invitation.kind = ResetKind::Invitation;
    assert_snapshot!(read_after(Duration::days(1), Some(account()), [invitation]), @r"
    Tautan dari undangan Senin, 23 November 2026, pukul 14.03 WIB dicabut sebelum dipakai: tautan lain sudah dipakai, kata sandi, alamat, atau nama pengguna berubah, atau seseorang mencabutnya.
    - Minta pengguna mencoba masuk dengan kata sandi yang terakhir dibuat.
    - Jika itu gagal, minta tautan baru.
    The link from the invitation of 14:03 WIB on Monday, 23 November 2026 was revoked before it was used: another link was used, the password, address or user name changed, or somebody revoked it.
    - Have the user try to log in with the password that was set last.
    - If that fails, ask for a new link.
    ");
}

#[test]
fn a_link_ended_by_the_use_of_another() {
    assert_snapshot!(read_known(revoked(RevokeCause::OtherLink)), @r"
    Tautan dari permintaan pukul 14.03 WIB dicabut sebelum dipakai: tautan lain sudah dipakai untuk membuat kata sandi baru.
    - Minta pengguna mencoba masuk dengan kata sandi yang terakhir dibuat.
    - Jika itu gagal, minta tautan baru.
    - Jika pengguna tidak membuatnya sendiri, segera kirim tautan baru dari daftar pengguna dan periksa siapa yang dapat membaca emailnya.
    The link from the request of 14:03 WIB was revoked before it was used: another link was used to set a new password.
    - Have the user try to log in with the password that was set last.
    - If that fails, ask for a new link.
    - If it was not the user, send a new link from the list of users at once and find out who can read the user's mail.
    ");
}

#[test]
fn a_link_ended_by_a_change_of_the_password() {
    assert_snapshot!(read_known(revoked(RevokeCause::PasswordChanged)), @r"
    Tautan dari permintaan pukul 14.03 WIB dicabut sebelum dipakai: kata sandi diganti di pengaturan akun.
    - Minta pengguna mencoba masuk dengan kata sandi yang terakhir dibuat.
    - Jika itu gagal, minta tautan baru.
    - Jika pengguna tidak membuatnya sendiri, segera kirim tautan baru dari daftar pengguna dan periksa siapa yang dapat membaca emailnya.
    The link from the request of 14:03 WIB was revoked before it was used: the password was changed in the account settings.
    - Have the user try to log in with the password that was set last.
    - If that fails, ask for a new link.
    - If it was not the user, send a new link from the list of users at once and find out who can read the user's mail.
    ");
}

#[test]
fn a_link_ended_by_a_change_of_the_address() {
    assert_snapshot!(read_known(revoked(RevokeCause::AddressChanged)), @r"
    Tautan dari permintaan pukul 14.03 WIB dicabut sebelum dipakai: alamat email pengguna diganti.
    - Minta tautan baru: tautan itu dikirim ke alamat yang sekarang.
    The link from the request of 14:03 WIB was revoked before it was used: the user's e-mail address was changed.
    - Ask for a new link: it goes to the present address.
    ");
}

#[test]
fn a_link_ended_by_a_change_of_the_user_name() {
    assert_snapshot!(read_known(revoked(RevokeCause::UsernameChanged)), @r"
    Tautan dari permintaan pukul 14.03 WIB dicabut sebelum dipakai: nama pengguna diganti.
    - Minta pengguna memakai nama pengguna yang sekarang, juga saat meminta tautan baru.
    The link from the request of 14:03 WIB was revoked before it was used: the user name was changed.
    - Have the user use the present user name, also to ask for a new link.
    ");
}

#[test]
fn a_link_ended_because_the_user_was_disabled() {
    assert_snapshot!(read_known(revoked(RevokeCause::UserDisabled)), @r"
    Tautan dari permintaan pukul 14.03 WIB dicabut sebelum dipakai: pengguna dinonaktifkan.
    - Minta tautan baru.
    The link from the request of 14:03 WIB was revoked before it was used: the user was disabled.
    - Ask for a new link.
    ");
}

#[test]
fn a_link_ended_by_a_higher_role() {
    assert_snapshot!(read_known(revoked(RevokeCause::RoleRaised)), @r"
    Tautan dari permintaan pukul 14.03 WIB dicabut sebelum dipakai: pengguna mendapat peran yang lebih tinggi.
    - Minta tautan baru.
    The link from the request of 14:03 WIB was revoked before it was used: the user was given a higher role.
    - Ask for a new link.
    ");
}

#[test]
fn a_link_ended_by_an_admin() {
    assert_snapshot!(read_known(revoked(RevokeCause::Admin)), @r"
    Tautan dari permintaan pukul 14.03 WIB dicabut sebelum dipakai: seorang admin mencabutnya.
    - Tanyakan kepada admin organisasi mengapa tautan itu dicabut.
    - Setelah itu, minta tautan baru.
    The link from the request of 14:03 WIB was revoked before it was used: an administrator revoked it.
    - Ask the organisation's administrator why the link was revoked.
    - Then ask for a new link.
    ");
}

#[test]
fn a_mail_that_was_superseded_before_it_was_sent() {
    let mut superseded = not_sent(NotSentReason::Revoked);
    superseded.revoke_cause = Some(RevokeCause::OtherLink);
    assert_snapshot!(read_known(superseded), @r"
    Tautan dari permintaan pukul 14.03 WIB dicabut sebelum emailnya dikirim: tautan lain sudah dipakai untuk membuat kata sandi baru.
    - Minta pengguna mencoba masuk dengan kata sandi yang terakhir dibuat.
    - Jika itu gagal, minta tautan baru.
    - Jika pengguna tidak membuatnya sendiri, segera kirim tautan baru dari daftar pengguna dan periksa siapa yang dapat membaca emailnya.
    The link from the request of 14:03 WIB was revoked before its mail was sent: another link was used to set a new password.
    - Have the user try to log in with the password that was set last.
    - If that fails, ask for a new link.
    - If it was not the user, send a new link from the list of users at once and find out who can read the user's mail.
    ");
}

#[test]
fn an_address_whose_letters_the_mail_server_does_not_take() {
    assert_snapshot!(read_known(bounced("5.6.7")), @r"
    Server email menolak email untuk b***@kopi.example (5.6.7: server email penerima tidak menerima huruf dalam alamat itu), jadi tautannya tidak sampai.
    - Minta alamat email lain yang hanya berisi huruf Latin tanpa tanda, dan catat pada pengguna.
    - Setelah itu, minta tautan baru.
    The mail server refused the mail to b***@kopi.example (5.6.7: the mail server does not take the letters of the address), so the link did not arrive.
    - Ask for another e-mail address, with plain Latin letters only, and enter it for the user.
    - Then ask for a new link.
    ");
}

#[test]
fn an_address_whose_domain_is_nowhere_to_be_found() {
    assert_snapshot!(read_known(bounced("5.4.4")), @r"
    Server email menolak email untuk b***@kopi.example (5.4.4: server email untuk domain itu tidak ditemukan), jadi tautannya tidak sampai.
    - Cocokkan alamat itu dengan pengguna. Jika salah, minta admin organisasi memperbaikinya, atau perbaiki sendiri dengan menyebutkan alasan.
    - Setelah itu, minta tautan baru.
    The mail server refused the mail to b***@kopi.example (5.4.4: no mail server was found for the domain), so the link did not arrive.
    - Compare the address with the user. If it is wrong, have the organisation's administrator correct it, or correct it yourself and give the reason.
    - Then ask for a new link.
    ");
}

#[test]
fn a_mailbox_refused_without_an_enhanced_code() {
    assert_snapshot!(read_known(bounced("")), @r"
    Server email menolak email untuk b***@kopi.example (550: server email tidak menerima kotak surat itu), jadi tautannya tidak sampai.
    - Cocokkan alamat itu dengan pengguna. Jika salah, minta admin organisasi memperbaikinya, atau perbaiki sendiri dengan menyebutkan alasan.
    - Setelah itu, minta tautan baru.
    The mail server refused the mail to b***@kopi.example (550: the mail server does not accept the mailbox), so the link did not arrive.
    - Compare the address with the user. If it is wrong, have the organisation's administrator correct it, or correct it yourself and give the reason.
    - Then ask for a new link.
    ");
}

#[test]
fn a_mail_that_came_back_later() {
    let mut returned = bounced("5.1.1");
    returned.answer.phase = "bounce".into();
    assert_snapshot!(read_known(returned), @r"
    Server email menerima email untuk b***@kopi.example, lalu mengembalikannya (5.1.1: kotak surat itu tidak ada), jadi tautannya tidak sampai.
    - Cocokkan alamat itu dengan pengguna. Jika salah, minta admin organisasi memperbaikinya, atau perbaiki sendiri dengan menyebutkan alasan.
    - Setelah itu, minta tautan baru.
    The mail server took the mail to b***@kopi.example and returned it later (5.1.1: there is no such mailbox), so the link did not arrive.
    - Compare the address with the user. If it is wrong, have the organisation's administrator correct it, or correct it yourself and give the reason.
    - Then ask for a new link.
    ");
}

#[test]
fn a_mail_that_is_held_says_what_our_mail_server_does() {
    let held = |phase: &str| {
        let mut held = live(DeliveryState::Held);
        held.hold_time = Some(ASKED + Duration::minutes(1));
        held.answer.phase = phase.into();
        explain(&facts(held), Locale::En).summary
    };
    let text = ["connect", "tls", "auth", "mail"].map(held).join("\n");
    assert_snapshot!(text, @r"
    The mail has been waiting for our own mail server since 14:04 WIB: it cannot be reached. This is not because of the user or the address.
    The mail has been waiting for our own mail server since 14:04 WIB: a secure connection to it fails. This is not because of the user or the address.
    The mail has been waiting for our own mail server since 14:04 WIB: it refuses our log-in. This is not because of the user or the address.
    The mail has been waiting for our own mail server since 14:04 WIB: it refuses to take mail from us. This is not because of the user or the address.
    ");
}

#[test]
fn a_mail_that_our_mail_server_put_off() {
    let mut put_off = live(DeliveryState::Deferred);
    put_off.answer = answer(0, "", "connect");
    put_off.next_attempt_time = Some(ASKED + Duration::minutes(10));
    assert_snapshot!(read_known(put_off), @r"
    Server email kami tidak dapat dipakai pada percobaan terakhir: server itu tidak dapat dihubungi. Ini bukan karena pengguna atau alamatnya. Percobaan berikutnya pukul 14.13 WIB; tautannya berlaku sampai pukul 14.33 WIB.
    - Sampaikan kepada pengelola layanan bahwa email tertahan, sejak kapan, dan mengapa.
    - Tidak perlu meminta lagi: email terkirim sendiri selama tautannya berlaku.
    Our own mail server could not be used at the last attempt: it cannot be reached. This is not because of the user or the address. The next attempt is at 14:13 WIB; the link works until 14:33 WIB.
    - Tell those who run the service that mail is held, since when, and why.
    - There is no need to ask again: the mail goes out by itself while its link lives.
    ");
}

#[test]
fn explanations_keep_to_our_words() {
    let mut resets: Vec<ResetFacts> = NotSentReason::ALL.iter().map(|reason| not_sent(*reason)).collect();
    resets.extend(DeliveryState::ALL.iter().map(|delivery| live(*delivery)));
    resets.extend(RevokeCause::ALL.iter().map(|cause| revoked(*cause)));
    for reset in resets {
        let text = read_known(reset).to_lowercase().replace("kata sandi", "");
        for wrong in ["silahkan", "kadaluarsa", " kamu", "sandi ", "imel", "me-reset", "!"] {
            assert!(!text.contains(wrong), "{wrong} in {text}");
        }
    }
}
