//! A crash leaves no memory behind.

use std::os::unix::process::ExitStatusExt;

use e2e::{World, world::Program};
use rustix::process::Signal;

#[tokio::test]
async fn a_crash_leaves_no_dump() {
    let mut world = World::build().gateway().start().await;
    for program in [Program::Identity, Program::Mailer, Program::Gateway] {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", world.pid(program, 0))).expect("it runs");
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("it has a limit");
        assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{}", program.name());
        let status = world.end_with(program, 0, Signal::ABORT);
        assert_eq!((status.signal(), status.core_dumped()), (Some(6), false), "{}", program.name());
    }
}
