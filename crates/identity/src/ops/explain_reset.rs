//! ExplainReset: support's answer to "the mail never came".

use runtime::trace::about_resets;

use super::call::Call;
use super::error::{Error, Result};
use super::get_reset::{ResetKey, find};
use crate::domain::address::Address;
use crate::domain::explain::{AccountFacts, AddressFacts, Explanation, Facts, ResetFacts, explain};
use crate::domain::identifier::Identifier;
use crate::domain::locale::Locale;
use crate::domain::names::Reason;
use crate::domain::smtp_code::Answer;
use crate::domain::states::UserState;
use crate::domain::time_zone::TimeZone;
use crate::domain::username::canonical_for_lookup;
use crate::service::Service;
use crate::store::delivery_attempts::Attempt;
use crate::store::resets::{self, Filter, Reset};
use crate::store::users::{self, Person};
use crate::store::{StoreError, Transaction, audit};

/// Resets shown at most, newest first.
const SHOWN: i64 = 10;

/// By what the question is asked.
pub enum ExplainKey {
    /// A name, as somebody says it.
    Username(Identifier),
    /// A reset, or a support code.
    Reset(ResetKey),
}

/// What was asked.
pub struct ExplainReset {
    /// About whom or what.
    pub key: ExplainKey,
    /// Language of the answer.
    pub locale: Locale,
    /// Why the question is asked.
    pub reason: Option<Reason>,
}

/// The answer.
pub struct Explained {
    /// What happened and what to do.
    pub explanation: Explanation,
    /// The account, if there is one.
    pub person: Option<Person>,
    /// Its resets, or those that were asked about.
    pub resets: Vec<Reset>,
}

/// Explains; every use is audited.
///
/// # Errors
/// `RESET_NOT_FOUND` for an unknown id or code, or the database's. An unknown name is an answer, not an error.
pub async fn explain_reset(service: &Service, call: &Call, command: ExplainReset) -> Result<Explained> {
    call.note(|facts| facts.reason = command.reason.as_ref().map_or(String::new(), |r| r.as_str().into()));
    let mut transaction = service.store.begin_snapshot().await?;
    let (person, resets) = match &command.key {
        ExplainKey::Username(username) => by_username(&mut transaction, username).await?,
        ExplainKey::Reset(key) => by_reset(&mut transaction, key).await?,
    };
    if let Some(person) = &person {
        call.note_person(person);
    } else if let ExplainKey::Username(username) = &command.key {
        call.note(|facts| facts.subject_digest = Some(service.digests.subject(username.as_str())));
    }
    let now = crate::store::now(&mut transaction).await?;
    let zone = person.as_ref().map_or("Asia/Jakarta", |person| person.organization.time_zone.as_str());
    let facts = Facts {
        now,
        zone: TimeZone::parse(zone).map_err(|problem| Error::Internal(anyhow::anyhow!("time zone: {problem}")))?,
        account: person.as_ref().map(account_facts),
        resets: resets.iter().map(reset_facts).collect(),
    };
    let explanation = explain(&facts, command.locale);
    audit::append(&mut transaction, &[call.audit_success(service)]).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(Explained { explanation, person, resets })
}

async fn by_username(transaction: &mut Transaction, username: &Identifier) -> Result<(Option<Person>, Vec<Reset>)> {
    let person = match canonical_for_lookup(username.as_str()) {
        Some(username) => users::by_username(transaction, &username).await?,
        None => None,
    };
    let resets = match &person {
        Some(person) => {
            let filter = Filter { organization_id: None, user_id: Some(person.user_id), cursor: None };
            resets::list(transaction, &filter, SHOWN).await?
        }
        None => Vec::new(),
    };
    Ok((person, resets))
}

async fn by_reset(transaction: &mut Transaction, key: &ResetKey) -> Result<(Option<Person>, Vec<Reset>)> {
    let resets = find(transaction, key).await?;
    let first = resets.first().ok_or(Error::ResetNotFound)?;
    about_resets(resets.iter().map(|reset| reset.reset_id));
    let person = match first.user_id {
        Some(user_id) => users::by_id(transaction, user_id).await?,
        None => None,
    };
    Ok((person, resets))
}

fn account_facts(person: &Person) -> AccountFacts {
    let masked = || person.email.clone().and_then(Address::from_stored).map_or(String::new(), |email| email.masked());
    AccountFacts {
        active: person.state == UserState::Active,
        organization_active: !person.organization.suspended,
        address: match (&person.email, &person.undeliverable_since) {
            (None, _) => AddressFacts::Missing,
            (Some(_), None) => AddressFacts::Ok { masked: masked() },
            (Some(_), Some(_)) => AddressFacts::Undeliverable {
                masked: masked(),
                code: person.undeliverable_code.clone().unwrap_or_default(),
            },
        },
    }
}

fn reset_facts(reset: &Reset) -> ResetFacts {
    ResetFacts {
        kind: reset.kind,
        delivery: reset.delivery_state,
        not_sent_reason: reset.not_sent_reason,
        link: reset.link_state,
        revoke_cause: reset.revoke_cause,
        request_time: reset.request_time,
        expire_time: reset.expire_time,
        view_time: reset.view_time,
        complete_time: reset.complete_time,
        next_attempt_time: reset.next_attempt_time,
        hold_time: reset.hold_time,
        cool_until: reset.cool_until,
        answer: reset.attempts.last().map(answer).unwrap_or_default(),
    }
}

fn answer(attempt: &Attempt) -> Answer {
    Answer { code: attempt.smtp_code, enhanced_code: attempt.enhanced_code.clone(), phase: attempt.phase.clone() }
}
