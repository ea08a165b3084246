//! A number's place among bins between its public bounds.

/// Bins of equal width.
const EQUAL: usize = 24;
/// Bins by half powers of two below the upper bound; the last is for the lower bound and all that is as good as it.
const HALVED: usize = 33;
/// Outputs of a number.
pub(super) const WIDTH: usize = EQUAL + HALVED;

/// One output in each scale is 1 for a number, the others 0; other inputs stay.
pub(super) fn transform(numbers: &[usize], rows: &[f32], inputs: usize, width: usize) -> Vec<f32> {
    let mut out = vec![0.0; rows.len() / inputs * width];
    for (row, out) in rows.chunks_exact(inputs).zip(out.chunks_exact_mut(width)) {
        let (mut at, mut next) = (0, numbers.iter().peekable());
        for (index, input) in row.iter().enumerate() {
            if next.next_if_eq(&&index).is_some() {
                let [equal, halved] = places(*input);
                out[at + equal] = 1.0;
                out[at + EQUAL + halved] = 1.0;
                at += WIDTH;
            } else {
                out[at] = *input;
                at += 1;
            }
        }
    }
    out
}

/// The bins of an encoded number, -1 at its lower bound and 1 at its upper.
pub(super) fn places(input: f32) -> [usize; 2] {
    // In f64: 1 + input is exact there, and small parts of a wide range are told apart.
    let part = (1.0 + f64::from(input)) / 2.0;
    let equal = (part * EQUAL as f64) as usize;
    let halved = if part > 0.0 { (-2.0 * part.log2()).floor().max(0.0) as usize } else { HALVED };
    [equal.min(EQUAL - 1), halved.min(HALVED - 1)]
}
