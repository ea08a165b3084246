//! How a draft trains its model: the defaults, or a preset.

use super::draft::Answers;
use super::quoted;
use reticent_train::Preset;

/// `[models.MODEL]` for a data set with so many units.
pub(super) fn table(name: &str, units: u64, answers: &Answers, (model, purpose): (&str, &str)) -> String {
    // δ is the chance of no bound at all: well below one unit.
    let delta = (5..15)
        .map(|digits| (digits, 0.1_f64.powi(digits)))
        .find(|(_, delta)| delta * units as f64 <= 0.5)
        .map_or(15, |(digits, _)| digits);
    let (features, recipe) = match answers.preset {
        None => (String::new(), String::new()),
        Some(preset) => {
            let features = match preset {
                Preset::Tabular => "features = \"bins\"  # each number by its place among bins between its bounds\n",
                Preset::MnistLike => "features = \"scattering\"  # wavelets of a square image, one column a pixel, row by row\n",
            };
            let recipe = format!(
                ", max_grad_norm = {}, sample_rate = {}, steps = {}, learning_rate = {}",
                float(preset.max_grad_norm()),
                float(preset.sample_rate()),
                preset.steps(),
                // ε is for this release and one retraining.
                float(preset.learning_rate(answers.epsilon / 2.0))
            );
            (
                format!("# The recipe is the preset {}: found on public data, the same for everyone.\n{features}", quoted(preset.name())),
                recipe,
            )
        }
    };
    format!(
        "# What to train, and the most it may reveal about any one unit: epsilon covers this release and one retraining.
[models.{model}]
data = {}
purpose = {}
kind = \"logistic\"  # or \"mlp\" with hidden = [32]
{features}privacy = {{ epsilon = {}, delta = 1e-{delta}{recipe} }}
",
        quoted(name),
        quoted(purpose),
        float(answers.epsilon),
    )
}

/// A number that TOML reads as a float.
pub(super) fn float(x: f64) -> String {
    format!("{x:?}")
}
