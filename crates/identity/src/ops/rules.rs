//! What a caller needs for each call. The contract says it: the option `access` of each method.

use std::sync::LazyLock;

use super::call::{Caller, Scope};

/// What a caller needs for one call.
pub struct Rule {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// Any of these will do when no actor is given.
    pub scopes: Vec<Scope>,
    /// What it takes to make the call for an actor; none: no actor helps.
    pub actor_scope: Option<Scope>,
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let scope = |name: &&str| Scope::parse(name).unwrap_or_else(|| panic!("the contract names no scope {name}"));
    let rule = |access: &proto::Access| Rule {
        path: access.path,
        scopes: access.scopes.iter().map(scope).collect(),
        actor_scope: (!access.actor_scope.is_empty()).then(|| scope(&access.actor_scope)),
    };
    proto::ACCESS.iter().map(rule).collect()
});

/// The rule of a path; none: there is no such call.
pub fn by_path(path: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.path == path)
}

/// The rule of a call.
///
/// # Panics
/// There is no such call.
pub fn of(rpc: &str) -> &'static Rule {
    RULES.iter().find(|rule| rule.rpc() == rpc).unwrap_or_else(|| panic!("there is no call {rpc}"))
}

impl Rule {
    /// The call's name.
    pub fn rpc(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }

    /// Whether the caller may make the call in any way; who the actor is, is seen later.
    pub fn admits(&self, caller: &Caller) -> bool {
        self.admits_alone(caller) || self.admits_with_actor(caller)
    }

    /// Whether the caller may make the call without an actor.
    pub fn admits_alone(&self, caller: &Caller) -> bool {
        self.scopes.iter().any(|scope| caller.has(*scope))
    }

    /// Whether the caller may make the call for an actor.
    pub fn admits_with_actor(&self, caller: &Caller) -> bool {
        self.actor_scope.is_some_and(|scope| caller.has(scope))
    }

    /// Whether the caller may make the call for an actor only.
    pub fn needs_actor(&self, caller: &Caller) -> bool {
        self.admits_with_actor(caller) && !self.admits_alone(caller)
    }

    /// The scope that a caller who has none is told to ask for.
    pub fn named(&self) -> Scope {
        self.actor_scope.or(self.scopes.first().copied()).unwrap_or(Scope::AssertActor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;

    use super::*;

    #[test]
    fn every_rpc_of_the_contract_has_a_rule_and_no_other_has_one() {
        let files = prost_types::FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).expect("decodes");
        let rpcs: BTreeSet<String> = files
            .file
            .iter()
            .filter(|file| file.package() == "sandi.identity.v1")
            .flat_map(|file| &file.service)
            .flat_map(|service| {
                service.method.iter().map(|method| format!("/sandi.identity.v1.{}/{}", service.name(), method.name()))
            })
            .collect();
        let ruled: BTreeSet<String> = RULES.iter().map(|rule| rule.path.to_owned()).collect();
        assert_eq!(rpcs, ruled);
        for path in rpcs {
            assert_eq!(by_path(&path).map(|rule| rule.path), Some(path.as_str()));
        }
        assert!(by_path("/sandi.identity.v1.IdentityService/").is_none());
    }

    fn caller(scopes: &[Scope]) -> Caller {
        Caller { name: "crm".into(), scopes: scopes.iter().copied().collect() }
    }

    #[test]
    fn a_call_without_an_actor_takes_its_scope() {
        let rule = of("RequestReset");
        assert_eq!((rule.rpc(), rule.named()), ("RequestReset", Scope::PasswordReset));
        let (good, bad) = (caller(&[Scope::PasswordReset]), caller(&[Scope::PasswordAdmin, Scope::AssertActor]));
        assert!(rule.admits(&good) && rule.admits_alone(&good));
        assert!(!rule.admits_with_actor(&good) && !rule.needs_actor(&good), "no actor helps");
        assert!(!rule.admits(&bad) && !rule.admits_alone(&bad) && !rule.admits_with_actor(&bad));
    }

    #[test]
    fn a_call_for_an_actor_takes_the_scope_for_it_or_one_that_needs_none() {
        let rule = of("AdminReset");
        assert_eq!(rule.named(), Scope::PasswordAdmin);
        let [admin, support] = [Scope::PasswordAdmin, Scope::SupportAct];
        let seen = |scopes: &[Scope]| {
            let caller = caller(scopes);
            [
                rule.admits(&caller),
                rule.admits_alone(&caller),
                rule.admits_with_actor(&caller),
                rule.needs_actor(&caller),
            ]
        };
        assert_eq!(seen(&[admin]), [true, false, true, true]);
        assert_eq!(seen(&[support]), [true, true, false, false]);
        assert_eq!(seen(&[admin, support]), [true, true, true, false]);
        assert_eq!(seen(&[Scope::PasswordReset]), [false; 4]);
    }
}
