//! Softmax regression with a ridge penalty: the classifier that attacks learn, and what columns say of another without the model.

/// Weights on standardised inputs, and a constant, for each class.
pub(crate) struct Softmax {
    mean: Vec<f64>,
    scale: Vec<f64>,
    /// `classes × (width + 1)`, the constant last.
    weights: Vec<f64>,
    classes: usize,
}

/// Steps of accelerated gradient descent; the tests say how near to the optimum they come.
const STEPS: usize = 400;
/// Spread below which an input counts as constant and is left out.
const CONSTANT: f64 = 1e-9;

impl Softmax {
    /// Minimises the mean of −ln p(label) + (1/n)·½‖W‖² over standardised inputs, the constants unpenalised. Deterministic.
    pub(crate) fn fit(inputs: &[&[f64]], labels: &[usize], classes: usize) -> Self {
        let n = inputs.len() as f64;
        let width = inputs.first().map_or(0, |x| x.len());
        let column = |j: usize| inputs.iter().map(move |x| x[j]);
        let mean: Vec<f64> = (0..width).map(|j| column(j).sum::<f64>() / n).collect();
        let scale: Vec<f64> = (0..width)
            .map(|j| {
                let spread = (column(j).map(|x| (x - mean[j]).powi(2)).sum::<f64>() / n).sqrt();
                if spread > CONSTANT { 1.0 / spread } else { 0.0 }
            })
            .collect();
        let mut fitted = Self { mean, scale, weights: vec![0.0; classes * (width + 1)], classes };
        let rows: Vec<Vec<f64>> = inputs.iter().map(|x| fitted.standardised(x)).collect();
        let ridge = 1.0 / n;
        // The Hessian is at most half the largest eigenvalue of the inputs' second moments, plus the ridge.
        let step = 1.0 / (0.5 * 1.05 * largest_eigenvalue(&rows) + ridge);
        let (mut at, mut momentum) = (fitted.weights.clone(), 1.0_f64);
        for _ in 0..STEPS {
            let slope = gradient(&at, &rows, labels, classes, ridge);
            let next: Vec<f64> = at.iter().zip(&slope).map(|(w, g)| w - step * g).collect();
            // Restarted where it turns uphill (O'Donoghue and Candès 2015, gradient scheme).
            let uphill = slope.iter().zip(next.iter().zip(&fitted.weights)).map(|(g, (new, old))| g * (new - old)).sum::<f64>() > 0.0;
            let faster = if uphill { 1.0 } else { 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt()) };
            let carry = if uphill { 0.0 } else { (momentum - 1.0) / faster };
            at = next.iter().zip(&fitted.weights).map(|(new, old)| new + carry * (new - old)).collect();
            (fitted.weights, momentum) = (next, faster);
        }
        fitted
    }

    /// ln p of each class.
    pub(crate) fn log_probabilities(&self, x: &[f64]) -> Vec<f64> {
        log_softmax(&logits(&self.weights, &self.standardised(x), self.classes))
    }

    /// The class with the highest probability.
    pub(crate) fn most_probable(&self, x: &[f64]) -> usize {
        let p = self.log_probabilities(x);
        (0..self.classes).max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap_or(0)
    }

    /// With a 1 at the end for the constant.
    fn standardised(&self, x: &[f64]) -> Vec<f64> {
        x.iter().zip(self.mean.iter().zip(&self.scale)).map(|(x, (m, s))| (x - m) * s).chain([1.0]).collect()
    }
}

fn logits(weights: &[f64], x: &[f64], classes: usize) -> Vec<f64> {
    (0..classes).map(|c| weights[c * x.len()..(c + 1) * x.len()].iter().zip(x).map(|(w, x)| w * x).sum()).collect()
}

fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let all = most + logits.iter().map(|l| (l - most).exp()).sum::<f64>().ln();
    logits.iter().map(|l| l - all).collect()
}

