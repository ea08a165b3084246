//! A data set as Croissant 1.1 with the RAI vocabulary 1.0: its shape, its purposes, what is sensitive. Neither rows nor digests of them.

use crate::config::Config;
use reticent_data::{Domain, Manifest, SubjectRule};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) fn describe(config: &Config, dataset: &str, manifest: &Manifest) -> Value {
    let declared = &config.data[dataset];
    let file = &manifest.source.file;
    let mut fields: Vec<Value> = vec![];
    let mut field = |name: &str, kind: &str, description: String| {
        fields.push(json!({ "@type": "cr:Field", "@id": format!("{dataset}/{name}"), "name": name, "description": description,
            "dataType": kind, "source": { "fileObject": { "@id": file }, "extract": { "column": name } } }));
    };
    let rights = config.column_purposes(dataset);
    for column in &manifest.schema.columns {
        let (kind, shape) = match &column.domain {
            Domain::Range { min, max, .. } => ("sc:Float", format!("a number from {min} to {max}")),
            Domain::Levels { levels, .. } => ("sc:Text", format!("one of {} levels", levels.len())),
        };
        let special = column.special.as_ref().map(|s| format!("; reveals a special category ({s})")).unwrap_or_default();
        let purposes = rights.get(&column.name).filter(|p| !p.is_empty());
        let purposes =
            purposes.map(|p| format!("; collected for {}", p.iter().cloned().collect::<Vec<_>>().join(", "))).unwrap_or_default();
        field(&column.name, kind, format!("{shape}{special}{purposes}"));
    }
    field(&manifest.schema.target.column, "sc:Text", "what is predicted".into());
    let used: BTreeSet<&str> = config.models.values().filter(|m| m.data == dataset).map(|m| m.purpose.as_str()).collect();
    let cases: Vec<String> = used
        .iter()
        .filter_map(|name| config.purposes.get(*name).map(|p| (name, p)))
        .map(|(name, p)| match (&p.description, &p.iri) {
            (Some(description), Some(iri)) => format!("{name}: {description} ({iri})"),
            (Some(description), None) => format!("{name}: {description}"),
            _ => (*name).to_owned(),
        })
        .collect();
    let mut sensitive: Vec<String> =
        manifest.schema.columns.iter().filter_map(|c| c.special.as_ref().map(|s| format!("{}: {s} (Art 9)", c.name))).collect();
    sensitive
        .extend(declared.columns.rights.iter().filter(|(_, r)| r.criminal).map(|(name, _)| format!("{name}: criminal offences (Art 10)")));
    let whose = match &manifest.schema.subject {
        SubjectRule::Row => "each row is a unit of its own",
        SubjectRule::Column(_) => "rows are personal data; whose they are is replaced by a keyed pseudonym",
        SubjectRule::RunsOf(_) => "rows are grouped into reconstructed units",
    };
    let version = manifest.version.rsplit('v').next().unwrap_or("1");
    json!({
        "@context": { "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/", "cr": "http://mlcommons.org/croissant/",
            "rai": "http://mlcommons.org/croissant/RAI/", "dct": "http://purl.org/dc/terms/", "conformsTo": "dct:conformsTo",
            "recordSet": "cr:recordSet", "field": "cr:field", "dataType": { "@id": "cr:dataType", "@type": "@vocab" }, "source": "cr:source",
            "fileObject": "cr:fileObject", "extract": "cr:extract", "column": "cr:column", "isLiveDataset": "cr:isLiveDataset" },
        "@type": "sc:Dataset",
        "name": dataset,
        "description": manifest.statement.clone().unwrap_or_else(|| format!("The data set {dataset} of a workspace of reticent.")),
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "version": format!("{version}.0.0"),
        "datePublished": manifest.imported_at,
        "isLiveDataset": false,
        "creator": { "@type": "sc:Organization", "name": config.controller.name.clone().unwrap_or_else(|| "unnamed".into()) },
        // No digest: one of personal rows would let anybody test a guess against it.
        "distribution": [{ "@type": "cr:FileObject", "@id": file, "name": file, "contentSize": format!("{} B", manifest.source.bytes),
            "contentUrl": file, "encodingFormat": "text/csv" }],
        "recordSet": [{ "@type": "cr:RecordSet", "@id": dataset, "name": dataset, "field": fields }],
        "rai:dataUseCases": cases,
        "rai:personalSensitiveInformation": sensitive,
        "rai:dataCollection": whose,
        "rai:dataReleaseMaintenancePlan":
            used.iter().filter_map(|p| Some(format!("{p}: kept {}", config.purposes.get(*p)?.retention.as_ref()?))).collect::<Vec<_>>(),
    })
}
