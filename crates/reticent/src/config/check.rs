//! What no single key can tell: references, roles, budgets, and what a release needs.

use super::dataset::{Bounds, Budget, DataSet};
use super::model::{FeatureMap, Privacy, max_rows_per_subject};
use super::problem::Kind;
use super::reader::Reader;
use super::{Config, Mode, Model};
use reticent_data::{Domain, Dropped, SubjectRule};
use std::collections::BTreeSet;

/// Checks what was read, and fills in the defaults that depend on several tables.
pub(super) fn check(reader: &mut Reader<'_>, config: &mut Config) {
    for (name, data) in &config.data {
        let path = format!("data.{}", super::key(name));
        roles(reader, &path, data);
        groups(reader, &path, data);
        names(reader, &path, data);
        unit(reader, &path, data);
        bounds(reader, &path, data, config.mode);
        if !reader.broken(&path)
            && let Err(error) = data.schema(name).check()
        {
            reader.error(Kind::Contradiction, &format!("{path}.columns"), error.to_string(), "");
        }
    }
    for (name, model) in &mut config.models {
        let path = format!("models.{}", super::key(name));
        if !config.purposes.contains_key(&model.purpose) {
            reader.unknown(&format!("{path}.purpose"), "purpose", &model.purpose, config.purposes.keys().map(String::as_str));
        }
        match config.data.get(&model.data) {
            Some(data) => {
                let table = if model.is_removable() { "certified" } else { "privacy" };
                plan(reader, &format!("{path}.{table}"), &mut model.privacy, data);
                features(reader, &format!("{path}.features"), model, data);
                if let Some(certified) = &mut model.certified {
                    certified.max_rows_per_subject = model.privacy.max_rows_per_subject;
                }
            }
            None => reader.unknown(&format!("{path}.data"), "data set", &model.data, config.data.keys().map(String::as_str)),
        }
    }
    purposes(reader, config);
    for (name, data) in &mut config.data {
        budget(reader, name, data, config.models.iter().filter(|(_, m)| m.data == *name && !m.is_removable()));
    }
    special(reader, config);
    if config.mode == Mode::Release {
        release(reader, config);
    }
}

/// Subject, record and target are three columns, and none of them a feature.
fn roles(reader: &mut Reader<'_>, path: &str, data: &DataSet) {
    let target = data.target.column.as_str();
    let subject = match &data.subject {
        SubjectRule::Column(column) => Some(column.as_str()),
        SubjectRule::Row | SubjectRule::RunsOf(_) => None,
    };
    let record = data.record.as_deref();
    if subject.is_some_and(|s| s == target) || matches!(&data.subject, SubjectRule::RunsOf(columns) if columns.iter().any(|c| c == target))
    {
        let message = format!("`{target}` says whose row it is and cannot be predicted");
        reader.error(Kind::Contradiction, &format!("{path}.target"), message, "choose another target, or another subject");
    }
    if record.is_some_and(|r| r == target || Some(r) == subject) {
        let hint = "remove it: without a record column the number of the row serves";
        reader.error(Kind::Contradiction, &format!("{path}.record"), "is the target or the subject already", hint);
    }
    let levels_are_classes = matches!(data.target.classes, reticent_data::Classes::Levels(_));
    for (column, is) in [(subject, "says whose row it is"), (record, "is the id of the record"), (Some(target), "is the target")] {
        let Some(column) = column.filter(|c| data.columns.find(c).is_some()) else { continue };
        if column == target && (levels_are_classes || reader.broken(&format!("{path}.target"))) {
            continue;
        }
        let key = super::key(column);
        let message = format!("`{column}` {is} and cannot be a feature");
        reader.error(Kind::Contradiction, &format!("{path}.columns.{key}"), message, format!("remove it, or write {key} = \"drop\""));
    }
    let features = data.columns.names().filter(|name| *name != target).count();
    if features == 0 {
        let hint = "give at least one column bounds [min, max] or levels [\"a\", \"b\"]";
        reader.error(Kind::MissingKey, &format!("{path}.columns"), "no feature is declared", hint);
    }
}

