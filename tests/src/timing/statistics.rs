//! Whether two samples of times are of one kind: Welch's t on raw, cropped and centred squares, and Mann-Whitney's
//! test with its AUC. As in dudect (Reparaz, Balasch, Verbauwhede: *Dude, is my code constant time?*, 2017).

/// Cropping drops what is slower than this share of both samples: noise sits in the slow tail.
const CROPS: [f64; 5] = [0.5, 0.75, 0.9, 0.95, 0.99];
/// Squares are looked at without the slowest hundredth, which alone would decide them.
const SQUARES_OF: f64 = 0.99;

/// How two samples differ. Each number is near 0 (`auc`: 0.5) when they do not.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// Of the means of all.
    pub raw: f64,
    /// Of the means after cropping; the largest of all crops.
    pub cropped: f64,
    /// Of the spreads.
    pub second: f64,
    /// Of the ranks.
    pub ranks: f64,
    /// The chance that one of the second is slower than one of the first.
    pub auc: f64,
    /// How much slower the median of the second is, in the samples' unit.
    pub shift: f64,
}

impl Difference {
    /// Compares two samples.
    ///
    /// # Panics
    /// When one has fewer than 10 times, or one that is not finite.
    pub fn of(first: &[f64], second: &[f64]) -> Self {
        assert!(first.len() >= 10 && second.len() >= 10, "too few times");
        let mut pooled = [first, second].concat();
        pooled.sort_by(f64::total_cmp);
        assert!(pooled.iter().all(|it| it.is_finite()));
        let crop = |share: f64| {
            let most = quantile(&pooled, share);
            [first, second].map(|all| all.iter().copied().filter(|it| *it <= most).collect::<Vec<_>>())
        };
        let cropped = CROPS.map(|share| {
            let [a, b] = crop(share);
            welch(&a, &b)
        });
        let [a, b] = crop(SQUARES_OF).map(|all| squares(&all));
        let (ranks, auc) = mann_whitney(first, second);
        Self {
            raw: welch(first, second),
            cropped: cropped.into_iter().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or_default(),
            second: welch(&a, &b),
            ranks,
            auc,
            shift: median(second) - median(first),
        }
    }

    /// The largest of the test statistics, without its sign.
    pub fn worst(&self) -> f64 {
        [self.raw, self.cropped, self.second, self.ranks].into_iter().map(f64::abs).fold(0.0, f64::max)
    }
}

/// Welch's t; 0 where there is nothing to compare.
fn welch(first: &[f64], second: &[f64]) -> f64 {
    if first.len() < 2 || second.len() < 2 {
        return 0.0;
    }
    let ((m1, v1), (m2, v2)) = (moments(first), moments(second));
    let error = (v1 / first.len() as f64 + v2 / second.len() as f64).sqrt();
    if error > 0.0 { (m2 - m1) / error } else { 0.0 }
}

/// Mean and variance.
fn moments(all: &[f64]) -> (f64, f64) {
    let count = all.len() as f64;
    let mean = all.iter().sum::<f64>() / count;
    (mean, all.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (count - 1.0))
}

fn squares(all: &[f64]) -> Vec<f64> {
    if all.is_empty() {
        return Vec::new();
    }
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    all.iter().map(|it| (it - mean).powi(2)).collect()
}

/// z, corrected for ties, and the AUC.
fn mann_whitney(first: &[f64], second: &[f64]) -> (f64, f64) {
    let mut all: Vec<(f64, bool)> =
        first.iter().map(|it| (*it, false)).chain(second.iter().map(|it| (*it, true))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (n, m, total) = (first.len() as f64, second.len() as f64, all.len() as f64);
    let (mut ranks, mut ties, mut before) = (0.0, 0.0, 0.0);
    for group in all.chunk_by(|a, b| a.0 == b.0) {
        let size = group.len() as f64;
        let rank = before + (size + 1.0) / 2.0;
        ranks += rank * group.iter().filter(|it| it.1).count() as f64;
        ties += size.powi(3) - size;
        before += size;
    }
    let u = ranks - m * (m + 1.0) / 2.0;
    let spread = (n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)))).sqrt();
    let z = if spread > 0.0 { (u - n * m / 2.0) / spread } else { 0.0 };
    (z, u / (n * m))
}

/// Of times that stand in order.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// The time in the middle.
///
/// # Panics
/// When there are none.
pub fn median(all: &[f64]) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, between 0 and 1, the same every time.
    fn noise(seed: u64, count: usize) -> Vec<f64> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / (1_u64 << 31) as f64
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn known_values_come_out() {
        // By hand: means 2 and 4, variances 1 and 4, three each.
        assert!((welch(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]) - 2.0 / (5.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        let (z, auc) = mann_whitney(&[1.0, 2.0, 3.0, 4.0], &[3.0, 5.0, 6.0, 7.0]);
        // U = 14.5 of 16, one tie of two.
        assert!((auc - 14.5 / 16.0).abs() < 1e-12);
        assert!((z - 6.5 / (16.0 / 12.0 * (9.0 - 6.0 / 56.0_f64)).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn what_is_alike_passes_and_what_differs_is_seen_by_the_test_for_it() {
        let (first, second) = (noise(1, 5000), noise(2, 5000));
        let alike = Difference::of(&first, &second);
        assert!(alike.worst() < 4.5 && (alike.auc - 0.5).abs() < 0.03, "{alike:?}");

        let later: Vec<f64> = second.iter().map(|it| it + 0.05).collect();
        let shifted = Difference::of(&first, &later);
        assert!(shifted.raw > 4.5 && shifted.ranks > 4.5 && shifted.auc > 0.53 && shifted.shift > 0.02, "{shifted:?}");
        assert!(shifted.second.abs() < 4.5, "{shifted:?}");

        let wider: Vec<f64> = second.iter().map(|it| 0.5 + (it - 0.5) * 1.3).collect();
        let spread = Difference::of(&first, &wider);
        assert!(spread.second > 4.5 && spread.ranks.abs() < 4.5, "{spread:?}");

        // Half are 0.05 later, which a slow tail hides from the means.
        let tail = |times: &[f64], late: f64| -> Vec<f64> {
            let each = times.iter().enumerate();
            each.map(|(index, it)| if index % 20 == 0 { it * 400.0 } else { it + late }).collect()
        };
        let hidden = Difference::of(&tail(&first, 0.0), &tail(&second, 0.05));
        assert!(hidden.raw.abs() < 4.5 && hidden.cropped > 4.5, "{hidden:?}");
    }
}
