//! Figures: what was measured, its limit in the same run, and what an issue asks for.

use serde::{Deserialize, Serialize};

/// One row of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// The median of the rounds.
    pub ours: f64,
    /// Least and most of the rounds.
    pub spread: (f64, f64),
    /// How many rounds there were.
    pub rounds: usize,
    /// What it is counted in.
    pub unit: String,
    /// The median of the limit.
    pub limit: Option<f64>,
    /// What the limit is.
    pub against: String,
    /// The median of the rounds' ratios of ours to the limit; a round's two sides are measured one after the other.
    pub ratio: Option<f64>,
    /// What is asked for.
    pub target: Option<Goal>,
    /// What is hoped for.
    pub stretch: Option<Goal>,
    /// What a reader has to know.
    pub note: String,
}

/// A bound on the ratio, or on ours where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Goal {
    /// No less.
    AtLeast(f64),
    /// No more.
    AtMost(f64),
}

/// How a figure came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// More than is asked for.
    Stretch,
    /// As asked for.
    Met,
    /// Not as asked for.
    Missed,
    /// Nothing is asked for.
    Context,
}

impl Figure {
    /// What was measured in each round.
    ///
    /// # Panics
    /// Without a round.
    pub fn new(name: impl Into<String>, unit: &str, rounds: &[f64]) -> Self {
        let least = rounds.iter().copied().fold(f64::INFINITY, f64::min);
        let most = rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self {
            name: name.into(),
            ours: median(rounds),
            spread: (least, most),
            rounds: rounds.len(),
            unit: unit.to_owned(),
            limit: None,
            against: String::new(),
            ratio: None,
            target: None,
            stretch: None,
            note: String::new(),
        }
    }

    /// A ratio of two sides that were measured in alternating rounds.
    ///
    /// # Panics
    /// When the two had not the same number of rounds.
    pub fn against(name: impl Into<String>, unit: &str, ours: &[f64], against: &str, limit: &[f64]) -> Self {
        assert_eq!(ours.len(), limit.len(), "the rounds are pairs");
        let ratios: Vec<f64> = ours.iter().zip(limit).map(|(ours, limit)| ours / limit).collect();
        Self {
            limit: Some(median(limit)),
            against: against.to_owned(),
            ratio: Some(median(&ratios)),
            ..Self::new(name, unit, ours)
        }
    }

    /// Asks for no less.
    #[must_use]
    pub fn at_least(self, target: f64) -> Self {
        Self { target: Some(Goal::AtLeast(target)), ..self }
    }

    /// Asks for no more.
    #[must_use]
    pub fn at_most(self, target: f64) -> Self {
        Self { target: Some(Goal::AtMost(target)), ..self }
    }

    /// Hopes for this, in the direction of the target.
    #[must_use]
    pub fn stretch(self, stretch: f64) -> Self {
        let goal = match self.target {
            Some(Goal::AtMost(_)) => Goal::AtMost(stretch),
            Some(Goal::AtLeast(_)) | None => Goal::AtLeast(stretch),
        };
        Self { stretch: Some(goal), ..self }
    }

    /// Adds a remark.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// How it came out.
    pub fn verdict(&self) -> Verdict {
        let value = self.ratio.unwrap_or(self.ours);
        let reached = |goal: &Goal| match goal {
            Goal::AtLeast(least) => value >= *least,
            Goal::AtMost(most) => value <= *most,
        };
        match (&self.target, &self.stretch) {
            (_, Some(stretch)) if reached(stretch) => Verdict::Stretch,
            (Some(target), _) if reached(target) => Verdict::Met,
            (Some(_), _) => Verdict::Missed,
            (None, _) => Verdict::Context,
        }
    }
}

impl Verdict {
    /// For tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stretch => "stretch",
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::Context => "",
        }
    }
}

impl Goal {
    /// For tables; `ratio` tells whether it bounds one.
    pub fn text(&self, ratio: bool) -> String {
        let (sign, value) = match self {
            Self::AtLeast(value) => ("≥", value),
            Self::AtMost(value) => ("≤", value),
        };
        let value = if ratio { factor(*value) } else { number(*value) };
        format!("{sign} {value}")
    }
}

/// The middle value, or the mean of the two middle ones.
///
/// # Panics
/// Without a value.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) }
}

/// With as many digits as mean something, and commas between thousands.
pub fn number(value: f64) -> String {
    let text = match value.abs() {
        0.0 => "0".to_owned(),
        small if small < 10.0 => format!("{value:.2}"),
        middling if middling < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match rest {
        Some(rest) => format!("{sign}{grouped}.{rest}"),
        None => format!("{sign}{grouped}"),
    }
}

/// A whole number with commas between thousands.
pub fn count(value: u64) -> String {
    number(value as f64)
}

/// A ratio: per cent below twice, else times.
pub fn factor(ratio: f64) -> String {
    if ratio < 1.2 { format!("{:.0} %", ratio * 100.0) } else { format!("{ratio:.2}×") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_pairs_and_not_of_sides() {
        // The machine slowed down to half in the last two rounds: each pair still says 0.9.
        let figure = Figure::against("x", "/s", &[90.0, 45.0, 45.0], "raw", &[100.0, 50.0, 50.0]).at_least(0.9);
        assert_eq!((figure.ours, figure.limit, figure.ratio), (45.0, Some(50.0), Some(0.9)));
        assert_eq!(figure.verdict(), Verdict::Met);
    }

    #[test]
    fn a_verdict_follows_the_direction_of_its_goal() {
        let at = |value: f64| Figure::new("p99", "ms", &[value]).at_most(10.0).stretch(4.0).verdict();
        assert_eq!([at(3.0), at(4.1), at(10.1)], [Verdict::Stretch, Verdict::Met, Verdict::Missed]);
        assert_eq!(Figure::new("p99", "ms", &[1.0]).verdict(), Verdict::Context);
    }

    #[test]
    fn numbers_are_short_and_grouped() {
        let shown = [0.0, 0.123, 9.994, 42.42, 1234.5, 1_234_567.0, -1500.0].map(number);
        assert_eq!(shown, ["0", "0.12", "9.99", "42.4", "1,234", "1,234,567", "-1,500"]);
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    }
}
