//! From values to pixels, and the round values worth a tick.

/// A linear scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear {
    domain: (f64, f64),
    range: (f64, f64),
}

impl Linear {
    /// Maps `domain` to `range`; an empty domain is widened a little.
    pub(super) fn new((lo, hi): (f64, f64), range: (f64, f64)) -> Self {
        let hi = if hi > lo { hi } else { lo + 1e-3 };
        Self { domain: (lo, hi), range }
    }

    /// A domain around the finite values, with a margin at both ends and the ends on round values.
    pub(super) fn around(values: impl IntoIterator<Item = f64>, range: (f64, f64)) -> Option<Self> {
        let (lo, hi) = extent(values)?;
        let margin = (0.06 * (hi - lo)).max(0.004);
        let step = step(hi - lo + 2.0 * margin, 5);
        let lo = ((lo - margin) / step).floor() * step;
        let hi = ((hi + margin) / step).ceil() * step;
        Some(Self::new((lo, hi), range))
    }

    /// The pixel of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        let ((lo, hi), (from, to)) = (self.domain, self.range);
        from + (value - lo) / (hi - lo) * (to - from)
    }

    /// About `count` round values with the decimals they need.
    pub(super) fn ticks(&self, count: u32) -> Vec<(f64, String)> {
        let (lo, hi) = self.domain;
        let step = step(hi - lo, count);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let first = (lo / step - 1e-9).ceil() as i64;
        let last = (hi / step + 1e-9).floor() as i64;
        (first..=last).map(|i| i as f64 * step).map(|v| (v, super::super::number::fixed(v, decimals))).collect()
    }
}

/// A scale in which equal ratios are equal distances.
#[derive(Clone, Copy, Debug)]
pub(super) struct Log(Linear);

impl Log {
    /// A domain around the positive, finite values.
    pub(super) fn around(values: impl IntoIterator<Item = f64>, range: (f64, f64)) -> Option<Self> {
        let (lo, hi) = extent(values.into_iter().filter(|v| *v > 0.0).map(f64::log10))?;
        let margin = (0.06 * (hi - lo)).max(0.12);
        Some(Self(Linear::new((lo - margin, hi + margin), range)))
    }

    /// From `lo` to `hi`, both positive, without a margin; none where that is no range.
    pub(super) fn between((lo, hi): (f64, f64), range: (f64, f64)) -> Option<Self> {
        (lo > 0.0 && hi > lo && hi.is_finite()).then(|| Self(Linear::new((lo.log10(), hi.log10()), range)))
    }

    /// The pixel of a positive value.
    pub(super) fn at(&self, value: f64) -> f64 {
        self.0.at(value.log10())
    }

    /// 1, 2, 5 times the powers of ten that lie in the domain; 1 and 3 over two decades, 1 over five.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let (lo, hi) = self.0.domain;
        let steps: &[f64] = match hi - lo {
            d if d < 2.2 => &[1.0, 2.0, 5.0],
            d if d < 5.0 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let powers = (lo.floor() as i32)..=(hi.ceil() as i32);
        let values = powers.flat_map(|power| steps.iter().map(move |s| (power, s * 10_f64.powi(power))));
        let inside = values.filter(|(_, v)| (lo..=hi).contains(&v.log10()));
        inside.map(|(power, v)| (v, super::super::number::fixed(v, (-power).max(0) as usize))).collect()
    }
}

fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.into_iter().filter(|v| v.is_finite());
    finite.fold(None, |seen, v| Some(seen.map_or((v, v), |(lo, hi): (f64, f64)| (lo.min(v), hi.max(v)))))
}

/// 1, 2 or 5 times a power of ten, such that `span` has about `count` of them.
fn step(span: f64, count: u32) -> f64 {
    let rough = span / f64::from(count);
    let power = 10_f64.powf(rough.log10().floor());
    match rough / power {
        r if r < 1.5 => power,
        r if r < 3.5 => 2.0 * power,
        r if r < 7.5 => 5.0 * power,
        _ => 10.0 * power,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: Vec<(f64, String)>) -> Vec<String> {
        ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(Linear::new((0.0, 3.2), (0.0, 1.0)).ticks(4)), ["0", "1", "2", "3"]);
        assert_eq!(labels(Linear::new((0.6, 0.75), (0.0, 1.0)).ticks(4)), ["0.60", "0.65", "0.70", "0.75"]);
        assert_eq!(labels(Log::around([0.1, 10.0], (0.0, 1.0)).unwrap().ticks()), ["0.1", "0.3", "1", "3", "10"]);
    }

    #[test]
    fn empty_or_infinite_values_make_no_scale() {
        assert!(Linear::around([f64::NAN, f64::INFINITY], (0.0, 1.0)).is_none());
        assert!(Log::around([0.0, -1.0], (0.0, 1.0)).is_none());
        assert!(Linear::around([0.7], (0.0, 1.0)).unwrap().at(0.7).is_finite());
    }
}
