//! What lies in the demo's folder before the first step: the data, and what is simulated around it.

use crate::config;
use crate::disk;
use crate::failure::Failure;
use crate::leak;
use rand::RngExt;
use reticent_train::NotPrivateSeed;
use std::path::Path;

/// RAND Health Insurance Experiment, see data/rand-hie/SOURCE.txt of the repository.
const DATA: &[u8] = include_bytes!("../../../../../data/rand-hie/randhie.csv");
const CONFIG: &str = include_str!("../../demo/reticent.toml");
const MARKER: &str = "# Workspace of `reticent demo`";
const CONSENT_SEED: NotPrivateSeed = NotPrivateSeed(1974);
/// Runs of equal rows in the data: the reconstructed units.
const UNITS: usize = 5094;
/// A made-up year of a made-up person, as `predict` and `explain` take it.
pub(super) const PERSON: [(&str, f64); 9] = [
    ("lncoins", 0.0),
    ("idp", 0.0),
    ("lpi", 6.9),
    ("fmde", 0.0),
    ("physlm", 1.0),
    ("disea", 26.5),
    ("hlthg", 0.0),
    ("hlthf", 1.0),
    ("hlthp", 0.0),
];

/// Puts data, simulated consents and reticent.toml into the folder, or finds them there from an earlier start.
pub(super) fn prepare(dir: &Path) -> Result<(), Failure> {
    let file = dir.join(config::FILE);
    if file.exists() {
        return if disk::read_text(&file)?.starts_with(MARKER) {
            Ok(())
        } else {
            Err(Failure::refused(format!("{} is somebody's workspace", dir.display())).hint("name another folder with `--dir`"))
        };
    }
    disk::create_folder(dir)?;
    disk::write(&dir.join("randhie.csv"), DATA)?;
    disk::write(&dir.join("consent.csv"), consents().as_bytes())?;
    disk::write(&dir.join("messages.csv"), leak::simulated_csv().as_bytes())?;
    disk::write(&dir.join("person.csv"), person().as_bytes())?;
    // Last: a folder with this file has all of them.
    disk::write(&file, format!("{MARKER}\n{CONFIG}").as_bytes())
}

/// What a unit is simulated to have said, each with its share.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    /// 4%: consented, and withdrew.
    Withdrew,
    /// 2%: consented under a notice that has expired.
    ExpiredNotice,
    /// 1%: consented, and had the processing restricted.
    Restricted,
    /// 1%: consented, and not explicitly to the use of health data.
    NotExplicit,
    Consented,
}

fn said() -> impl Iterator<Item = (usize, Said)> {
    let mut rng = CONSENT_SEED.rng();
    (1..=UNITS).map(move |unit| {
        let said = match rng.random::<f64>() {
            d if d < 0.04 => Said::Withdrew,
            d if d < 0.06 => Said::ExpiredNotice,
            d if d < 0.07 => Said::Restricted,
            d if d < 0.08 => Said::NotExplicit,
            _ => Said::Consented,
        };
        (unit, said)
    })
}

/// Units whose consent stands, by their number in the file.
pub(super) fn consenting() -> impl Iterator<Item = String> {
    said().filter(|(_, said)| *said == Said::Consented).map(|(unit, _)| unit.to_string())
}

fn person() -> String {
    let (names, values): (Vec<String>, Vec<String>) = PERSON.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).unzip();
    format!("{}\n{}\n", names.join(","), values.join(","))
}

fn consents() -> String {
    let mut text = String::from("subject,purpose,state,at,notice,art6,art9\n");
    for (unit, said) in said() {
        let notice = if said == Said::ExpiredNotice { "2023-1" } else { "2024-1" };
        let art9 = if said == Said::NotExplicit { "" } else { "a" };
        text += &format!("{unit},frequent-visits,given,2024-03-01,{notice},a,{art9}\n");
        match said {
            Said::Withdrew => text += &format!("{unit},frequent-visits,withdrawn,2024-09-15,,,\n"),
            Said::Restricted => text += &format!("{unit},frequent-visits,restricted,2024-10-01,,,\n"),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_what_was_said() {
        let count = |wanted| said().filter(|(_, said)| *said == wanted).count() as f64 / UNITS as f64;
        for (wanted, share) in [(Said::Withdrew, 0.04), (Said::ExpiredNotice, 0.02), (Said::Restricted, 0.01), (Said::NotExplicit, 0.01)] {
            assert!((count(wanted) - share).abs() < 0.005);
        }
        assert_eq!(consents().lines().count(), 1 + UNITS + said().filter(|(_, s)| matches!(s, Said::Withdrew | Said::Restricted)).count());
    }
}