fn gradient(weights: &[f64], rows: &[Vec<f64>], labels: &[usize], classes: usize, ridge: f64) -> Vec<f64> {
    let width = weights.len() / classes;
    let mut slope: Vec<f64> = weights.iter().enumerate().map(|(i, w)| if i % width == width - 1 { 0.0 } else { ridge * w }).collect();
    let share = 1.0 / rows.len() as f64;
    for (x, &label) in rows.iter().zip(labels) {
        for (c, l) in log_softmax(&logits(weights, x, classes)).into_iter().enumerate() {
            let off = share * (l.exp() - f64::from(u8::from(c == label)));
            for (s, x) in slope[c * width..(c + 1) * width].iter_mut().zip(x) {
                *s += off * x;
            }
        }
    }
    slope
}

/// Of the mean of x xᵀ, by power iteration: never above it, and near after so many steps.
fn largest_eigenvalue(rows: &[Vec<f64>]) -> f64 {
    let width = rows.first().map_or(0, Vec::len);
    let mut v: Vec<f64> = (0..width).map(|j| 1.0 + 0.1 * (j as f64).sin()).collect();
    let mut value = 1.0;
    for _ in 0..30 {
        let mut next = vec![0.0; width];
        for x in rows {
            let along: f64 = x.iter().zip(&v).map(|(x, v)| x * v).sum();
            next.iter_mut().zip(x).for_each(|(n, x)| *n += along * x / rows.len() as f64);
        }
        value = next.iter().map(|n| n * n).sum::<f64>().sqrt().max(1e-12);
        v = next.into_iter().map(|n| n / value).collect();
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// At the optimum no direction goes downhill, and in the middle of all starts is the only optimum: the objective is convex.
    #[test]
    fn the_gradient_vanishes() {
        let mut rng = testing::rng(61);
        let (n, classes) = (300, 3);
        // Correlated inputs, one constant, one tiny.
        let inputs: Vec<Vec<f64>> = (0..n)
            .map(|_| {
                let z = testing::normal(&mut rng);
                vec![z, z + 0.3 * testing::normal(&mut rng), 5.0, 1e-4 * testing::normal(&mut rng)]
            })
            .collect();
        let labels: Vec<usize> =
            inputs.iter().map(|x| if x[0] + testing::normal(&mut rng) > 0.5 { 2 } else { usize::from(x[1] > 0.0) }).collect();
        let rows: Vec<&[f64]> = inputs.iter().map(Vec::as_slice).collect();
        let fitted = Softmax::fit(&rows, &labels, classes);
        let standard: Vec<Vec<f64>> = rows.iter().map(|x| fitted.standardised(x)).collect();
        let slope = gradient(&fitted.weights, &standard, &labels, classes, 1.0 / n as f64);
        let steepest = slope.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        assert!(steepest < 1e-7, "{steepest}");
        // The gradient is that of the objective: by differences.
        let objective = |w: &[f64]| {
            let fit = standard.iter().zip(&labels).map(|(x, &y)| -log_softmax(&logits(w, x, classes))[y]).sum::<f64>() / n as f64;
            let penalty: f64 = w.iter().enumerate().filter(|(i, _)| i % 5 != 4).map(|(_, w)| w * w).sum();
            fit + 0.5 / n as f64 * penalty
        };
        let at: Vec<f64> = (0..fitted.weights.len()).map(|i| (i as f64).cos()).collect();
        let slope = gradient(&at, &standard, &labels, classes, 1.0 / n as f64);
        for (i, slope) in slope.iter().enumerate() {
            let moved = |h: f64| objective(&at.iter().enumerate().map(|(j, w)| if i == j { w + h } else { *w }).collect::<Vec<_>>());
            let by_difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((by_difference - slope).abs() < 1e-8, "{i}: {by_difference} {slope}");
        }
    }

    /// Without inputs the probabilities are the shares of the classes.
    #[test]
    fn without_inputs_it_is_the_prior() {
        let labels = [0, 1, 1, 2, 1, 0, 1, 1];
        let none: [f64; 0] = [];
        let fitted = Softmax::fit(&[&none[..]; 8], &labels, 3);
        for (found, share) in fitted.log_probabilities(&none).iter().zip([0.25, 0.625, 0.125]) {
            assert!((found.exp() - share).abs() < 1e-6, "{} {share}", found.exp());
        }
        assert_eq!(fitted.most_probable(&none), 1);
    }
}