/// Groups are declared columns with few values.
fn groups(reader: &mut Reader<'_>, path: &str, data: &DataSet) {
    let path = format!("{path}.groups");
    for group in &data.groups {
        if data.columns.broken.contains(group) {
            continue;
        }
        match data.columns.find(group).map(|c| &c.domain) {
            Some(Domain::Levels { .. }) => {}
            Some(Domain::Range { min, max, .. }) if *min == 0.0 && *max == 1.0 => {}
            Some(Domain::Range { .. }) => {
                let message = format!("`{group}` is a number, and groups are columns of levels or numbers within [0, 1]");
                reader.error(Kind::Contradiction, &path, message, "choose another column");
            }
            None => reader.unknown(&path, "column with bounds or levels", group, data.columns.names()),
        }
    }
}

/// Where the file has no header, `names` is the list of its columns.
fn names(reader: &mut Reader<'_>, path: &str, data: &DataSet) {
    if data.names.is_empty() || reader.broken(&format!("{path}.names")) {
        return;
    }
    let known = || data.names.iter().map(String::as_str);
    let has = |name: &str| data.names.iter().any(|n| n == name);
    let dropped = match &data.columns.dropped {
        Dropped::Only(names) => names.as_slice(),
        Dropped::AllOthers => &[],
    };
    for column in data.columns.names().chain(dropped.iter().map(String::as_str)).filter(|c| !has(c)) {
        reader.unknown(&format!("{path}.columns.{}", super::key(column)), "column in `names`", column, known());
    }
    let mut roles = vec![("target", data.target.column.as_str())];
    roles.extend(data.record.as_deref().map(|r| ("record", r)));
    match &data.subject {
        SubjectRule::Row => {}
        SubjectRule::Column(column) => roles.push(("subject", column)),
        SubjectRule::RunsOf(columns) => roles.extend(columns.iter().map(|c| ("subject", c.as_str()))),
    }
    for (key, column) in roles.iter().filter(|(_, column)| !column.is_empty() && !has(column)) {
        reader.unknown(&format!("{path}.{key}"), "column in `names`", column, known());
    }
    if data.columns.dropped != Dropped::AllOthers {
        let declared: BTreeSet<&str> = data.columns.names().chain(roles.iter().map(|(_, c)| *c)).collect();
        for name in data.names.iter().filter(|n| !declared.contains(n.as_str()) && !data.drops(n)) {
            let hint = format!("write {} = \"drop\", or \"*\" = \"drop\" for all that are not named", super::key(name));
            reader.error(Kind::MissingKey, &format!("{path}.columns.{}", super::key(name)), "is in `names` and not declared", hint);
        }
    }
}

/// A unit is called what it is.
fn unit(reader: &mut Reader<'_>, path: &str, data: &DataSet) {
    let path = format!("{path}.unit");
    let says_person = ["person", "people", "patient", "individual", "subject"].iter().any(|w| data.unit.to_lowercase().contains(w));
    match data.subject {
        SubjectRule::RunsOf(_) if says_person => {
            let message = "units found by runs of equal rows are reconstructed and may not be people";
            reader.error(Kind::Contradiction, &path, message, "write unit = \"reconstructed unit\", or leave it out");
        }
        SubjectRule::Row if says_person => {
            let message = format!("the bound is for one row; it is for one {} only where nobody has two rows", data.unit);
            reader.warn(Kind::Advice, &path, message, "name the column that says whose row it is: subject = \"patient_id\"");
        }
        _ => {}
    }
}

/// Bounds from the data are outside the guarantee.
fn bounds(reader: &mut Reader<'_>, path: &str, data: &DataSet, mode: Mode) {
    let path = format!("{path}.bounds");
    match (data.bounds, mode) {
        (Bounds::Public, _) => {}
        (Bounds::Data, Mode::Experiment) => {
            let message = "bounds and levels were read from the private rows: ε does not cover what they reveal";
            reader.warn(Kind::NotCovered, &path, message, "before a release, write what could be and set bounds = \"public\"");
        }
        (Bounds::Data, Mode::Release) => {
            let message = "a release needs bounds and levels that were not read from the private rows";
            reader.error(Kind::NeededForRelease, &path, message, "write what could be, then bounds = \"public\"");
        }
    }
}

