//! The contract, generated from `proto/` at build time, and the codec it travels with.

#![expect(missing_docs, reason = "the comments stand in the proto files")]

pub mod codec;

/// `sandi.identity`.
pub mod identity {
    /// The calls and their messages.
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

/// The descriptors of every file, with imports and comments, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
