//! The operations, one file for each RPC, and what they share.

pub mod access;
pub mod admin_reset;
pub mod call;
pub mod change_password;
pub mod check_reset;
pub mod complete_reset;
pub mod create_organization;
pub mod create_user;
pub mod credentials;
pub mod error;
pub mod explain_reset;
pub mod get_organization;
pub mod get_reset;
pub mod get_user;
pub mod guesses;
pub mod idempotency;
pub mod list_audit_events;
pub mod list_resets;
pub mod list_users;
pub mod pages;
pub mod request_reset;
pub mod revoke_reset;
pub mod rules;
pub mod update_organization;
pub mod update_user;
pub mod verify_password;

pub use call::Call;
pub use error::{Error, Result};
