//! `status`: where the workspace stands, and what to do next.

use crate::cli::Common;
use crate::config::FILE;
use crate::data_version::latest_manifest;
use crate::failure::Failure;
use crate::output::{Answer, thousands};
use crate::privacy::{bound, statement};
use crate::verbs::train::releases_of;
use crate::workspace::{Workspace, absolute, has_begun, read_config};
use clap::Args;
use serde_json::json;

#[derive(Args)]
pub(crate) struct Status {}

impl Status {
    #[expect(clippy::unused_self, reason = "all verbs have one shape")]
    pub(crate) fn run(&self, common: &Common) -> Result<Answer, Failure> {
        let dir = absolute(&common.dir)?;
        let config = read_config(&dir)?;
        if !has_begun(&dir, &config) {
            let text = format!(
                "{FILE} declares {} data sets and {} models; nothing has happened yet\nnext: reticent import\n",
                config.data.len(),
                config.models.len()
            );
            return Ok(Answer::new(text, json!({ "dir": dir, "events": 0, "next": "reticent import" })));
        }
        let mut workspace = Workspace::read(&dir)?;
        let mode = if workspace.is_release() { "release" } else { "experiment (outputs are stamped UNRELEASED)" };
        let mut text = format!("mode     {mode}\n");
        let mut next: Option<String> = None;
        let mut data = vec![];
        for name in workspace.config.data.keys().cloned().collect::<Vec<_>>() {
            match latest_manifest(&mut workspace, &name)? {
                None => {
                    text += &format!("data     {name}: not imported\n");
                    next.get_or_insert("reticent import".into());
                }
                Some(manifest) => {
                    let known = workspace.ledger.basis_events_known(&name)?;
                    text += &format!(
                        "data     {}: {} records, {} × {}{}\n",
                        manifest.version,
                        thousands(manifest.counts.records),
                        thousands(manifest.counts.units),
                        manifest.schema.unit,
                        if known { "" } else { "; quarantined, no basis events known" }
                    );
                    if !known && workspace.is_release() {
                        next.get_or_insert("reticent consent import".into());
                    }
                    data.push(json!({ "version": manifest.version, "records": manifest.counts.records, "units": manifest.counts.units, "quarantined": !known }));
                }
            }
        }
        let mut models = vec![];
        let recalled = workspace.ledger.recalled()?;
        for name in workspace.config.models.keys().cloned().collect::<Vec<_>>() {
            if workspace.config.models[&name].is_removable() {
                text += &format!("model    {name}: {}\n", crate::certified::standing(&workspace, &name)?);
                continue;
            }
            let releases = releases_of(&mut workspace, &name)?;
            match releases.last() {
                None => {
                    text += &format!("model    {name}: not trained\n");
                    next.get_or_insert("reticent train".into());
                }
                Some(last) if recalled.contains(&last.model) => {
                    text += &format!("model    {}: recalled\n", last.model);
                    next.get_or_insert("reticent train".into());
                }
                Some(last) => text += &format!("model    {}\n", last.model),
            }
            models.extend(releases.into_iter().map(|r| r.model));
        }
        let mut bounds = vec![];
        for budget in workspace.ledger.budgets()? {
            if let Some(s) = statement(&workspace.config, &budget)? {
                text += &format!(
                    "privacy  {}: {}, {}, {}, with what is reserved\n",
                    budget.dataset,
                    bound(s.epsilon_upper, s.delta),
                    s.neighbours,
                    s.unit
                );
                bounds.push(s);
            }
        }
        let events = workspace.ledger.event_count()?;
        text += &format!("log      {} entries\n", thousands(events));
        let reported = workspace.ledger.events("report-written")?.last().map_or(0, |e| e.seq);
        let released = workspace.ledger.events("model-released")?.last().map_or(0, |e| e.seq);
        let next = next.unwrap_or_else(|| {
            if reported > released { format!("look at {}", dir.join("report.html").display()) } else { "reticent report".into() }
        });
        text += &format!("next: {next}\n");
        Ok(Answer::new(
            text,
            json!({ "dir": dir, "mode": workspace.config.mode, "data": data, "models": models, "privacy": bounds, "events": events, "next": next }),
        ))
    }
}
