//! Small SVG plots that read well on light and on dark ground.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::figure::number;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
/// Room for the axes: left, right, top, bottom.
const MARGIN: (f64, f64, f64, f64) = (76.0, 24.0, 64.0, 52.0);
/// Room for the names of bars.
const NAMES: f64 = 190.0;
const BAR: f64 = 22.0;

/// A picture, as what it is drawn from.
#[derive(Clone, Serialize, Deserialize)]
pub struct Plot {
    /// The file's name without its ending.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// The kind of picture.
    pub shape: Shape,
}

/// A kind of picture.
#[derive(Clone, Serialize, Deserialize)]
pub enum Shape {
    /// Lines over numbers.
    Lines {
        /// What the horizontal axis counts.
        x: String,
        /// What the vertical axis counts.
        y: String,
        /// Whether each step of the horizontal axis is a factor.
        log_x: bool,
        /// Whether each step of the vertical axis is a factor.
        log_y: bool,
        /// The lines.
        series: Vec<Series>,
    },
    /// Horizontal bars.
    Bars {
        /// What is counted.
        unit: String,
        /// Names and lengths.
        bars: Vec<(String, f64)>,
        /// A length that is asked for.
        mark: Option<f64>,
    },
}

/// A line.
#[derive(Clone, Serialize, Deserialize)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// A line of that name.
    pub fn new(name: &str, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_owned(), points }
    }
}

