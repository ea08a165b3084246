//! Cards of models and of data sets.

use super::{About, listed};
use crate::data_version::latest_manifest;
use crate::document::gather::{Reader, declared, proved, recorded};
use crate::document::{Block, Document, Section};
use crate::failure::Failure;
use crate::output::thousands;
use crate::privacy::{bound, statement};
use crate::workspace::Workspace;
use reticent_data::Domain;
use reticent_govern::Event;

pub(super) fn model(workspace: &mut Workspace, about: &About) -> Result<Document, Failure> {
    let wanted = about.model.clone().unwrap_or_default();
    let is_it = |name: &str| wanted.is_empty() || name == wanted || name.split('/').next() == Some(wanted.as_str());
    let found = workspace.ledger.events("model-released")?.into_iter().rev();
    let found = found.into_iter().find(|s| matches!(&s.event, Event::ModelReleased(r) if is_it(&r.model)));
    let Some(stored) = found else {
        return Err(Failure::usage("no such release is on record").hint("`reticent status` lists them"));
    };
    let Event::ModelReleased(release) = stored.event.clone() else { return Err(Failure::failed("a release has another form")) };
    let dataset = release.data_version.split('/').next().unwrap_or_default().to_owned();
    let unit = workspace.config.data.get(&dataset).map(|d| d.unit.clone()).unwrap_or_default();
    let stated = match workspace.ledger.budget(&dataset, &unit)? {
        Some(budget) => statement(&workspace.config, &budget)?,
        None => None,
    };
    let purpose = workspace.config.purposes.get(&release.purpose).cloned();
    let recalled = workspace.ledger.recalled()?.contains(&release.model);
    let grounds = workspace.ledger.made_of(&release.model)?;
    let mut reader = Reader::new(workspace);
    let seq = reader.cite(&stored);
    let mut facts = vec![
        recorded("trained for", release.purpose.clone(), vec![seq]),
        recorded("trained on", release.data_version.clone(), vec![seq]),
        recorded("weights, SHA-256", release.weights_sha256.clone(), vec![seq]),
        recorded("manifest, SHA-256", release.manifest_sha256.clone(), vec![seq]),
        recorded("plan, SHA-256", release.plan_digest.clone(), vec![seq]),
    ];
    let letters: std::collections::BTreeSet<String> =
        grounds.keys().map(|g| g.art6.map_or_else(|| "nobody decided".to_owned(), |l| format!("Art 6(1)({l})"))).collect();
    facts.push(recorded("on the ground of", listed(&letters.into_iter().collect::<Vec<_>>()), vec![seq]));
    for event in reader.events("release-recalled")? {
        if let Event::ReleaseRecalled { model, reason, by } = &event.event
            && *model == release.model
        {
            let recalled = reader.cite(&event);
            facts.push(recorded("recalled", format!("{by}: {reason}"), vec![recalled]));
        }
    }
    let mut bounds = vec![];
    let mut not_covered = vec![];
    if let Some(s) = stated {
        let names: Vec<String> = s.releases.iter().map(|r| r.name.clone()).collect();
        let words = format!("{}, {}, {}, for {} together", bound(s.epsilon_upper, s.delta), s.neighbours, s.unit, listed(&names));
        bounds.push(Block::Facts(vec![proved("bound", words, vec![seq])]));
        not_covered = s.not_covered;
    } else {
        bounds.push(Block::Missing("no bound is stated".into()));
    }
    let mut measured = vec![];
    for event in reader.events("evidence-recorded")? {
        if let Event::EvidenceRecorded { topic, about, numbers, .. } = &event.event
            && *about == release.model
        {
            let cited = reader.cite(&event);
            // What is measured of ε has its δ and its confidence in the report.
            measured.extend(numbers.iter().filter(|(name, _)| !name.contains("epsilon")).map(|(name, value)| {
                let said = crate::assessment::number(name, *value, None, cited);
                crate::assessment::Fact { name: format!("{topic}: {}", said.name), ..said }
            }));
        }
    }
    let description = purpose.as_ref().and_then(|p| p.description.clone());
    let sections = vec![
        Section::new(
            "use",
            "What it is for",
            vec![match description {
                Some(text) => Block::Text(text),
                None => Block::Missing("a description of the purpose, in reticent.toml".into()),
            }],
        ),
        Section::new("record", "What is on record", vec![Block::Facts(facts)]),
        Section::new("bound", "What it may reveal", bounds),
        Section::new(
            "measured",
            "What was measured",
            if measured.is_empty() { vec![Block::Missing("an audit: `reticent audit`".into())] } else { vec![Block::Facts(measured)] },
        ),
        Section::new("not-covered", "What the bound does not cover", vec![Block::List(not_covered)]),
    ];
    let lead = if recalled {
        "This release was recalled: it is served no longer."
    } else {
        "This release stands. A model trained on personal data is treated as personal data."
    };
    Ok(reader.document("model-card", format!("Model {}", release.model), lead.into(), sections))
}

pub(super) fn data(workspace: &mut Workspace, about: &About) -> Result<Document, Failure> {
    let Some(manifest) = latest_manifest(workspace, &about.dataset)? else {
        return Err(Failure::usage(format!("the data set `{}` has not been imported", about.dataset)).hint("run `reticent import`"));
    };
    let config = workspace.config.clone();
    let declared_data = &config.data[&about.dataset];
    let mut reader = Reader::new(workspace);
    let mut seq = vec![];
    for kind in ["data-imported", "data-reduced", "data-corrected"] {
        for stored in reader.events(kind)? {
            if let Event::DataImported { version, .. } | Event::DataReduced { version, .. } | Event::DataCorrected { version, .. } =
                &stored.event
                && *version == manifest.version
            {
                seq.push(reader.cite(&stored));
            }
        }
    }
    let masked = |n: u64| if (1..10).contains(&n) { "fewer than 10".to_owned() } else { thousands(n) };
    let facts = vec![
        recorded("version", manifest.version.clone(), seq.clone()),
        recorded("records", masked(manifest.counts.records), seq.clone()),
        recorded(format!("units ({})", manifest.schema.unit), masked(manifest.counts.units), seq.clone()),
        recorded("rows, salted digest", manifest.rows_digest.clone(), seq),
        declared("source", manifest.source.file.clone()),
        declared(
            "may serve",
            if declared_data.purposes.is_empty() { "what its columns say".into() } else { listed(&declared_data.purposes) },
        ),
    ];
    let rows = manifest.schema.columns.iter().map(|c| {
        let domain = match &c.domain {
            Domain::Range { min, max, .. } => format!("{min} to {max}"),
            Domain::Levels { levels, .. } => levels.join(", "),
        };
        vec![c.name.clone(), domain, c.special.clone().unwrap_or_default()]
    });
    let mut rows: Vec<Vec<String>> = rows.collect();
    let target = &manifest.schema.target;
    rows.push(vec![format!("{} (predicted)", target.column), target.classes.names(&target.column).join(", "), String::new()]);
    let head = ["column", "public bounds or levels", "special category"].map(str::to_owned).to_vec();
    let sections = vec![
        Section::new("record", "What is on record", vec![Block::Facts(facts)]),
        Section::new("columns", "Columns", vec![Block::Table { head, rows }]),
        Section::new(
            "how",
            "How it was collected",
            vec![
                Block::Missing("who collected it, how and when".into()),
                Block::Missing("who is missing in it, and whom it treats unevenly".into()),
            ],
        ),
    ];
    let lead = "No row and no value of one is here: bounds and levels were declared in public, counts from 1 to 9 are masked.";
    Ok(reader.document("data-card", format!("Data set {}", about.dataset), lead.into(), sections))
}
