use std::time::Instant;

use runtime::trace::TraceContext;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::domain::locale::Locale;
use crate::domain::states::UserState;
use crate::hasher::Patience;
use crate::ops::call::Requester;
use crate::store::organizations::Organization;

const KOPI: Uuid = Uuid::from_u128(1);
const LAIN: Uuid = Uuid::from_u128(2);
const ACTOR: Uuid = Uuid::from_u128(3);
const ROLES: [Role; 3] = [Role::Member, Role::Admin, Role::Owner];

fn person(organization_id: Uuid, role: Role) -> Person {
    let organization = Organization {
        organization_id,
        slug: "kopi".to_owned(),
        display_name: "Kopi".to_owned(),
        locale: Locale::default(),
        time_zone: "Asia/Jakarta".to_owned(),
        link_base: "https://crm.example".to_owned(),
        support_contact: String::new(),
        sender_name: String::new(),
        reply_to: String::new(),
        suspended: false,
        password_min_length: 15,
    };
    let time = OffsetDateTime::UNIX_EPOCH;
    Person {
        user_id: ACTOR,
        username: "ani".to_owned(),
        display_name: String::new(),
        email: None,
        own_locale: None,
        role,
        state: UserState::Active,
        password_hash: None,
        credential_version: 1,
        password_change_time: None,
        address_change_time: time,
        undeliverable_since: None,
        undeliverable_code: None,
        create_time: time,
        update_time: time,
        organization,
    }
}

fn caller(scopes: &[Scope]) -> Caller {
    Caller { name: "crm".into(), scopes: scopes.iter().copied().collect() }
}

fn call(scopes: &[Scope]) -> Call {
    let patience = Patience { deadline: Instant::now(), gone: CancellationToken::new() };
    Call::new("AdminReset", caller(scopes), Requester::default(), patience, TraceContext::default())
}

fn acting(role: Role) -> Authority {
    Authority::Actor(Box::new(person(KOPI, role)))
}

#[test]
fn an_actor_is_asked_for_where_the_caller_may_only_act_for_one_and_heard_where_it_may() {
    let rule = rules::of("AdminReset");
    let claim = ActorClaim::Proven(ACTOR);
    let needed = |scopes: &[Scope], claim| needed(rule, &caller(scopes), claim).map(|claim| claim.is_some());
    assert!(!needed(&[Scope::SupportAct], None).expect("support acts alone"));
    assert!(needed(&[Scope::PasswordAdmin], Some(&claim)).expect("for an admin"));
    assert!(needed(&[Scope::PasswordAdmin, Scope::SupportAct], Some(&claim)).expect("for an admin"));
    assert!(!needed(&[Scope::PasswordAdmin, Scope::SupportAct], None).expect("alone"));
    assert!(matches!(needed(&[Scope::PasswordAdmin], None), Err(Error::Fields(_))), "nobody is named");
    for claim in [None, Some(&claim)] {
        let refused = needed(&[Scope::PasswordReset, Scope::AssertActor], claim);
        assert!(matches!(refused, Err(Error::ScopeMissing(Scope::PasswordAdmin))));
    }
    let alone = needed(&[Scope::SupportAct], Some(&claim));
    assert!(matches!(alone, Err(Error::ScopeMissing(_))), "a claim that the caller may not make is not dropped");
}

#[test]
fn a_proven_actor_is_believed_and_an_asserted_one_of_callers_who_may_assert() {
    let (trusted, other) = (call(&[Scope::PasswordAdmin, Scope::AssertActor]), call(&[Scope::PasswordAdmin]));
    for call in [&trusted, &other] {
        assert_eq!(believed(call, &ActorClaim::Proven(ACTOR)).expect("signed"), ACTOR);
        assert!(matches!(believed(call, &ActorClaim::Refused("expired")), Err(Error::ActorInvalid)));
    }
    assert_eq!(believed(&trusted, &ActorClaim::Asserted(ACTOR)).expect("it may assert"), ACTOR);
    let refused = believed(&other, &ActorClaim::Asserted(ACTOR));
    assert!(matches!(refused, Err(Error::ScopeMissing(Scope::AssertActor))));
}

#[test]
fn only_an_active_admin_of_an_active_organisation_acts() {
    let call = call(&[]);
    assert!(matches!(admin(&call, None), Err(Error::ActorInvalid)));
    assert!(call.is_refused_for("unknown actor"));
    let disabled = Person { state: UserState::Disabled, ..person(KOPI, Role::Owner) };
    assert!(matches!(admin(&call, Some(disabled)), Err(Error::ActorInvalid)));
    assert!(call.is_refused_for("actor disabled"));
    let mut suspended = person(KOPI, Role::Owner);
    suspended.organization.suspended = true;
    assert!(matches!(admin(&call, Some(suspended)), Err(Error::ActorInvalid)));
    assert!(call.is_refused_for("actor's organisation suspended"));
    assert!(matches!(admin(&call, Some(person(KOPI, Role::Member))), Err(Error::ActorNotAllowed)));
    assert!(call.is_refused_for("actor is a member"));
    for role in [Role::Admin, Role::Owner] {
        assert_eq!(admin(&call, Some(person(KOPI, role))).expect("an admin").role, role);
    }
}

#[test]
fn an_actor_sees_the_own_organisation_and_a_caller_all() {
    let actor = acting(Role::Owner);
    assert!(actor.sees(Some(KOPI)) && !actor.sees(Some(LAIN)) && !actor.sees(None));
    assert!(Authority::Caller.sees(Some(LAIN)) && Authority::Caller.sees(None));
    assert!(actor.actor().is_some() && Authority::Caller.actor().is_none());
}

#[test]
fn rank_decides_who_resets_whom_who_grants_what_and_whose_standing_can_be_changed() {
    let call = &call(&[]);
    for of_actor in ROLES {
        let authority = acting(of_actor);
        for of_target in ROLES {
            let target = person(KOPI, of_target);
            assert_eq!(
                may_reset(call, &authority, &target).is_ok(),
                of_target <= of_actor,
                "{of_actor:?} {of_target:?}"
            );
            assert_eq!(
                may_grant(call, &authority, of_target).is_ok(),
                of_target <= of_actor,
                "{of_actor:?} {of_target:?}"
            );
            let changed = may_change_standing(call, &authority, &target);
            assert_eq!(changed.is_ok(), of_target < of_actor, "{of_actor:?} {of_target:?}");
        }
        let elsewhere = may_reset(call, &authority, &person(LAIN, Role::Member));
        assert!(matches!(elsewhere, Err(Error::UserNotFound)), "{of_actor:?}");
    }
    for role in ROLES {
        let target = person(LAIN, role);
        assert!(
            may_reset(call, &Authority::Caller, &target).is_ok() && may_grant(call, &Authority::Caller, role).is_ok()
        );
        assert!(may_change_standing(call, &Authority::Caller, &target).is_ok());
    }
}

#[test]
fn two_actors_make_two_fingerprints_and_a_token_none_of_its_own() {
    let of = |claim: &ActorClaim| ActorClaim::fingerprint(Some(claim)).to_vec();
    assert_eq!(of(&ActorClaim::Proven(ACTOR)), ACTOR.as_bytes());
    assert_eq!(of(&ActorClaim::Asserted(ACTOR)), of(&ActorClaim::Proven(ACTOR)));
    assert_ne!(of(&ActorClaim::Proven(KOPI)), of(&ActorClaim::Proven(ACTOR)));
    assert!(of(&ActorClaim::Refused("expired")).is_empty() && ActorClaim::fingerprint(None).is_empty());
}
