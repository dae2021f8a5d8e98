//! What the operating system tells of a program.

use e2e::{World, world::Program};

/// Kibibytes of memory that the identity process holds.
pub fn memory(world: &World) -> u64 {
    let status = read(world, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it tells its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Seconds of processor time that it has used.
pub fn processor(world: &World) -> f64 {
    let stat = read(world, "stat");
    let after_name = stat.rsplit_once(") ").expect("its name stands in brackets").1;
    let fields: Vec<&str> = after_name.split(' ').collect();
    // utime and stime, fields 14 and 15 of the whole line, in hundredths of a second.
    let ticks = |index: usize| fields[index].parse::<u32>().expect("a number");
    f64::from(ticks(11) + ticks(12)) / 100.0
}

fn read(world: &World, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{}/{file}", world.pid(Program::Identity, 0))).expect("it runs")
}
