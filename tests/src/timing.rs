//! Measures whether kinds of calls can be told apart by the time their answers take.

pub mod classes;
pub mod statistics;

use std::time::{Duration, Instant};

use statistics::Difference;

use crate::wire::{Answer, Call, Wire};

/// Calls of each kind that are made first and not counted.
const WARM_UP: usize = 20;
/// Calls of each kind that are shuffled together.
const SHUFFLED: usize = 20;
/// How long a connection is used: the service ends them after half an hour.
const CONNECTION: Duration = Duration::from_secs(10 * 60);

/// Makes the call of a number.
pub type Make = Box<dyn Fn(usize) -> Call + Send + Sync>;

/// One kind of call.
pub struct Class {
    /// What stands in the table.
    pub name: &'static str,
    /// Made right before, and not measured.
    pub before: Option<Make>,
    /// Measured. Numbers begin at 0 and never repeat within a class.
    pub call: Make,
    /// How much longer it is made to take, on our side.
    pub delay: Duration,
}

impl Class {
    /// As it is, under another name, and so much slower on our side.
    #[must_use]
    pub fn slower(mut self, name: &'static str, delay: Duration) -> Self {
        (self.name, self.delay) = (name, delay);
        self
    }

    /// Calls of one kind.
    pub fn new(name: &'static str, call: impl Fn(usize) -> Call + Send + Sync + 'static) -> Self {
        Self { name, before: None, call: Box::new(call), delay: Duration::ZERO }
    }
}

/// The times of the answers of each class in microseconds, `count` for each. The classes are shuffled, so that what
/// the machine does meanwhile meets all alike. `done` is told how many of each there are.
///
/// # Panics
/// When an answer has another reason than `expected` (empty: success), or the connection breaks.
pub async fn measure(
    connect: impl AsyncFn() -> Wire,
    classes: &[Class],
    count: usize,
    expected: &str,
    mut done: impl FnMut(usize),
) -> Vec<Vec<f64>> {
    let (mut wire, mut since) = (connect().await, Instant::now());
    let mut shuffle = Shuffle(0x5eed);
    let mut times = vec![Vec::with_capacity(count); classes.len()];
    while times[0].len() < count + WARM_UP {
        if since.elapsed() >= CONNECTION {
            (wire, since) = (connect().await, Instant::now());
        }
        let mut order: Vec<usize> = (0..classes.len()).flat_map(|class| [class; SHUFFLED]).collect();
        shuffle.apply(&mut order);
        for class in order {
            let (answer, took) = one(&wire, &classes[class], times[class].len()).await;
            assert_eq!(answer.refusal().reason, expected, "{}", classes[class].name);
            times[class].push(took);
        }
        done(times[0].len().saturating_sub(WARM_UP).min(count));
    }
    times.into_iter().map(|all| all[WARM_UP..WARM_UP + count].to_vec()).collect()
}

/// How many accounts of each kind `count` measurements need.
pub fn needed(count: usize) -> usize {
    count + WARM_UP + SHUFFLED
}

async fn one(wire: &Wire, class: &Class, number: usize) -> (Answer, f64) {
    if let Some(before) = &class.before {
        wire.call(before(number)).await;
    }
    let call = (class.call)(number);
    let begin = Instant::now();
    while begin.elapsed() < class.delay {
        std::hint::spin_loop();
    }
    let answer = wire.call(call).await;
    (answer, begin.elapsed().as_secs_f64() * 1e6)
}

/// The comparison of two classes that differ most, over all pairs.
pub struct Worst {
    /// The names of the two.
    pub pair: (&'static str, &'static str),
    /// How they differ.
    pub difference: Difference,
}

/// Compares every class with every other.
///
/// # Panics
/// When there are fewer than two.
pub fn worst(classes: &[Class], times: &[Vec<f64>]) -> Worst {
    pairs(classes, times).into_iter().max_by(|a, b| a.difference.worst().total_cmp(&b.difference.worst())).expect("two")
}

/// Every class with every other.
pub fn pairs(classes: &[Class], times: &[Vec<f64>]) -> Vec<Worst> {
    let numbers = (0..classes.len()).flat_map(|a| (a + 1..classes.len()).map(move |b| (a, b)));
    let compare = |(a, b): (usize, usize)| Worst {
        pair: (classes[a].name, classes[b].name),
        difference: Difference::of(&times[a], &times[b]),
    };
    numbers.map(compare).collect()
}

/// Always the same disorder.
struct Shuffle(u64);

impl Shuffle {
    fn apply(&mut self, order: &mut [usize]) {
        for last in (1..order.len()).rev() {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(last, (self.0 >> 33) as usize % (last + 1));
        }
    }
}
