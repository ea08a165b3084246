//! Discrete Fourier transforms of several square images at once, one a lane, so that each operation is one vector instruction or two.

/// Images that are transformed together.
pub(super) const LANES: usize = 8;

/// One pixel of each image.
pub(super) type Lane = [f32; LANES];

/// The transform of images of `side × side` pixels, `side` a power of two (Cooley & Tukey 1965, decimation in time).
pub(super) struct Fourier {
    side: usize,
    /// `exp(−2πi k / side)` for the first half of the k.
    twiddles: Vec<(f32, f32)>,
    reversed: Vec<usize>,
}

impl Fourier {
    pub(super) fn new(side: usize) -> Self {
        assert!(side.is_power_of_two() && side > 1, "a side is a power of two");
        let angle = |k: usize| -std::f64::consts::TAU * k as f64 / side as f64;
        let bits = side.trailing_zeros();
        Self {
            side,
            twiddles: (0..side / 2).map(|k| (angle(k).cos() as f32, angle(k).sin() as f32)).collect(),
            reversed: (0..side).map(|i| i.reverse_bits() >> (usize::BITS - bits)).collect(),
        }
    }

    /// In place, without a factor: real parts and imaginary parts, row-major.
    pub(super) fn forward(&self, re: &mut [Lane], im: &mut [Lane]) {
        for row in 0..self.side {
            self.line(re, im, row * self.side, 1);
        }
        for column in 0..self.side {
            self.line(re, im, column, self.side);
        }
    }

    /// The inverse times `side²`, in place.
    pub(super) fn inverse(&self, re: &mut [Lane], im: &mut [Lane]) {
        self.forward(im, re);
    }

    fn line(&self, re: &mut [Lane], im: &mut [Lane], start: usize, stride: usize) {
        for (i, &j) in self.reversed.iter().enumerate().filter(|(i, j)| i < j) {
            re.swap(start + i * stride, start + j * stride);
            im.swap(start + i * stride, start + j * stride);
        }
        let mut half = 1;
        while half < self.side {
            for block in (0..self.side).step_by(2 * half) {
                for k in 0..half {
                    let (cos, sin) = self.twiddles[k * self.side / (2 * half)];
                    let low = start + (block + k) * stride;
                    let high = low + half * stride;
                    let (ar, ai, br, bi) = (re[low], im[low], re[high], im[high]);
                    let tr: Lane = std::array::from_fn(|l| br[l] * cos - bi[l] * sin);
                    let ti: Lane = std::array::from_fn(|l| br[l] * sin + bi[l] * cos);
                    re[low] = std::array::from_fn(|l| ar[l] + tr[l]);
                    im[low] = std::array::from_fn(|l| ai[l] + ti[l]);
                    re[high] = std::array::from_fn(|l| ar[l] - tr[l]);
                    im[high] = std::array::from_fn(|l| ai[l] - ti[l]);
                }
            }
            half *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each coefficient by its definition.
    fn slow(side: usize, re: &[f64], im: &[f64], u: usize, v: usize) -> (f64, f64) {
        let (mut sum_re, mut sum_im) = (0.0, 0.0);
        for y in 0..side {
            for x in 0..side {
                let (sin, cos) = (-std::f64::consts::TAU * ((u * y + v * x) % side) as f64 / side as f64).sin_cos();
                let (r, i) = (re[y * side + x], im[y * side + x]);
                sum_re += r * cos - i * sin;
                sum_im += r * sin + i * cos;
            }
        }
        (sum_re, sum_im)
    }

    #[test]
    fn transforms_follow_the_definition_and_come_back() {
        for side in [2, 8, 16] {
            let n = side * side;
            let value = |i: usize, lane: usize| ((i * 7 + lane * 13) % 11) as f64 - 5.0;
            let mut re: Vec<Lane> = (0..n).map(|i| std::array::from_fn(|l| value(i, l) as f32)).collect();
            let mut im: Vec<Lane> = (0..n).map(|i| std::array::from_fn(|l| value(i + 3, l + 1) as f32)).collect();
            let (before_re, before_im) = (re.clone(), im.clone());
            let fourier = Fourier::new(side);
            fourier.forward(&mut re, &mut im);
            for lane in [0, LANES - 1] {
                let plain: Vec<f64> = (0..n).map(|i| value(i, lane)).collect();
                let imaginary: Vec<f64> = (0..n).map(|i| value(i + 3, lane + 1)).collect();
                for (u, v) in [(0, 0), (1, 0), (0, 1), (side - 1, side / 2)] {
                    let (r, i) = slow(side, &plain, &imaginary, u, v);
                    let at = u * side + v;
                    assert!((f64::from(re[at][lane]) - r).abs() < 1e-3 && (f64::from(im[at][lane]) - i).abs() < 1e-3, "{side} {u} {v}");
                }
            }
            fourier.inverse(&mut re, &mut im);
            for i in 0..n {
                for l in 0..LANES {
                    assert!((re[i][l] / n as f32 - before_re[i][l]).abs() < 1e-4, "{side}");
                    assert!((im[i][l] / n as f32 - before_im[i][l]).abs() < 1e-4, "{side}");
                }
            }
        }
    }
}