/// A plan that fits the data set.
fn plan(reader: &mut Reader<'_>, path: &str, privacy: &mut Privacy, data: &DataSet) {
    let by_row = data.subject == SubjectRule::Row;
    if privacy.max_rows_per_subject == Privacy::BY_SUBJECT {
        privacy.max_rows_per_subject = if by_row { 1 } else { max_rows_per_subject() };
    } else if by_row && privacy.max_rows_per_subject > 1 {
        let path = format!("{path}.max_rows_per_subject");
        reader.error(
            Kind::Contradiction,
            &path,
            "each row is a unit of its own: it has one row",
            "remove it, or name the column that says whose row it is",
        );
    }
    if privacy.unsaid {
        return;
    }
    // `units` of a broken table is a stand-in.
    let units = data.units as f64;
    if data.units > 1 && privacy.sample_rate * units < 1.0 {
        let message = format!("a step would meet {} units on average", privacy.sample_rate * units);
        reader.warn(Kind::Advice, &format!("{path}.sample_rate"), message, "most steps would be noise alone: raise it");
    }
    if data.units > 1 && privacy.delta * units >= 1.0 {
        let message =
            format!("{} is not below 1 / units: a bound this loose permits publishing one unit's rows as they are", privacy.delta);
        reader.warn(Kind::Advice, &format!("{path}.delta"), message, format!("choose one far below {:.0e}", 1.0 / units));
    }
}

/// Features that can be computed of these columns.
fn features(reader: &mut Reader<'_>, path: &str, model: &Model, data: &DataSet) {
    if model.features == Some(FeatureMap::Scattering)
        && !reader.broken(&format!("data.{}", super::key(&model.data)))
        && let Err(error) = reticent_train::features::Features::scattering(&data.schema(&model.data))
    {
        let hint = "scattering is for square images, one column a pixel, row by row: name the other columns \"drop\"";
        reader.error(Kind::Contradiction, path, error.to_string(), hint);
    }
}

/// One δ for each data set, and no model above its budget.
fn budget<'m>(reader: &mut Reader<'_>, name: &str, data: &mut DataSet, models: impl Iterator<Item = (&'m String, &'m Model)> + Clone) {
    let sum_up =
        |(epsilon, delta): (f64, Option<f64>), (_, m): (&String, &Model)| (m.privacy.epsilon.max(epsilon), delta.or(Some(m.privacy.delta)));
    let said = data.budget.is_some();
    if data.budget.is_none()
        && let (epsilon, Some(delta)) = models.clone().fold((0.0, None), sum_up)
    {
        data.budget = Some(Budget { epsilon, delta });
    }
    let Some(budget) = data.budget.filter(|_| !reader.broken(&format!("data.{}.budget", super::key(name)))) else { return };
    for (model, Model { privacy, .. }) in models {
        let path = format!("models.{}.privacy", super::key(model));
        if privacy.delta != budget.delta {
            let whose = if said { format!("the budget of `{name}` has") } else { format!("another model of `{name}` has") };
            let hint = format!("write delta = {:e} in both: spending is added up at one δ", budget.delta);
            reader.error(
                Kind::Contradiction,
                &format!("{path}.delta"),
                format!("is {:e} and {whose} {:e}", privacy.delta, budget.delta),
                hint,
            );
        }
        if privacy.epsilon > budget.epsilon {
            let message = format!("{} is above the budget of `{name}`, {}", privacy.epsilon, budget.epsilon);
            let hint = format!("lower it, or raise epsilon in [data.{}.budget]", super::key(name));
            reader.error(Kind::Contradiction, &format!("{path}.epsilon"), message, hint);
        }
    }
}

