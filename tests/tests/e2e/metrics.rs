//! What a program counts, as its metrics page shows it.

use e2e::{World, world::Program};

/// The sum of a metric over all lines whose labels contain `label`; 0 when there is none.
///
/// # Panics
/// When the page has a line without a number.
pub fn sum(world: &World, program: Program, name: &str, label: &str) -> f64 {
    let page = world.admin(program, 0, "/metrics").body;
    let lines = page.lines().filter(|line| line.starts_with(name) && line.contains(label));
    let value = |line: &str| line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok());
    lines.map(|line| value(line).unwrap_or_else(|| panic!("no number: {line}"))).sum()
}
