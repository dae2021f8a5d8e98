//! What the operating system allows this process.

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// No dump of this process's memory, which holds passwords and keys: not when it crashes, and not for a debugger of
/// the same user (`PR_SET_DUMPABLE`; a limit alone does not bind a core pattern that is a pipe).
///
/// # Errors
/// The system refuses.
pub fn forbid_dumps() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Raises the number of descriptors that this process may have open to what it may raise it to, and gives it;
/// `usize::MAX` without a limit.
pub fn raise_descriptors() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let number = if raised.is_ok() { limit.maximum } else { limit.current };
    number.map_or(usize::MAX, |number| usize::try_from(number).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use rustix::process::dumpable_behavior;

    use super::*;

    #[test]
    fn neither_a_limit_nor_the_process_itself_allows_a_dump() {
        forbid_dumps().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
    }
}
