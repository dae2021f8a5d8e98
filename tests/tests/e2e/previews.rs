//! Every mail there is, as `mailer preview --all` writes them.

use std::{fs, path::PathBuf, process::Command};

/// Kinds and languages.
pub const COUNT: usize = 7 * 2;

/// All of them in a folder of their own.
pub struct Previews(tempfile::TempDir);

impl Previews {
    /// Has the mailer write them.
    pub fn write() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let mut command = Command::new(e2e::program("mailer"));
        let output = command.args(["preview", "--all", "--directory"]).arg(folder.path()).output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(folder)
    }

    /// The files with this extension, whose names end in this language if there is one, in order.
    pub fn files(&self, locale: &str, extension: &str) -> Vec<PathBuf> {
        let end = format!("{locale}.{extension}");
        let all = fs::read_dir(self.0.path()).expect("it is there").map(|entry| entry.expect("it is there").path());
        let mut files: Vec<PathBuf> = all.filter(|path| path.display().to_string().ends_with(&end)).collect();
        files.sort();
        files
    }
}

#[test]
fn every_mail_is_written_in_each_language_and_form() {
    let previews = Previews::write();
    for (extension, begin) in [("html", "<!doctype html>"), ("eml", "From: "), ("txt", "Ha")] {
        let files = previews.files("", extension);
        assert_eq!(files.len(), COUNT, "{extension}");
        for file in files {
            let text = fs::read_to_string(&file).expect("it can be read");
            let begins = text.starts_with(begin) || (extension == "txt" && text.starts_with("He"));
            assert!(begins, "{}: {}", file.display(), &text[..40]);
        }
    }
}
