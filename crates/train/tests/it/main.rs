//! What a user of the crate can see: model files, ranking, training as a whole.

mod auc;
mod engine;
mod model_file;
mod models;
mod text;
mod training;
