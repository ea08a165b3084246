//! The verbs, one file each.

pub(crate) mod account;
pub(crate) mod assess;
pub(crate) mod audit_text;
pub(crate) mod budget;
pub(crate) mod check;
pub(crate) mod consent;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod log;
pub(crate) mod predict;
pub(crate) mod report;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod train;

use crate::config::{Config, Model};
use crate::failure::Failure;

/// The model named, or the only one.
pub(crate) fn choose_model<'a>(config: &'a Config, named: Option<&str>) -> Result<(&'a str, &'a Model), Failure> {
    let names: Vec<&str> = config.models.keys().map(String::as_str).collect();
    let listed = names.join(", ");
    let name = match (named, &names[..]) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, []) => return Err(Failure::usage("reticent.toml declares no model").hint("add `[models.NAME]`")),
        (None, _) => return Err(Failure::usage("reticent.toml declares several models").hint(format!("name one of: {listed}"))),
    };
    let found = config.models.get_key_value(name);
    found
        .map(|(n, m)| (n.as_str(), m))
        .ok_or_else(|| Failure::usage(format!("no model is called `{name}`")).hint(format!("reticent.toml declares: {listed}")))
}