/// Purposes are parts of declared ones, columns are for declared ones, and what is made from something serves no more than that did.
fn purposes(reader: &mut Reader<'_>, config: &Config) {
    let known = || config.purposes.keys().map(String::as_str);
    for (name, purpose) in &config.purposes {
        let path = format!("purposes.{}.broader", super::key(name));
        let Some(broader) = &purpose.broader else { continue };
        if !config.purposes.contains_key(broader) {
            reader.unknown(&path, "purpose", broader, known());
        } else if broader == name || config.broader(broader).contains(name) {
            reader.error(Kind::Contradiction, &path, "leads back to this purpose", "remove it: a purpose is no part of itself");
        }
    }
    for (name, data) in &config.data {
        let path = format!("data.{}", super::key(name));
        for purpose in data.purposes.iter().filter(|p| !config.purposes.contains_key(*p)) {
            reader.unknown(&format!("{path}.purposes"), "purpose", purpose, known());
        }
        for from in &data.derived_from {
            if !config.data.contains_key(from) || from == name {
                reader.unknown(
                    &format!("{path}.derived_from"),
                    "other data set",
                    from,
                    config.data.keys().map(String::as_str).filter(|n| n != name),
                );
            }
        }
        for (column, rights) in &data.columns.rights {
            let path = format!("{path}.columns.{}", super::key(column));
            for purpose in rights.purposes.iter().filter(|p| !config.purposes.contains_key(*p)) {
                reader.unknown(&format!("{path}.purposes"), "purpose", purpose, known());
            }
            for from in rights.from.iter().filter(|f| data.columns.find(f).is_none() || *f == column) {
                reader.unknown(&format!("{path}.from"), "other column with bounds or levels", from, data.columns.names());
            }
        }
        match data.age.as_deref().map(|age| (age, data.columns.find(age).map(|c| &c.domain))) {
            None | Some((_, Some(Domain::Range { .. }))) => {}
            Some((age, Some(Domain::Levels { .. }))) => {
                let message = format!("`{age}` has levels, and ages are numbers of years");
                reader.error(Kind::Contradiction, &format!("{path}.age"), message, "name a column with bounds [0, 120]");
            }
            Some((age, None)) => reader.unknown(&format!("{path}.age"), "column with bounds", age, data.columns.names()),
        }
    }
    for (name, model) in &config.models {
        let path = format!("models.{}", super::key(name));
        let Some(base) = &model.base else { continue };
        match config.models.get(base).filter(|_| base != name) {
            None => reader.unknown(&format!("{path}.base"), "other model", base, config.models.keys().map(String::as_str)),
            Some(base) if base.purpose != model.purpose && !config.broader(&model.purpose).contains(&base.purpose) => {
                let message = format!("its base was trained for `{}`: what is made from it serves that, or a part of it", base.purpose);
                reader.error(Kind::Contradiction, &format!("{path}.purpose"), message, "train it from nothing, on a basis of its own");
            }
            Some(_) => {}
        }
    }
}

/// Special categories need a condition of Art 9.
fn special(reader: &mut Reader<'_>, config: &Config) {
    let mut said = BTreeSet::new();
    for model in config.models.values() {
        let (Some(purpose), Some(data)) = (config.purposes.get(&model.purpose), config.data.get(&model.data)) else { continue };
        let Some(column) = data.columns.declared.iter().find(|c| c.special.is_some()) else { continue };
        if purpose.art9.is_some() || !said.insert(&model.purpose) {
            continue;
        }
        let path = format!("purposes.{}.art9", super::key(&model.purpose));
        let what = column.special.as_deref().unwrap_or_default();
        let message = format!("is missing: `{}` of `{}` reveals a special category ({what})", column.name, model.data);
        let hint = "write the letter of GDPR Art 9(2) that applies, for instance art9 = \"a\" for explicit consent";
        match config.mode {
            Mode::Experiment => reader.warn(Kind::NeededForRelease, &path, message, hint),
            Mode::Release => reader.error(Kind::NeededForRelease, &path, message, hint),
        }
    }
}

/// What may be left out in an experiment only.
fn release(reader: &mut Reader<'_>, config: &Config) {
    let mut need = |path: String, given: bool, hint: &str| {
        if !given {
            reader.error(Kind::NeededForRelease, &path, "is missing, and a release needs it", hint);
        }
    };
    let controller = &config.controller;
    need("controller.name".into(), controller.name.is_some(), "who decides on purposes and means");
    need("controller.contact".into(), controller.contact.is_some(), "where a person can reach the controller");
    need("controller.jurisdiction".into(), controller.jurisdiction.is_some(), "for instance \"FR\"");
    let used: BTreeSet<&str> = config.models.values().map(|m| m.purpose.as_str()).collect();
    for (name, purpose) in config.purposes.iter().filter(|(name, _)| used.contains(name.as_str())) {
        let at = |key: &str| format!("purposes.{}.{key}", super::key(name));
        need(at("iri"), purpose.iri.is_some(), "for instance \"https://w3id.org/dpv#ServiceProvision\"");
        need(at("description"), purpose.description.is_some(), "one sentence for the people whose data it is");
        need(at("owner"), purpose.owner.is_some(), "who answers for this purpose");
        need(at("retention"), purpose.retention.is_some(), "how long data and models are kept, for instance \"P3Y\"");
        need(at("art6"), purpose.art6.is_some(), "the letter of GDPR Art 6(1), for instance \"a\" for consent");
        if purpose.art6 == Some('a') {
            need(at("notices"), !purpose.notices.is_empty(), "the versions of the notice under which consent counts");
        }
    }
}
