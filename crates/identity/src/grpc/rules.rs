//! What a caller needs for each RPC. An RPC that is not here cannot be called; a test holds this table
//! against the proto files.

use crate::ops::call::Scope;

/// One RPC.
pub struct RpcRule {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// Any of these will do; the operation looks closer where an actor matters.
    pub scopes: &'static [Scope],
}

impl RpcRule {
    /// The RPC's name.
    pub fn rpc(&self) -> &'static str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

macro_rules! rules {
    ($($service:ident / $method:ident: $($scope:ident)|+;)*) => {
        &[$(RpcRule {
            path: concat!("/sandi.identity.v1.", stringify!($service), "/", stringify!($method)),
            scopes: &[$(Scope::$scope),+],
        }),*]
    };
}

/// The table of the design, "Who may call what".
pub const RULES: &[RpcRule] = rules! {
    IdentityService / RequestReset: PasswordReset;
    IdentityService / CheckReset: PasswordReset;
    IdentityService / CompleteReset: PasswordReset;
    IdentityService / ChangePassword: PasswordChange;
    IdentityService / AdminReset: PasswordAdmin | SupportAct;
    IdentityService / VerifyPassword: PasswordVerify;
    DirectoryService / CreateOrganization: DirectoryWrite;
    DirectoryService / GetOrganization: DirectoryRead;
    DirectoryService / UpdateOrganization: DirectoryWrite;
    DirectoryService / CreateUser: DirectoryWrite | DirectoryAdmin;
    DirectoryService / GetUser: DirectoryRead;
    DirectoryService / ListUsers: DirectoryRead | SupportRead;
    DirectoryService / UpdateUser: DirectoryWrite | DirectoryAdmin | SupportAct;
    SupportService / GetReset: DirectoryRead | SupportRead;
    SupportService / ListResets: DirectoryRead | SupportRead;
    SupportService / RevokeReset: PasswordAdmin;
    SupportService / ExplainReset: SupportRead;
    SupportService / ListAuditEvents: AuditRead;
};

/// The rule of a path.
pub fn rule(path: &str) -> Option<&'static RpcRule> {
    RULES.iter().find(|rule| rule.path == path)
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
    }
}
