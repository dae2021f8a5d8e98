//! Who may make which call: the option `access` of each method, as a table in Rust. prost drops the options of others.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use protox::prost_reflect::{DescriptorPool, ExtensionDescriptor, MethodDescriptor, Value};

const PACKAGE: &str = "sandi.identity.v1";

/// Writes the table. A method without the option ends the build.
pub fn write(out: &Path, pool: &DescriptorPool) -> io::Result<()> {
    let option = pool.get_extension_by_name(&format!("{PACKAGE}.access")).expect("access.proto declares it");
    let mut code = String::from("&[\n");
    for service in pool.services().filter(|service| service.package_name() == PACKAGE) {
        for method in service.methods() {
            let (scopes, actor_scope) = access(&method, &option);
            let path = format!("/{}/{}", service.full_name(), method.name());
            let _ = writeln!(code, "Access {{ path: {path:?}, scopes: &{scopes:?}, actor_scope: {actor_scope:?} }},");
        }
    }
    code.push(']');
    fs::write(out.join("access.rs"), code)
}

fn access(method: &MethodDescriptor, option: &ExtensionDescriptor) -> (Vec<String>, String) {
    let options = method.options();
    assert!(options.has_extension(option), "{} does not say who may make it: option (access)", method.full_name());
    let value = options.get_extension(option);
    let access = value.as_message().expect("a message");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let scopes = access.get_field_by_name("scopes").expect("a field");
    let scopes: Vec<String> = scopes.as_list().expect("a list").iter().map(text).collect();
    let actor_scope = text(&access.get_field_by_name("actor_scope").expect("a field"));
    let has_actor = method.input().get_field_by_name("actor").is_some();
    assert_eq!(has_actor, !actor_scope.is_empty(), "{}: an actor and a scope for it go together", method.full_name());
    assert!(has_actor || !scopes.is_empty(), "{}: nobody may make it", method.full_name());
    (scopes, actor_scope)
}
