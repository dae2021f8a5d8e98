//! Indonesian, which people read first.

use proto::identity::v1::{AddressState, DeliveryState, LinkState, NotSentReason, Role};

use super::{
    Account, Admin, Common, Failure, Forgot, Frame, Home, Link, LogIn, Obstacle, Outcome, Rules, Texts, Users,
};

/// Indonesian.
pub const INDONESIAN: Texts = Texts {
    tag: "id",
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
    frame: Frame {
        skip: "Langsung ke isi",
        menu: "Menu",
        home: "Beranda",
        account: "Pengaturan Akun",
        users: "Pengaturan Pengguna",
        log_out: "Keluar",
        languages: "Bahasa",
    },
    common: Common {
        username: "Nama pengguna",
        password: "Kata sandi",
        organisation: "Organisasi",
        problems: "Mohon periksa kembali isian Anda",
        to_log_in: "Kembali ke halaman masuk",
        support: |contact| format!("Perlu bantuan? Hubungi {contact}."),
        wait: |seconds| format!("Terlalu banyak percobaan. Silakan coba lagi dalam {}.", duration(seconds)),
        away: "Layanan sedang tidak dapat dihubungi. Silakan coba beberapa saat lagi.",
        support_code: "Kode bantuan",
    },
    log_in: LogIn {
        title: "Masuk",
        forgot: "Lupa kata sandi?",
        ended: "Sesi Anda telah berakhir. Silakan masuk lagi.",
        out: "Anda telah keluar.",
    },
    forgot: Forgot {
        title: "Lupa kata sandi",
        intro: "Ketik nama pengguna Anda. Kami akan mengirim tautan untuk membuat kata sandi baru ke alamat email yang \
                terdaftar.",
        submit: "Kirim tautan",
        no_username: "Saya lupa nama pengguna",
        by_email_title: "Lupa nama pengguna",
        by_email_intro: "Ketik alamat email Anda. Kami akan mengirim nama pengguna setiap akun dengan alamat itu, \
                         beserta tautan untuk membuat kata sandi baru.",
        email: "Alamat email",
        sent_title: "Periksa email Anda",
        sent: "Jika akunnya ada, kami sedang mengirim email berisi tautan ke alamat yang terdaftar.",
        sent_life: "Tautan itu hanya dapat dipakai satu kali dan berlaku sampai waktu yang tertulis di email.",
        not_come: "Emailnya belum sampai?",
        steps: [
            "Tunggu beberapa menit, lalu periksa juga folder spam.",
            "Pastikan isian Anda sudah benar, lalu minta tautan lagi.",
            "Mungkin alamat email yang terdaftar salah atau belum ada. Minta admin organisasi Anda memeriksanya.",
        ],
        again: "Minta lagi",
    },
    link: Link {
        title: "Buat kata sandi baru",
        paste: "Salin tautan dari email ke kolom di bawah ini, lalu lanjutkan.",
        no_script: "JavaScript di peramban Anda tidak aktif, jadi tautannya tidak terbuka sendiri.",
        label: "Tautan dari email",
        open: "Lanjutkan",
        life: |minutes| format!("Tautan ini masih berlaku {} lagi dan hanya dapat dipakai satu kali.", hours(minutes)),
        new: "Kata sandi baru",
        confirm: "Ketik lagi kata sandi baru",
        save: "Simpan kata sandi",
        kept: "Tautan Anda tidak hangus dan masih dapat dipakai.",
        retry: "Coba lagi",
        kept_password: "Tautan Anda tidak hangus. Silakan ketik lagi kata sandi baru Anda, lalu simpan.",
        over_title: "Tautan ini tidak berlaku",
        over: "Tautan ini tidak lengkap, sudah dipakai, atau sudah kedaluwarsa.",
        over_next: "Silakan minta tautan baru. Jika tautan ini dikirim oleh admin, minta admin mengirimnya lagi.",
        ask_again: "Minta tautan baru",
        done_title: "Kata sandi baru tersimpan",
        done: "Sesi Anda di semua perangkat telah diakhiri. Silakan masuk dengan kata sandi baru Anda.",
    },
    rules: Rules {
        title: "Kata sandi baru:",
        length: |least| format!("paling sedikit {least} karakter"),
        name: "paling sedikit 8 karakter selain nama pengguna",
        same: "kedua isian sama",
        verdict: "Saat disimpan, kami juga memeriksa apakah kata sandi itu umum dipakai atau mudah ditebak.",
        met: "terpenuhi",
        unmet: "belum",
    },
    account: Account {
        title: "Pengaturan Akun",
        intro: "Di sini Anda dapat mengubah kata sandi. Sesi Anda di perangkat lain akan diakhiri.",
        current: "Kata sandi saat ini",
        submit: "Ubah kata sandi",
        done_title: "Kata sandi telah diubah",
        done: "Sesi Anda di perangkat lain telah diakhiri. Di sini Anda tetap masuk.",
    },
    home: Home {
        hello: |name| format!("Halo {name}"),
        where_: |product, organisation| format!("Anda masuk ke {product} sebagai anggota {organisation}."),
    },
    users: Users {
        title: "Pengaturan Pengguna",
        search: "Cari nama pengguna atau nama",
        find: "Cari",
        nobody: "Tidak ada pengguna yang cocok.",
        user: "Pengguna",
        role: "Peran",
        address: "Alamat email",
        last: "Atur ulang terakhir",
        action: "Tindakan",
        reset: "Atur ulang kata sandi",
        reset_of: |username| format!("Atur ulang kata sandi {username}"),
        help: "Cara membantu",
        help_of: |username| format!("Cara membantu {username}"),
        disabled: "dinonaktifkan",
        never: "belum pernah",
        next: "Halaman berikutnya",
        first: "Halaman pertama",
        role_name: |role| match role {
            Role::Owner => "pemilik",
            Role::Admin => "admin",
            Role::Member | Role::Unspecified => "anggota",
        },
        address_state: |state| match state {
            AddressState::Missing => "tidak ada alamat email",
            AddressState::Undeliverable => "tidak dapat dijangkau",
            AddressState::Ok | AddressState::Unspecified => "",
        },
    },
    admin: Admin {
        title: |username| format!("Atur ulang kata sandi {username}?"),
        intro: "Pengguna ini akan menerima email berisi tautan untuk membuat kata sandi baru. Kata sandi yang sekarang \
                tetap berlaku sampai diganti.",
        cannot: |username| format!("Tautan belum dapat dikirim ke {username}"),
        instead: "Yang dapat Anda lakukan",
        missing: Obstacle {
            why: "Pengguna ini belum punya alamat email.",
            steps: [
                "Isi alamat emailnya di data pengguna, lalu kirim tautan dari daftar pengguna.",
                "Jika Anda tidak dapat mengubah data itu, minta bantuan dan sebutkan nama penggunanya.",
            ],
        },
        disabled: Obstacle {
            why: "Akun ini dinonaktifkan.",
            steps: [
                "Jika pengguna ini boleh masuk lagi, aktifkan akunnya di data pengguna, lalu kirim tautan dari daftar.",
                "Jika Anda tidak dapat mengubah data itu, minta bantuan dan sebutkan nama penggunanya.",
            ],
        },
        undeliverable: "Email terakhir tidak sampai ke alamat ini. Periksa dahulu apakah alamatnya benar.",
        reason: "Alasan",
        reason_hint: "Misalnya: diminta lewat telepon. Alasan ini dicatat.",
        submit: "Kirim tautan",
        cancel: "Batal",
    },
    outcome: Outcome {
        title: |username| format!("Atur ulang kata sandi {username}"),
        mail: "Email",
        link: "Tautan",
        address: "Alamat email",
        asked: "Diminta pada",
        ends: "Tautan berlaku sampai",
        reason: "Alasan",
        code: "Kode bantuan",
        again: "Lihat lagi",
        back: "Kembali ke daftar pengguna",
        delivery,
        link_state: |state| match state {
            LinkState::NotIssued | LinkState::Unspecified => "",
            LinkState::Live => "masih berlaku",
            LinkState::Completed => "sudah dipakai, kata sandi baru telah dibuat",
            LinkState::Expired => "kedaluwarsa",
            LinkState::Revoked => "dicabut",
        },
        next,
    },
    failure: Failure {
        malformed: ("Permintaan tidak dapat dibaca", "Silakan muat ulang halaman sebelumnya, lalu coba lagi."),
        foreign: (
            "Formulir ini tidak berlaku lagi",
            "Belum ada yang berubah. Buka lagi halamannya, pastikan peramban Anda menerima cookie, lalu coba lagi.",
        ),
        forbidden: ("Hanya untuk admin", "Halaman ini hanya dapat dibuka oleh admin organisasi Anda."),
        absent: ("Halaman tidak ditemukan", "Tidak ada halaman di alamat ini. Mungkin alamatnya salah ketik."),
        method: ("Halaman ini tidak dapat dibuka langsung", "Silakan mulai dari halaman masuk."),
        slow: ("Terlalu lama", "Isian Anda tidak tiba pada waktunya. Silakan coba lagi."),
        large: ("Isian terlalu panjang", "Isian Anda lebih panjang daripada yang dapat kami terima."),
        kind: ("Isian tidak dapat dibaca", "Silakan isi formulir di halaman kami."),
        busy: ("Terlalu banyak percobaan", "Silakan tunggu sebentar, lalu coba lagi."),
        away: ("Layanan sedang tidak dapat dihubungi", "Silakan coba beberapa saat lagi."),
        internal: (
            "Terjadi kesalahan di pihak kami",
            "Silakan coba lagi. Jika terulang, hubungi bantuan dan sebutkan kode di bawah ini.",
        ),
    },
};

