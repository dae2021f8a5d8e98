//! Whether a page is kind to people: axe-core's judgement, contrast, and width.

use std::{env, fs};

use serde_json::Value;

use super::{Scheme, Window};

/// A narrow telephone and a desk.
pub const WIDTHS: [u32; 2] = [320, 1200];

/// WCAG 2.2, 1.4.3 for text of ordinary size; we hold large text to it too.
const CONTRAST: f64 = 4.5;

const RUN_AXE: &str = "
    const done = arguments[arguments.length - 1];
    axe.run(document, { resultTypes: ['violations'] }).then(
        result => done(result.violations.map(found => found.id + ': ' + found.help + '\\n    ' +
            found.nodes.map(node => node.target.join(' ') + ' ' + node.failureSummary).join('\\n    '))),
        error => done(['axe failed: ' + error]));";

/// The script that whoever started the tests brought.
pub(super) fn axe() -> String {
    let Some(file) = env::var_os("SANDI_TEST_AXE") else {
        panic!("axe-core is needed: run these tests with `cargo xtask test browser::`");
    };
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

impl Window {
    /// Judges the page in both schemes and at both widths.
    ///
    /// # Panics
    /// With all that is wrong with it, under the name `what`.
    pub async fn is_kind(&self, what: &str) {
        let wrong = self.faults().await;
        assert!(wrong.is_empty(), "{what}:\n  {}", wrong.join("\n  "));
    }

    /// All that is wrong with the page.
    pub async fn faults(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for scheme in Scheme::ALL {
            for width in WIDTHS {
                self.look(width, scheme).await;
                let overflow = self.browser.overflow().await.expect("the page answers");
                if overflow > 0 {
                    wrong.push(format!("{width} px: {overflow} px too wide"));
                }
            }
            wrong.extend(self.low_contrast().await.into_iter().map(|text| format!("{}: {text}", scheme.name())));
            wrong.extend(self.violations().await.into_iter().map(|text| format!("{}: {text}", scheme.name())));
        }
        wrong
    }

    /// What axe-core finds, by all of its rules.
    async fn violations(&self) -> Vec<String> {
        let known = self.run("return typeof axe === 'object';", &[]).await;
        if known != Value::Bool(true) {
            self.run(&self.axe, &[]).await;
        }
        let found = self.browser.run_async(RUN_AXE, &[]).await.unwrap_or_else(|error| panic!("{error:#}"));
        serde_json::from_value(found).expect("a list of texts")
    }

    /// Every visible text whose colour is too near to what is behind it, by our own reckoning: axe gives up where it is
    /// not sure.
    async fn low_contrast(&self) -> Vec<String> {
        let found = self.run(include_str!("contrast.js"), &[CONTRAST.into()]).await;
        serde_json::from_value(found).expect("a list of texts")
    }
}
