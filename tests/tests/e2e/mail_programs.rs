//! What the mail programs of the world make of our HTML, as caniemail.com has tested them.

use std::{collections::BTreeSet, env, process::Command};

use crate::previews::Previews;

/// What some program does not know, and why the mail is whole without it.
const SPARE: &[(&str, &str)] = &[
    ("@media", "only refines: without it the mail is light everywhere, text and background set together"),
    ("<body> element", "replaced by a div; the outer table has the same colours"),
    ("display:none", "hides the preheader, as do max-height, overflow, opacity and mso-hide"),
    ("overflow", "as above"),
    ("opacity", "as above"),
    ("role attribute", "the tables are read as tables"),
    ("border-radius", "corners are square"),
    ("overflow-wrap", "word-break and word-wrap break long words in the others"),
    ("word-break", "as above"),
];

/// Reads files from its arguments; prints each feature that a program does not support.
const JUDGE: &str = "
    import fs from 'node:fs';
    const { doIUseEmail } = await import(process.argv[1]);
    const emailClients = ['gmail.*', 'outlook.*', 'apple-mail.*', 'yahoo.*', 'samsung-email.*'];
    for (const file of process.argv.slice(2)) {
        const verdict = doIUseEmail(fs.readFileSync(file, 'utf8'), { emailClients });
        for (const error of verdict.errors ?? []) console.log(error);
    }";

#[test]
fn no_mail_needs_what_a_mail_program_does_not_have() {
    let module = env::var_os("SANDI_TEST_DOIUSE").expect("run with `cargo xtask test mail_programs::`");
    let previews = Previews::write();
    let output = Command::new("node")
        .args(["--input-type=module", "--eval", JUDGE])
        .arg(module)
        .args(previews.files("", "html"))
        .output()
        .expect("node is there, since npm was");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let missed: BTreeSet<&str> = lines.lines().filter_map(|line| line.split('`').nth(1)).collect();
    let spare: BTreeSet<&str> = SPARE.iter().map(|(feature, _)| *feature).collect();
    assert_eq!(missed, spare, "judge what is new, and strike what is known everywhere by now");
}
