//! Looks for secrets in places where none may rest.

mod encodings;
pub mod registry;
mod scanner;

pub use scanner::{Hit, Kind, LENGTH_MIN, Scanner, Secret};