const STYLE: &str = "<style>
    .ground { fill: #fbfcfd; stroke: #d5dce3; }
    .title { fill: #14202c; font-size: 15px; font-weight: 600; }
    .text { fill: #4a5866; font-size: 12px; }
    .grid { stroke: #e1e6eb; }
    .axis { stroke: #9db4ca; }
    .mark { stroke: #4a5866; stroke-dasharray: 5 4; stroke-width: 1.5; }
    .line { fill: none; stroke-width: 2.2; }
    .s0 { stroke: #0b5394; } .f0 { fill: #0b5394; }
    .s1 { stroke: #b45f06; } .f1 { fill: #b45f06; }
    .s2 { stroke: #38761d; } .f2 { fill: #38761d; }
    .s3 { stroke: #741b47; } .f3 { fill: #741b47; }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #141b23; stroke: #3a4856; }
      .title { fill: #e8edf2; }
      .text { fill: #b4c0cc; }
      .grid { stroke: #2a3642; }
      .axis { stroke: #4c6379; }
      .mark { stroke: #b4c0cc; }
      .s0 { stroke: #8fc7ff; } .f0 { fill: #8fc7ff; }
      .s1 { stroke: #f0b46a; } .f1 { fill: #f0b46a; }
      .s2 { stroke: #93d17c; } .f2 { fill: #93d17c; }
      .s3 { stroke: #e39ac0; } .f3 { fill: #e39ac0; }
    }
  </style>";

impl Plot {
    /// The picture.
    pub fn svg(&self) -> String {
        match &self.shape {
            Shape::Lines { x, y, log_x, log_y, series } => self.lines((x, *log_x), (y, *log_y), series),
            Shape::Bars { unit, bars, mark } => self.bars(unit, bars, *mark),
        }
    }

    fn frame(&self, height: f64, inside: &str) -> String {
        let title = escaped(&self.title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             aria-labelledby=\"title\" font-family=\"system-ui, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif\">\n  \
             <title id=\"title\">{title}</title>\n  {STYLE}\n  \
             <rect class=\"ground\" x=\"1\" y=\"1\" width=\"{:.0}\" height=\"{:.0}\" rx=\"10\"/>\n  \
             <text class=\"title\" x=\"20\" y=\"28\">{title}</text>\n{inside}</svg>\n",
            WIDTH - 2.0,
            height - 2.0,
        )
    }

    fn lines(&self, x: (&str, bool), y: (&str, bool), series: &[Series]) -> String {
        let (left, right, top, bottom) = MARGIN;
        let points = || series.iter().flat_map(|line| &line.points);
        let xs = Scale::of(points().map(|point| point.0), x.1, (left, WIDTH - right));
        let ys = Scale::of(points().map(|point| point.1), y.1, (HEIGHT - bottom, top));
        let mut out = String::new();
        for tick in &ys.ticks {
            let at = ys.at(*tick);
            let _ = writeln!(
                out,
                "  <line class=\"grid\" x1=\"{left}\" x2=\"{:.0}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
                 <text class=\"text\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - right,
                left - 8.0,
                at + 4.0,
                label(*tick)
            );
        }
        for tick in &xs.ticks {
            let (at, below) = (xs.at(*tick), HEIGHT - bottom + 18.0);
            let text = label(*tick);
            let _ = writeln!(
                out,
                "  <text class=\"text\" x=\"{at:.1}\" y=\"{below:.0}\" text-anchor=\"middle\">{text}</text>"
            );
        }
        let base = HEIGHT - bottom;
        let _ = writeln!(
            out,
            "  <line class=\"axis\" x1=\"{left}\" x2=\"{end:.0}\" y1=\"{base:.0}\" y2=\"{base:.0}\"/>\n  \
             <text class=\"text\" x=\"{end:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\n  \
             <text class=\"text\" x=\"20\" y=\"{:.0}\">{}</text>",
            HEIGHT - 12.0,
            escaped(x.0),
            top - 12.0,
            escaped(y.0),
            end = WIDTH - right,
        );
        let mut legend = WIDTH - right;
        for (index, line) in series.iter().enumerate().rev() {
            legend -= 7.0 * line.name.chars().count() as f64 + 30.0;
            let (colour, name) = (index % 4, escaped(&line.name));
            let _ = writeln!(
                out,
                "  <rect class=\"f{colour}\" x=\"{legend:.0}\" y=\"43\" width=\"12\" height=\"4\" rx=\"2\"/>\
                 <text class=\"text\" x=\"{:.0}\" y=\"50\">{name}</text>",
                legend + 18.0
            );
            let path: Vec<String> =
                line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", xs.at(*x), ys.at(*y))).collect();
            let _ = writeln!(out, "  <polyline class=\"line s{colour}\" points=\"{}\"/>", path.join(" "));
            for (x, y) in &line.points {
                let (x, y) = (xs.at(*x), ys.at(*y));
                let _ = writeln!(out, "  <circle class=\"f{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
            }
        }
        self.frame(HEIGHT, &out)
    }

    fn bars(&self, unit: &str, bars: &[(String, f64)], mark: Option<f64>) -> String {
        let lengths = bars.iter().map(|bar| bar.1).chain(mark);
        let most = lengths.fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let room = WIDTH - NAMES - 90.0;
        let at = |value: f64| NAMES + room * value / most;
        let height = 62.0 + BAR * bars.len() as f64;
        let mut out = format!("  <text class=\"text\" x=\"{NAMES}\" y=\"44\">{}</text>\n", escaped(unit));
        for (index, (name, value)) in bars.iter().enumerate() {
            let top = 52.0 + BAR * index as f64;
            let text = top + 13.0;
            let _ = writeln!(
                out,
                "  <text class=\"text\" x=\"{:.0}\" y=\"{text:.0}\" text-anchor=\"end\">{}</text>\
                 <rect class=\"f0\" x=\"{NAMES}\" y=\"{top:.0}\" width=\"{:.1}\" height=\"16\" rx=\"2\"/>\
                 <text class=\"text\" x=\"{:.1}\" y=\"{text:.0}\">{}</text>",
                NAMES - 10.0,
                escaped(name),
                at(*value) - NAMES,
                at(*value) + 8.0,
                number(*value)
            );
        }
        if let Some(mark) = mark {
            let (x, end) = (at(mark), height - 8.0);
            let _ = writeln!(out, "  <line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"48\" y2=\"{end:.0}\"/>");
        }
        self.frame(height, &out)
    }
}

/// From values to places.
struct Scale {
    least: f64,
    most: f64,
    log: bool,
    places: (f64, f64),
    ticks: Vec<f64>,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64>, log: bool, places: (f64, f64)) -> Self {
        let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
        for value in values {
            least = least.min(value);
            most = most.max(value);
        }
        if log {
            let (least, most) = (least.max(0.001), most.max(least.max(0.001) * 2.0));
            // Powers of two where they are few, else of ten.
            let base: f64 = if most / least <= 1024.0 { 2.0 } else { 10.0 };
            let first = (least.ln() / base.ln() + 1e-9).floor();
            let last = (most.ln() / base.ln() - 1e-9).ceil();
            let mut ticks = Vec::new();
            let mut power = first;
            while power <= last {
                ticks.push(base.powf(power));
                power += 1.0;
            }
            return Self { least: base.powf(first), most: base.powf(last), log, places, ticks };
        }
        let step = step(most.max(1e-9));
        let mut ticks = vec![0.0];
        while ticks[ticks.len() - 1] < most {
            ticks.push(ticks.len() as f64 * step);
        }
        Self { least: 0.0, most: ticks[ticks.len() - 1], log, places, ticks }
    }

    fn at(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.least) / self.least).ln() / (self.most / self.least).ln()
        } else {
            (value - self.least) / (self.most - self.least)
        };
        self.places.0 + (self.places.1 - self.places.0) * share
    }
}

/// A round step of which about five make `most`.
fn step(most: f64) -> f64 {
    let magnitude = 10_f64.powf((most / 5.0).log10().floor());
    let rounds = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * magnitude);
    rounds.into_iter().find(|step| most / step <= 6.0).unwrap_or(most)
}

/// A tick without needless digits.
fn label(value: f64) -> String {
    match number(value).split_once('.') {
        Some((whole, rest)) if rest.trim_end_matches('0').is_empty() => whole.to_owned(),
        Some((whole, rest)) => format!("{whole}.{}", rest.trim_end_matches('0')),
        None => number(value),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_reaches_from_edge_to_edge_in_round_steps() {
        let scale = Scale::of([0.0, 9_300.0].into_iter(), false, (0.0, 100.0));
        assert_eq!(scale.ticks, [0.0, 2000.0, 4000.0, 6000.0, 8000.0, 10_000.0]);
        assert_eq!((scale.at(0.0), scale.at(10_000.0)), (0.0, 100.0));
        let log = Scale::of([1.0, 64.0].into_iter(), true, (0.0, 60.0));
        assert_eq!(log.ticks.len(), 7);
        assert!((log.at(8.0) - 30.0).abs() < 1e-9);
    }

    #[test]
    fn names_of_others_stay_text() {
        let bars = vec![("a <b> & c".to_owned(), 1.0)];
        let plot = Plot {
            name: "x".to_owned(),
            title: "1 < 2".to_owned(),
            shape: Shape::Bars { unit: "%".to_owned(), bars, mark: Some(0.5) },
        };
        let svg = plot.svg();
        assert!(svg.contains("a &lt;b&gt; &amp; c") && svg.contains("<title id=\"title\">1 &lt; 2</title>"));
    }
}