fn duration(seconds: u64) -> String {
    match seconds {
        0..=90 => format!("{} detik", seconds.max(1)),
        _ => format!("{} menit", seconds.div_ceil(60)),
    }
}

fn hours(minutes: i64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} menit"),
        (hours, 0) => format!("{hours} jam"),
        (hours, minutes) => format!("{hours} jam {minutes} menit"),
    }
}

fn delivery(state: DeliveryState, reason: NotSentReason) -> &'static str {
    match state {
        DeliveryState::Unspecified | DeliveryState::Pending => "sedang disiapkan",
        DeliveryState::Queued => "menunggu dikirim",
        DeliveryState::Held => "tertahan di server email kami",
        DeliveryState::Deferred => "belum diterima, akan dicoba lagi",
        DeliveryState::Sent => "terkirim",
        DeliveryState::Unknown => "tidak diketahui apakah sampai",
        DeliveryState::Bounced => "ditolak oleh server email penerima",
        DeliveryState::NotSent => match reason {
            NotSentReason::NoAddress => "tidak dikirim: tidak ada alamat email",
            NotSentReason::AccountDisabled => "tidak dikirim: akun dinonaktifkan",
            NotSentReason::CoolingDown => "tidak dikirim: email sebelumnya masih berlaku",
            NotSentReason::Expired => "tidak dikirim: waktunya habis",
            NotSentReason::Revoked => "tidak dikirim: tautan sudah dicabut",
            NotSentReason::NoSuchAccount
            | NotSentReason::Parked
            | NotSentReason::Internal
            | NotSentReason::Unspecified => "tidak dikirim",
        },
    }
}

