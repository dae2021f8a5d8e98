//! The contract as data: its calls and their messages, read from the descriptors that the proto files compile to.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use serde_json::Value;

/// The package of the calls.
pub const PACKAGE: &str = "sandi.identity.v1";

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).expect("the contract's own descriptors are readable")
});

/// Every call of the contract, in the order of the proto files.
pub fn rpcs() -> Vec<MethodDescriptor> {
    let services = POOL.services().filter(|service| service.package_name() == PACKAGE);
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// The call of that name.
///
/// # Panics
/// When there is none.
pub fn rpc(name: &str) -> MethodDescriptor {
    rpcs().into_iter().find(|rpc| rpc.name() == name).unwrap_or_else(|| panic!("there is no call {name}"))
}

/// `/package.Service/Method`.
pub fn path(rpc: &MethodDescriptor) -> String {
    format!("/{}/{}", rpc.parent_service().full_name(), rpc.name())
}

/// The names of an enum's values without their prefix and without the zero value, such as `FIELD_INVALID` of
/// `ErrorReason`.
///
/// # Panics
/// When there is no such enum.
pub fn names(name: &str, prefix: &str) -> Vec<String> {
    let found =
        POOL.get_enum_by_name(&format!("{PACKAGE}.{name}")).unwrap_or_else(|| panic!("there is no enum {name}"));
    let values: Vec<_> = found.values().filter(|value| value.number() != 0).collect();
    let names = values.iter().map(|value| value.name().strip_prefix(prefix).expect("values carry the enum's prefix"));
    names.map(ToOwned::to_owned).collect()
}

/// A request from its JSON form.
///
/// # Panics
/// When it does not fit.
pub fn request(rpc: &MethodDescriptor, json: Value) -> DynamicMessage {
    let message = DynamicMessage::deserialize(rpc.input(), json);
    message.unwrap_or_else(|error| panic!("{}: {error}", rpc.input().full_name()))
}

/// The bytes of a request from its JSON form.
///
/// # Panics
/// As [`request`].
pub fn encoded(rpc: &MethodDescriptor, json: Value) -> Vec<u8> {
    request(rpc, json).encode_to_vec()
}
