//! The tools of every explanation: a language, the zone's clock, and phrases that come back.

use time::OffsetDateTime;

use super::{AddressFacts, Explanation, Facts, ResetFacts};
use crate::domain::locale::Locale;
use crate::domain::moment::{clock, moment};
use crate::domain::states::ResetKind;

/// Speaks one language about one set of facts.
#[derive(Clone, Copy)]
pub(super) struct Voice<'a> {
    pub(super) facts: &'a Facts,
    pub(super) locale: Locale,
}

/// A step in Indonesian and English.
pub(super) type Step = (&'static str, &'static str);

pub(super) const ASK_AGAIN: Step = ("Minta tautan baru.", "Ask for a new link.");
pub(super) const SEARCH_THE_MAILBOX: Step = (
    "Minta pengguna memeriksa kotak masuk, folder spam, dan folder promosi.",
    "Have the user look in the inbox and in the folders for spam and promotions.",
);

impl Voice<'_> {
    /// A moment on the organisation's clocks; of today the time alone.
    pub(super) fn at(self, time: OffsetDateTime) -> String {
        let zone = &self.facts.zone;
        let today = zone.local(time).date() == zone.local(self.facts.now).date();
        if today { clock(time, zone, self.locale) } else { moment(time, zone, self.locale) }
    }

    /// What started a reset, as a part of a sentence.
    pub(super) fn request(self, reset: &ResetFacts) -> String {
        let at = self.at(reset.request_time);
        let (id, en) = match reset.kind {
            ResetKind::SelfService => ("permintaan", "the request"),
            ResetKind::Admin => ("permintaan admin", "the administrator's request"),
            ResetKind::Invitation => ("undangan", "the invitation"),
        };
        self.locale.pick(format!("{id} {at}"), format!("{en} of {at}"))
    }

    /// A moment that should be on record.
    pub(super) fn maybe_at(self, time: Option<OffsetDateTime>) -> String {
        let unrecorded = || self.locale.pick("waktu yang tidak tercatat", "a time that is not on record").to_owned();
        time.map_or_else(unrecorded, |time| self.at(time))
    }

    /// The address in the form that support may see.
    pub(super) fn address(self) -> String {
        match self.facts.account.as_ref().map(|account| &account.address) {
            Some(AddressFacts::Ok { masked } | AddressFacts::Undeliverable { masked, .. }) => masked.clone(),
            Some(AddressFacts::Missing) | None => self.locale.pick("alamat pengguna", "the user's address").to_owned(),
        }
    }

    /// An explanation in this voice's language.
    pub(super) fn explain(self, id: String, en: String, steps: &[Step]) -> Explanation {
        let next_steps = steps.iter().map(|step| self.step(*step)).collect();
        Explanation { summary: capitalised(&self.say(id, en)), next_steps }
    }

    /// A step in this voice's language.
    pub(super) fn step(self, (id, en): Step) -> String {
        self.locale.pick(id, en).to_owned()
    }

    /// A sentence that holds facts.
    pub(super) fn say(self, id: String, en: String) -> String {
        self.locale.pick(id, en)
    }
}

fn capitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect()
}
