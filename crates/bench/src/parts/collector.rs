//! What a collector that fails costs those who call: nothing, whatever it does.

use std::time::Duration;

use anyhow::Result;
use testbed::{
    collector::Collector,
    proxy::{Mode, Proxy},
};

use crate::{
    bench::{Bench, Findings},
    calls::Calls,
    figure::{Figure, median},
    load::open,
    world::{Wish, World},
};

/// Calls a second.
const RATE: f64 = 500.0;
/// Looks at each in a round, in turn, of which the middle one counts: a stall of the machine meets one of them.
const LOOKS: usize = 3;
/// How it fails, and what is said of that.
const FAULTS: [(Mode, &str); 3] = [
    (Mode::Hold, "while the collector hangs"),
    (Mode::Refuse, "while it is away"),
    (Mode::Delay(Duration::from_secs(3)), "while it answers after 3 s"),
];

/// Runs it.
pub async fn run(bench: &Bench) -> Result<Findings> {
    let proxy = Proxy::start(Collector::start().await?.address()).await?;
    let mut world = World::make(bench, Wish::new("collector").people(10_000)).await?;
    world.set(&[&format!("identity.telemetry.otlp_endpoint=http://{}", proxy.address())])?;
    world.start_identity(0)?;
    let ask = Calls::new(world.clients(&[0]).await?, world.people).request_reset_of_nobody();
    let (mut well, mut ill) = (Vec::new(), FAULTS.map(|_| Vec::new()));
    let modes = [Mode::Pass, FAULTS[0].0, FAULTS[1].0, FAULTS[2].0];
    for round in bench.rounds_of("calls beside a collector") {
        let mut looks = modes.map(|_| Vec::new());
        for look in 0..LOOKS {
            // Each is the first in its turn.
            for index in (0..modes.len()).map(|index| (index + round + look) % modes.len()) {
                proxy.set(modes[index]);
                looks[index].push(open(&ask, RATE, bench.warm(), bench.time(2.0)).await.sound()?.ms(99.0));
            }
        }
        let [beside, faults @ ..] = looks.map(|looks| median(&looks));
        well.push(beside);
        ill.iter_mut().zip(faults).for_each(|(ill, took)| ill.push(took));
        world.clear().await?;
    }
    let figure = |((_, what), ill): ((Mode, &str), &Vec<f64>)| {
        let name = format!("RequestReset p99, 500/s, {what}");
        Figure::against(name, "ms", ill, "beside a collector that takes all spans", &well).at_most(1.1)
    };
    Ok(Findings { figures: FAULTS.into_iter().zip(&ill).map(figure).collect(), ..Findings::default() })
}
