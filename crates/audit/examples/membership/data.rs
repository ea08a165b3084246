//! Rows of two public data sets, read and encoded as by the program; each row is a unit.

use flate2::read::GzDecoder;
use reticent_data::{Classes, Column, CsvOptions, Domain, Dropped, PermittedTable, PseudonymKey, Schema, SubjectRule, Target, import_csv};
use reticent_proof::Permit;
use std::error::Error;
use std::io::Read;
use std::path::Path;

/// Rows of Adult that are attacked: so few that a network can learn them by heart.
const ADULT_ROWS: usize = 5010;

/// 5,010 people of Bangkok by the places they were seen at, in 30 groups (Shokri et al. 2017).
pub(crate) fn location30(folder: &Path) -> Result<PermittedTable, Box<dyn Error>> {
    let mut bytes = vec![];
    GzDecoder::new(&*read(&folder.join("dataset_location.tgz"))?).read_to_end(&mut bytes)?;
    // A tar archive of one file: a header of 512 bytes with the size in octal, then the file.
    let size = std::str::from_utf8(bytes.get(124..135).ok_or("the archive has no header")?)?;
    let size = usize::from_str_radix(size.trim_matches(['\0', ' ']), 8)?;
    let text = std::str::from_utf8(bytes.get(512..512 + size).ok_or("the archive is cut off")?)?;
    let width = text.lines().next().ok_or("the file is empty")?.split(',').count() - 1;
    let columns = (0..width).map(|i| number(&format!("place{i}"), 0.0, 1.0)).collect();
    let names = std::iter::once("group".to_owned()).chain((0..width).map(|i| format!("place{i}"))).collect();
    let schema = schema("location30", columns, "group", (1..=30).map(|g| g.to_string()).collect());
    import(text.as_bytes(), &schema, CsvOptions { delimiter: b',', names: Some(names), clamp: false })
}

/// The first rows of the training file of Adult.
pub(crate) fn adult(folder: &Path) -> Result<PermittedTable, Box<dyn Error>> {
    let documentation = String::from_utf8(read(&folder.join("adult.names"))?)?;
    let names = "age,workclass,fnlwgt,education,education-num,marital-status,occupation,relationship,race,sex,capital-gain,capital-loss,hours-per-week,native-country,income";
    let range = |name: &str| match name {
        "age" => Some((17.0, 90.0)),
        "education-num" => Some((1.0, 16.0)),
        "capital-gain" => Some((0.0, 99_999.0)),
        "capital-loss" => Some((0.0, 5000.0)),
        "hours-per-week" => Some((1.0, 99.0)),
        _ => None,
    };
    let column = |name: &str| -> Result<Column, Box<dyn Error>> {
        if let Some((min, max)) = range(name) {
            return Ok(number(name, min, max));
        }
        let line = documentation.lines().find_map(|l| l.strip_prefix(&format!("{name}:"))).ok_or(format!("{name} is not documented"))?;
        let levels = line.trim().trim_end_matches('.').split(',').map(|l| l.trim().to_owned()).collect();
        Ok(Column { name: name.into(), domain: Domain::Levels { levels, missing: true }, special: None })
    };
    let columns = names.split(',').filter(|n| !["fnlwgt", "income"].contains(n)).map(column).collect::<Result<_, _>>()?;
    let schema = schema("adult", columns, "income", vec!["<=50K".into(), ">50K".into()]);
    let text = String::from_utf8(read(&folder.join("adult-train.csv"))?)?;
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|l| !l.is_empty()).take(ADULT_ROWS).collect();
    let names = names.split(',').map(str::to_owned).collect();
    import(lines.join("\n").as_bytes(), &schema, CsvOptions { delimiter: b',', names: Some(names), clamp: false })
}

fn read(path: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?)
}

fn number(name: &str, min: f64, max: f64) -> Column {
    Column { name: name.into(), domain: Domain::Range { min, max, missing: None }, special: None }
}

fn schema(dataset: &str, columns: Vec<Column>, target: &str, classes: Vec<String>) -> Schema {
    Schema {
        dataset: dataset.into(),
        subject: SubjectRule::Row,
        unit: "row".into(),
        record: None,
        target: Target { column: target.into(), classes: Classes::Levels(classes) },
        columns,
        dropped: Dropped::AllOthers,
        missing: vec!["?".into()],
    }
}

fn import(csv: &[u8], schema: &Schema, options: CsvOptions) -> Result<PermittedTable, Box<dyn Error>> {
    let imported = import_csv(csv, schema, &options, &PseudonymKey::from_bytes([0; 32]))?;
    Ok(PermittedTable::new(imported.table, "public", Permit::public("a data set that everyone has"))?)
}
