//! Numbers as the page prints them: bounds rounded outwards, never `NaN`.

/// What stands where a number is not finite.
const NONE: &str = "not available";

/// `20190` as `20,190`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Rounded to the nearest.
pub(super) fn fixed(x: f64, digits: usize) -> String {
    if !x.is_finite() {
        return infinite(x);
    }
    let text = format!("{x:.digits$}");
    match text.strip_prefix('-') {
        Some(zero) if zero.chars().all(|c| matches!(c, '0' | '.')) => zero.to_owned(),
        _ => text.replace('-', "\u{2212}"),
    }
}

/// An upper bound: rounded up.
pub(super) fn at_most(x: f64, digits: usize) -> String {
    outwards(x, digits, |scaled| (scaled - SLACK * scaled.abs()).ceil())
}

/// A lower bound: rounded down.
pub(super) fn at_least(x: f64, digits: usize) -> String {
    outwards(x, digits, |scaled| (scaled + SLACK * scaled.abs()).floor())
}

/// An upper bound on a probability, as a percentage with one decimal, or as many more as it takes to stay under 100%.
pub(super) fn percent_at_most(p: f64) -> String {
    if !p.is_finite() {
        return infinite(p);
    }
    let text = (1..=6).map(|digits| at_most(100.0 * p, digits)).find(|text| !text.starts_with("100")).unwrap_or("100".into());
    format!("{}%", text.trim_end_matches(".0"))
}

/// A bare setting such as `0.04` or `1.5`: up to four significant decimals, no trailing zeros.
pub(super) fn setting(x: f64) -> String {
    if !x.is_finite() {
        return infinite(x);
    }
    if x != 0.0 && !(1e-4..1e9).contains(&x.abs()) {
        return scientific(x);
    }
    let text = fixed(x, 4);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1e-5`.
pub(super) fn scientific(x: f64) -> String {
    if x.is_finite() { format!("{x:e}") } else { infinite(x) }
}

/// A factor such as e^ε, to two or three figures, rounded up.
pub(super) fn factor(x: f64) -> String {
    match x {
        x if !x.is_finite() => infinite(x),
        x if x < 10.0 => at_most(x, 2).trim_end_matches('0').trim_end_matches('.').to_owned(),
        x if x < 100.0 => at_most(x, 1),
        x if x < 1e9 => grouped(x.ceil() as u64),
        x => format!("{x:.1e}"),
    }
}

/// Seconds as a person reads them.
pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => infinite(s),
        s if s < 60.0 => format!("{} s", fixed(s, if s < 10.0 { 2 } else { 1 })),
        s => format!("{} min {:02} s", (s / 60.0) as u64, (s % 60.0) as u64),
    }
}

/// Rounding tolerance for values that are decimal already, such as 1.998, which no `f64` holds exactly.
const SLACK: f64 = 1e-12;

fn outwards(x: f64, digits: usize, round: impl Fn(f64) -> f64) -> String {
    if !x.is_finite() {
        return infinite(x);
    }
    let scale = 10_f64.powi(digits as i32);
    fixed(round(x * scale) / scale, digits)
}

fn infinite(x: f64) -> String {
    match x {
        f64::INFINITY => "∞".to_owned(),
        f64::NEG_INFINITY => "\u{2212}∞".to_owned(),
        _ => NONE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_round_outwards() {
        assert_eq!(at_most(1.998, 3), "1.998");
        assert_eq!(at_most(1.9980001, 3), "1.999");
        assert_eq!(at_least(1.9989, 3), "1.998");
        assert_eq!(percent_at_most(0.8806), "88.1%");
        assert_eq!(percent_at_most(0.5), "50%");
        assert_eq!(percent_at_most(0.999_954_6), "99.996%");
        assert_eq!(percent_at_most(1.0), "100%");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1e-5, 0.04, 1.5, 2250.0, 0.0].map(setting), ["1e-5", "0.04", "1.5", "2250", "0"]);
        assert_eq!([0.1_f64, 2.0, 10.0].map(|e| factor(e.exp())), ["1.11", "7.39", "22,027"]);
        assert_eq!([0.5, 12.34, 754.0].map(duration), ["0.50 s", "12.3 s", "12 min 34 s"]);
        assert_eq!(fixed(-0.0001, 2), "0.00");
    }

    #[test]
    fn nothing_prints_nan() {
        for text in [fixed(f64::NAN, 2), at_most(f64::NAN, 2), percent_at_most(f64::NAN), factor(f64::NAN), duration(f64::NAN)] {
            assert_eq!(text, NONE);
        }
        assert_eq!(at_most(f64::INFINITY, 3), "∞");
    }
}
