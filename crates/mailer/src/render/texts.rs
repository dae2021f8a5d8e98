//! Every sentence of every mail, in both languages. A text that is missing in one of them does not
//! compile. Terms and rules: Anda with a capital, "atur ulang", "tautan", "kedaluwarsa", times as
//! "14.30 WIB"; short active sentences; nothing urgent.

use super::when::Moment;

/// All that is said in one language.
pub struct Texts {
    /// BCP 47, for `lang` and Content-Language.
    pub locale: &'static str,
    /// Monday first.
    pub weekdays: [&'static str; 7],
    /// January first.
    pub months: [&'static str; 12],
    /// Hour and minute.
    pub clock: fn(u8, u8) -> String,
    /// A number of seconds.
    pub seconds: fn(i64) -> String,
    /// A number of minutes.
    pub minutes: fn(i64) -> String,
    /// A number of hours.
    pub hours: fn(i64) -> String,
    /// A moment inside a sentence.
    pub moment: fn(&Moment) -> String,
    /// A kind of device, such as "Chrome on Android".
    pub device: fn(&str) -> String,

    /// To a person by name.
    pub hello: fn(&str) -> String,
    /// To somebody without a name.
    pub hello_anyone: &'static str,
    /// The label of the username.
    pub username: &'static str,
    /// The label of the organisation.
    pub organisation: &'static str,
    /// Before the organisation's name at the end.
    pub regards: &'static str,
    /// The label of the code to tell support.
    pub support_code: &'static str,
    /// The standing warning.
    pub never_ask: &'static str,
    /// The button.
    pub choose: &'static str,
    /// The button, where there are several: with the username.
    pub choose_for: fn(&str) -> String,
    /// What helps when the button does nothing.
    pub or_open: &'static str,
    /// The hidden first line: until when, and what else. From the hour.
    pub preheader: fn(&str) -> String,

    /// A reset: subject, first words, until when, asked when and where, what if not.
    pub reset: Reset,
    /// Started by an admin.
    pub admin: Admin,
    /// A first password.
    pub invitation: Invitation,
    /// Several accounts on one address: first words.
    pub several: fn(usize) -> String,
    /// Told after the fact.
    pub notice: Notice,
}

/// A reset that somebody asked for himself.
pub struct Reset {
    /// From the product.
    pub subject: fn(&str) -> String,
    /// Before the account.
    pub intro: &'static str,
    /// From the moment of expiry and the life.
    pub expiry: fn(&str, &str) -> String,
    /// From the moment of the request, and the device if it is known.
    pub origin: fn(&str, Option<&str>) -> String,
    /// From whom to ask.
    pub not_you: fn(&str) -> String,
}

/// A reset that an admin asked for.
pub struct Admin {
    /// Before the account. From the organisation.
    pub intro: fn(&str) -> String,
    /// From whom to ask.
    pub not_you: fn(&str) -> String,
    /// The hidden first line. From the hour of expiry.
    pub preheader: fn(&str) -> String,
}

/// An account was made.
pub struct Invitation {
    /// From the product.
    pub subject: fn(&str) -> String,
    /// Before the account. From the product.
    pub intro: fn(&str) -> String,
    /// From the moment of expiry and the life.
    pub expiry: fn(&str, &str) -> String,
    /// From whom to ask.
    pub not_you: fn(&str) -> String,
    /// The hidden first line. From the hour of expiry.
    pub preheader: fn(&str) -> String,
}

/// Something changed.
pub struct Notice {
    /// A password was set by a link: subject. From the product.
    pub reset_subject: fn(&str) -> String,
    /// What happened. From the moment.
    pub reset: fn(&str) -> String,
    /// A password was changed: subject. From the product.
    pub changed_subject: fn(&str) -> String,
    /// What happened. From the moment.
    pub changed: fn(&str) -> String,
    /// What else happened to a password.
    pub signed_out: &'static str,
    /// The address was changed: subject. From the product.
    pub address_subject: fn(&str) -> String,
    /// What happened. From the moment.
    pub address: fn(&str) -> String,
    /// What follows from another address.
    pub moved: &'static str,
    /// From which device. From the device.
    pub device: fn(&str) -> String,
    /// If it was you who changed the password.
    pub you: &'static str,
    /// If you know of the other address.
    pub you_know: &'static str,
    /// If it was not. From the support contact, if there is one, and the code, if there is one.
    pub not_you: fn(Option<&str>, Option<&str>) -> String,
    /// The hidden first line.
    pub preheader: &'static str,
    /// Whom to ask when no support contact is known.
    pub administrator: &'static str,
}

/// The texts for a locale: English for `en` and its regions, Indonesian for all else.
pub fn texts(locale: &str) -> &'static Texts {
    match locale.split(['-', '_']).next() {
        Some(language) if language.eq_ignore_ascii_case("en") => &ENGLISH,
        _ => &INDONESIAN,
    }
}

/// Indonesian, which people read first.
pub const INDONESIAN: Texts = Texts {
    locale: "id",
    weekdays: ["Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu"],
    months: [
        "Januari",
        "Februari",
        "Maret",
        "April",
        "Mei",
        "Juni",
        "Juli",
        "Agustus",
        "September",
        "Oktober",
        "November",
        "Desember",
    ],
    clock: |hour, minute| format!("{hour:02}.{minute:02}"),
    seconds: |n| format!("{n} detik"),
    minutes: |n| format!("{n} menit"),
    hours: |n| format!("{n} jam"),
    moment: |at| format!("pukul {}, {}", at.hour, at.day),
    device: |device| device.replace(" on ", " di "),

    hello: |name| format!("Halo {name},"),
    hello_anyone: "Halo,",
    username: "Nama pengguna",
    organisation: "Organisasi",
    regards: "Salam,",
    support_code: "Kode bantuan",
    never_ask: "Kami tidak pernah menanyakan kata sandi Anda.",
    choose: "Buat kata sandi baru",
    choose_for: |username| format!("Buat kata sandi baru untuk {username}"),
    or_open: "Jika tombol tidak berfungsi, salin tautan ini ke peramban Anda:",
    preheader: |hour| format!("Tautan berlaku sampai pukul {hour}. Abaikan jika bukan Anda yang meminta."),

    reset: Reset {
        subject: |product| format!("Atur ulang kata sandi {product}"),
        intro: "Kami menerima permintaan untuk mengatur ulang kata sandi akun ini:",
        expiry: |moment, life| {
            format!(
                "Tautan ini berlaku sampai {moment} ({life} sejak diminta), dan hanya dapat \
                 dipakai satu kali."
            )
        },
        origin: |moment, device| match device {
            Some(device) => format!("Diminta pada {moment}, dari {device}."),
            None => format!("Diminta pada {moment}."),
        },
        not_you: |support| {
            format!(
                "Bukan Anda yang meminta? Abaikan email ini. Kata sandi Anda tidak berubah. Jika \
                 email seperti ini datang berulang kali, hubungi {support}."
            )
        },
    },
    admin: Admin {
        intro: |organisation| format!("Admin {organisation} meminta Anda membuat kata sandi baru untuk akun ini:"),
        not_you: |support| {
            format!(
                "Kata sandi Anda tidak berubah sampai Anda membuat yang baru. Jika Anda ragu, \
                 tanyakan kepada admin organisasi Anda atau hubungi {support}."
            )
        },
        preheader: |hour| format!("Admin organisasi Anda memintanya. Tautan berlaku sampai pukul {hour}."),
    },
    invitation: Invitation {
        subject: |product| format!("Buat kata sandi {product} Anda"),
        intro: |product| {
            format!(
                "Akun {product} ini telah dibuat untuk Anda. Buat kata sandi untuk mulai \
                 memakainya:"
            )
        },
        expiry: |moment, life| {
            format!(
                "Tautan ini berlaku sampai {moment} ({life} sejak undangan dibuat), dan hanya \
                 dapat dipakai satu kali."
            )
        },
        not_you: |support| {
            format!(
                "Tidak mengenal undangan ini? Abaikan email ini. Jika email seperti ini datang \
                 berulang kali, hubungi {support}."
            )
        },
        preheader: |hour| format!("Akun Anda sudah siap. Tautan berlaku sampai pukul {hour}."),
    },
    several: |count| {
        format!(
            "Kami menerima permintaan untuk mengatur ulang kata sandi. Alamat email ini dipakai \
             oleh {count} akun. Gunakan tautan di bawah akun yang ingin Anda atur ulang."
        )
    },
    notice: Notice {
        reset_subject: |product| format!("Kata sandi {product} Anda telah diatur ulang"),
        reset: |moment| format!("Kata sandi akun ini diatur ulang lewat tautan di email pada {moment}."),
        changed_subject: |product| format!("Kata sandi {product} Anda telah diubah"),
        changed: |moment| format!("Kata sandi akun ini diubah pada {moment}."),
        signed_out: "Semua perangkat yang sedang masuk telah dikeluarkan.",
        address_subject: |product| format!("Alamat email {product} Anda telah diubah"),
        address: |moment| format!("Alamat email akun ini diubah pada {moment}."),
        moved: "Email tentang akun ini tidak lagi dikirim ke alamat Anda yang ini.",
        device: |device| format!("Perangkat: {device}."),
        you: "Jika Anda yang mengubahnya, tidak ada yang perlu dilakukan.",
        you_know: "Jika Anda mengetahuinya, tidak ada yang perlu dilakukan.",
        not_you: |support, code| {
            let or_support = support.map_or_else(String::new, |s| format!(" atau {s}"));
            let code = code.map_or_else(String::new, |c| format!(" dan sebutkan kode {c}"));
            format!("Jika bukan, segera hubungi admin organisasi Anda{or_support}{code}.")
        },
        preheader: "Jika Anda tidak mengetahuinya, segera hubungi admin organisasi Anda.",
        administrator: "admin organisasi Anda",
    },
};

/// English.
pub const ENGLISH: Texts = Texts {
    locale: "en",
    weekdays: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    clock: |hour, minute| format!("{hour:02}:{minute:02}"),
    seconds: |n| plural(n, "second"),
    minutes: |n| plural(n, "minute"),
    hours: |n| plural(n, "hour"),
    moment: |at| format!("{} on {}", at.hour, at.day),
    device: str::to_owned,

    hello: |name| format!("Hello {name},"),
    hello_anyone: "Hello,",
    username: "User name",
    organisation: "Organisation",
    regards: "Regards,",
    support_code: "Support code",
    never_ask: "We never ask for your password.",
    choose: "Choose a new password",
    choose_for: |username| format!("Choose a new password for {username}"),
    or_open: "If the button does nothing, copy this link into your browser:",
    preheader: |hour| format!("The link works until {hour}. Ignore this mail if you did not ask."),

    reset: Reset {
        subject: |product| format!("Reset your {product} password"),
        intro: "We received a request to reset the password of this account:",
        expiry: |moment, life| format!("The link works until {moment} ({life} from the request) and only once."),
        origin: |moment, device| match device {
            Some(device) => format!("Requested at {moment}, from {device}."),
            None => format!("Requested at {moment}."),
        },
        not_you: |support| {
            format!(
                "Not you? Ignore this mail; your password has not changed. If such mails keep \
                 coming, contact {support}."
            )
        },
    },
    admin: Admin {
        intro: |organisation| {
            format!(
                "An administrator of {organisation} has asked you to choose a new password for \
                 this account:"
            )
        },
        not_you: |support| {
            format!(
                "Your password stays as it is until you choose a new one. If in doubt, ask your \
                 organisation's administrator or contact {support}."
            )
        },
        preheader: |hour| format!("Your organisation's administrator asks for it. The link works until {hour}."),
    },
    invitation: Invitation {
        subject: |product| format!("Choose your {product} password"),
        intro: |product| {
            format!(
                "This {product} account has been made for you. Choose a password to start using \
                 it:"
            )
        },
        expiry: |moment, life| format!("The link works until {moment} ({life} from the invitation) and only once."),
        not_you: |support| {
            format!(
                "Do not know of this invitation? Ignore this mail. If such mails keep coming, \
                 contact {support}."
            )
        },
        preheader: |hour| format!("Your account is ready. The link works until {hour}."),
    },
    several: |count| {
        format!(
            "We received a request to reset a password. This address belongs to {count} accounts. \
             Use the link under the one you want to reset."
        )
    },
    notice: Notice {
        reset_subject: |product| format!("Your {product} password has been reset"),
        reset: |moment| format!("The password of this account was reset by a link in a mail at {moment}."),
        changed_subject: |product| format!("Your {product} password has been changed"),
        changed: |moment| format!("The password of this account was changed at {moment}."),
        signed_out: "All signed-in devices have been signed out.",
        address_subject: |product| format!("Your {product} email address has been changed"),
        address: |moment| format!("The email address of this account was changed at {moment}."),
        moved: "Mails about this account no longer go to this address of yours.",
        device: |device| format!("Device: {device}."),
        you: "If this was you, there is nothing to do.",
        you_know: "If you know of this, there is nothing to do.",
        not_you: |support, code| {
            let or_support = support.map_or_else(String::new, |s| format!(" or {s}"));
            let code = code.map_or_else(String::new, |c| format!(" and give the code {c}"));
            format!("If not, contact your administrator{or_support} at once{code}.")
        },
        preheader: "If you do not know of this, contact your administrator at once.",
        administrator: "your organisation's administrator",
    },
};

fn plural(n: i64, unit: &str) -> String {
    match n {
        1 => format!("1 {unit}"),
        n => format!("{n} {unit}s"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("id", "id")]
    #[case("en", "en")]
    #[case("en-GB", "en")]
    #[case("EN_us", "en")]
    #[case("id-ID", "id")]
    #[case("", "id")]
    #[case("fr", "id")]
    fn regions_are_dropped_and_indonesian_comes_first(#[case] locale: &str, #[case] found: &str) {
        assert_eq!(texts(locale).locale, found);
    }
}