fn next(state: DeliveryState, reason: NotSentReason) -> &'static str {
    match (state, reason) {
        (DeliveryState::Pending | DeliveryState::Queued | DeliveryState::Unspecified, _) => {
            "Biasanya email terkirim dalam beberapa detik. Silakan lihat lagi nanti."
        }
        (DeliveryState::Sent, _) => "Minta pengguna memeriksa kotak masuk dan folder spam.",
        (DeliveryState::Held, _) => "Tidak ada yang perlu dilakukan. Email dikirim begitu server email kami pulih.",
        (DeliveryState::Deferred, _) => "Tunggu percobaan berikutnya, atau periksa apakah alamat emailnya sudah benar.",
        (DeliveryState::Unknown, _) => "Tanyakan kepada pengguna apakah emailnya sampai. Jika belum, kirim lagi.",
        (DeliveryState::Bounced, _) => "Perbaiki alamat email pengguna di data pengguna, lalu kirim lagi.",
        (DeliveryState::NotSent, NotSentReason::NoAddress) => {
            "Isi alamat email pengguna di data pengguna, lalu kirim lagi."
        }
        (DeliveryState::NotSent, NotSentReason::AccountDisabled) => "Aktifkan dahulu akunnya, lalu kirim lagi.",
        (DeliveryState::NotSent, NotSentReason::CoolingDown) => "Minta pengguna memakai tautan di email sebelumnya.",
        (DeliveryState::NotSent, _) => "Kirim lagi. Jika terulang, hubungi bantuan.",
    }
}
