//! The contract in Rust, generated from `proto/` at build time, and the codec it travels with.
//!
//! - [`identity::v1`]: the calls, their messages, and the reasons of errors
//! - [`identity::events::v1`]: what the identity service tells the mailer and the CRM
//! - [`mailer::events::v1`]: what the mailer tells the identity service
//! - [`FILE_DESCRIPTOR_SET`]: all of it with comments, for server reflection
//!
//! What each element means stands in the proto files, and so in the documentation of the generated
//! code. Fields that the contract marks `debug_redact` (passwords, tokens, links, addresses,
//! usernames) are left out of `Debug`.

#![expect(
    clippy::doc_lazy_continuation,
    reason = "generated from the comments of the proto files, whose lists lose their indent"
)]

mod code;
pub mod codec;

pub use code::code_name;

/// `sandi.identity`.
pub mod identity {
    /// The calls, their messages, and the reasons of errors.
    pub mod v1 {
        tonic::include_proto!("sandi.identity.v1");
    }
    /// What the identity service tells the mailer and the CRM.
    pub mod events {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("sandi.identity.events.v1");
        }
    }
}

/// `sandi.mailer`.
pub mod mailer {
    /// What the mailer tells the identity service.
    pub mod events {
        /// Version 1.
        pub mod v1 {
            tonic::include_proto!("sandi.mailer.events.v1");
        }
    }
}

/// Who may make a call: the option `access` of its method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// `/package.Service/Method`.
    pub path: &'static str,
    /// Scopes of which any will do without an actor.
    pub scopes: &'static [&'static str],
    /// Scope for a call on an actor's behalf; empty: the call has no actor.
    pub actor_scope: &'static str,
}

/// Who may make which call, of every call there is.
pub const ACCESS: &[Access] = include!(concat!(env!("OUT_DIR"), "/access.rs"));

/// The descriptors of every file, with imports and comments, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

#[cfg(test)]
mod tests;
