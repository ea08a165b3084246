//! The verbs, one file each.

pub(crate) mod account;
pub(crate) mod assess;
pub(crate) mod audit;
pub(crate) mod audit_dp;
pub(crate) mod audit_endpoint;
pub(crate) mod audit_file;
pub(crate) mod audit_records;
pub(crate) mod audit_scores;
pub(crate) mod audit_text;
pub(crate) mod breach;
pub(crate) mod budget;
pub(crate) mod check;
pub(crate) mod consent;
pub(crate) mod demo;
pub(crate) mod document;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod forget;
pub(crate) mod gate;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod ledger;
pub(crate) mod lineage;
pub(crate) mod log;
pub(crate) mod predict;
pub(crate) mod register;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod scan;
pub(crate) mod select;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod sweep;
pub(crate) mod train;

use crate::config::{Config, Model};
use crate::failure::Failure;

/// The model named, or the only one; models for removals count only where there is no other.
pub(crate) fn choose_model<'a>(config: &'a Config, named: Option<&str>) -> Result<(&'a str, &'a Model), Failure> {
    let names: Vec<&str> = config.models.keys().map(String::as_str).collect();
    let listed = names.join(", ");
    let released: Vec<&str> = config.models.iter().filter(|(_, m)| !m.is_removable()).map(|(n, _)| n.as_str()).collect();
    let defaults = if released.is_empty() { &names } else { &released };
    let name = match (named, &defaults[..]) {
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
