//! What an attack may do with a model. Models live elsewhere and come in through these traits.

/// A classifier that gives probabilities: black-box access, no weights, any number of queries.
///
/// A closure is a target:
/// ```
/// use reticent_audit::Target;
/// let constant = |inputs: &[f32], width: usize| vec![0.5; inputs.len() / width * 2];
/// assert_eq!(constant.probabilities(&[0.0; 6], 3), [0.5; 4]);
/// ```
pub trait Target: Send + Sync {
    /// Probability of each class for each row: row-major `rows × classes` for row-major `rows × width` inputs.
    fn probabilities(&self, inputs: &[f32], width: usize) -> Vec<f64>;
}

impl<F: Fn(&[f32], usize) -> Vec<f64> + Send + Sync> Target for F {
    fn probabilities(&self, inputs: &[f32], width: usize) -> Vec<f64> {
        self(inputs, width)
    }
}

/// A model of text over bytes that gives probabilities of what comes next.
pub trait TextModel {
    /// ln P of each of the 256 bytes after `context`; −∞ where a byte cannot come.
    fn next(&self, context: &[u8]) -> Vec<f64>;

    /// ln P[continuation | prefix] of each continuation. By default byte by byte; a model that shares work between them does better.
    fn log_likelihoods(&self, prefix: &[u8], continuations: &[Vec<u8>]) -> Vec<f64> {
        let of = |continuation: &Vec<u8>| {
            let mut context = prefix.to_vec();
            let mut sum = 0.0;
            for &byte in continuation {
                sum += self.next(&context).get(usize::from(byte)).copied().unwrap_or(f64::NEG_INFINITY);
                context.push(byte);
            }
            sum
        };
        continuations.iter().map(of).collect()
    }
}
