//! Indonesian, spelled right.

use std::{fs, io::Write, process::Stdio};

use crate::previews::Previews;

/// Right, and not in the dictionary (hunspell-id 7.5 has roots, names and few verbs): each with its reason.
const KNOWN: &[(&str, &str)] = &[
    ("hubungi", "imperative of menghubungi"),
    ("sebutkan", "imperative of menyebutkan"),
    ("admin", "KBBI: administrator, in everyday words"),
    ("Selasa", "Tuesday"),
    ("WIB", "Waktu Indonesia Barat, the time zone"),
];

/// Names in the made-up mails: people, products, devices.
const NAMES: &[&str] = &["Santoso", "Nusa", "CRM", "Priangan", "Windows", "Firefox", "Chrome", "Android"];

#[test]
fn every_indonesian_mail_is_spelled_right() {
    let previews = Previews::write();
    let mut wrong = Vec::new();
    for file in previews.files("id", "txt") {
        let text = fs::read_to_string(&file).expect("it can be read");
        // Links and the code for support are no words.
        let prose = text.lines().filter(|line| !line.contains("://") && !line.starts_with("Kode bantuan:"));
        let prose = prose.collect::<Vec<_>>().join("\n").replace("7Q2MK-XTD4B", "");
        let unknown = unknown(&prose);
        wrong.extend(unknown.into_iter().map(|word| format!("{}: {word}", file.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_misspelled_word_would_be_noticed() {
    for word in ["kadaluarsa", "silahkan", "sandii", "tauttan"] {
        assert_eq!(unknown(&format!("Tautan ini {word} sampai pukul")), [word]);
    }
}

/// The words that are neither in the dictionary nor in our lists.
fn unknown(text: &str) -> Vec<String> {
    let mut command = std::process::Command::new("hunspell");
    command.args(["-d", "id_ID", "-i", "UTF-8", "-l"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("hunspell is there: run with `cargo xtask test spelling::`");
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    let words = String::from_utf8(output.stdout).expect("UTF-8");
    let known = |word: &&str| NAMES.contains(word) || KNOWN.iter().any(|(known, _)| known.eq_ignore_ascii_case(word));
    words.lines().filter(|word| !word.is_empty() && !known(word)).map(str::to_owned).collect()
}
