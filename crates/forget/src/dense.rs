//! Small dense symmetric systems in f64, and norms rounded up.

/// Half a unit in the last place of 1: the unit roundoff of f64.
pub(crate) const U: f64 = f64::EPSILON / 2.0;

/// A symmetric matrix, row-major in full.
#[derive(Clone)]
pub(crate) struct Symmetric {
    pub(crate) size: usize,
    pub(crate) entries: Vec<f64>,
}

impl Symmetric {
    /// `diagonal` times the identity.
    pub(crate) fn scaled_identity(size: usize, diagonal: f64) -> Self {
        let mut entries = vec![0.0; size * size];
        (0..size).for_each(|i| entries[i * size + i] = diagonal);
        Self { size, entries }
    }

    /// Adds `weight · x xᵀ` to the lower triangle; [`Symmetric::mirror`] completes the matrix.
    pub(crate) fn add_outer(&mut self, weight: f64, x: &[f64]) {
        for (i, &a) in x.iter().enumerate() {
            let scaled = weight * a;
            for (entry, &b) in self.entries[i * self.size..=i * self.size + i].iter_mut().zip(x) {
                *entry += scaled * b;
            }
        }
    }

    /// Copies the lower triangle onto the upper.
    pub(crate) fn mirror(&mut self) {
        for i in 0..self.size {
            for j in 0..i {
                self.entries[j * self.size + i] = self.entries[i * self.size + j];
            }
        }
    }

    /// The product with a vector.
    pub(crate) fn times(&self, v: &[f64]) -> Vec<f64> {
        self.entries.chunks_exact(self.size).map(|row| dot(row, v)).collect()
    }

    /// An upper bound of the spectral norm: the smaller of the largest absolute row sum and the trace (the matrix is positive semidefinite).
    pub(crate) fn norm_bound(&self) -> f64 {
        let rows = self.entries.chunks_exact(self.size).map(|row| row.iter().map(|x| x.abs()).sum::<f64>()).fold(0.0, f64::max);
        let trace: f64 = (0..self.size).map(|i| self.entries[i * self.size + i]).sum();
        rows.min(trace)
    }

    /// Solves `self · s = right` by Cholesky's factorisation and one step of refinement; none where the matrix is not positive definite.
    pub(crate) fn solve(&self, right: &[f64]) -> Option<Vec<f64>> {
        let factor = self.cholesky()?;
        let mut s = self.back(&factor, right);
        let missed: Vec<f64> = right.iter().zip(self.times(&s)).map(|(r, h)| r - h).collect();
        let correction = self.back(&factor, &missed);
        s.iter_mut().zip(correction).for_each(|(s, c)| *s += c);
        Some(s)
    }

    /// The lower factor L with L Lᵀ = self.
    fn cholesky(&self) -> Option<Vec<f64>> {
        let n = self.size;
        let mut l = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let rest = self.entries[i * n + j] - dot(&l[i * n..i * n + j], &l[j * n..j * n + j]);
                l[i * n + j] = if i == j {
                    if rest.is_nan() || rest <= 0.0 {
                        return None;
                    }
                    rest.sqrt()
                } else {
                    rest / l[j * n + j]
                };
            }
        }
        Some(l)
    }

    fn back(&self, l: &[f64], right: &[f64]) -> Vec<f64> {
        let n = self.size;
        let mut s = right.to_vec();
        for i in 0..n {
            s[i] = (s[i] - dot(&l[i * n..i * n + i], &s[..i])) / l[i * n + i];
        }
        for i in (0..n).rev() {
            let below: f64 = (i + 1..n).map(|k| l[k * n + i] * s[k]).sum();
            s[i] = (s[i] - below) / l[i * n + i];
        }
        s
    }
}

/// Σ aᵢbᵢ.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// ‖v‖, as computed.
pub(crate) fn norm(v: &[f64]) -> f64 {
    dot(v, v).sqrt()
}

/// ‖v‖, not below the true norm of these numbers: a sum of n squares is off by a share of at most n·U.
pub(crate) fn norm_up(v: &[f64]) -> f64 {
    raised(norm(v), v.len() + 2)
}

/// `x` raised by `operations` roundings, twice over.
pub(crate) fn raised(x: f64, operations: usize) -> f64 {
    x * (1.0 + 2.0 * operations as f64 * U)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn solves_and_bounds(rows in proptest::collection::vec(proptest::collection::vec(-1.0..1.0_f64, 4), 1..12), right in proptest::collection::vec(-1.0..1.0_f64, 4)) {
            let mut h = Symmetric::scaled_identity(4, 0.1);
            rows.iter().for_each(|x| h.add_outer(1.0, x));
            h.mirror();
            let s = h.solve(&right).unwrap();
            let missed: Vec<f64> = h.times(&s).iter().zip(&right).map(|(a, b)| a - b).collect();
            prop_assert!(norm(&missed) < 1e-12);
            // No direction is stretched by more than the bound says.
            prop_assert!(norm(&h.times(&right)) <= h.norm_bound() * norm(&right) * (1.0 + 1e-12));
        }
    }

    #[test]
    fn an_indefinite_matrix_is_refused() {
        assert!(Symmetric::scaled_identity(2, -1.0).solve(&[1.0, 1.0]).is_none());
    }

    #[test]
    fn power_iteration_would_bound_from_below() {
        // From a start that is nearly orthogonal to the leading direction, few iterations see 1 where the norm is 9.
        let h = Symmetric { size: 2, entries: vec![9.0, 0.0, 0.0, 1.0] };
        let mut v = vec![1e-6, 1.0];
        for _ in 0..3 {
            v = h.times(&v);
            let length = norm(&v);
            v.iter_mut().for_each(|x| *x /= length);
        }
        assert!(norm(&h.times(&v)) < 1.1);
        assert!(h.norm_bound() >= 9.0);
    }
}
