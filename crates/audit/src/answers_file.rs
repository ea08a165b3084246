//! Answers of any model, written by any tool: a CSV file with probabilities, labels and membership, and perhaps answers of reference models.

use crate::attacks::{self, Material, Name, Needs, References, SIGNALS};
use crate::error::FileProblemKind;
use crate::scores_file::{Columns, Lines, number, truth};
use crate::shadow::Membership;
use crate::{Error, MemberScores, signal};
use reticent_data::ParquetRows;
use std::collections::BTreeMap;
use std::io::Read;

/// A file to begin with: two rows that [`read`] reads, above them nothing.
pub const TEMPLATE: &str = "id,member,label,p_0,p_1,ref_0,in_0,ref_1,in_1,ref_2,in_2,ref_3,in_3
row-1,1,0,0.91,0.09,0.84,1,0.61,0,0.80,1,0.64,0
row-2,0,1,0.45,0.55,0.70,1,0.52,0,0.66,1,0.49,0
";

/// The scores of one attack on the answers of a file.
pub struct Attacked {
    /// Its name in the field.
    pub name: &'static str,
    /// Which of its variants.
    pub variant: String,
    /// Both sides.
    pub scores: MemberScores,
    /// Score at or above which a unit is called a member, fixed in advance.
    pub threshold: Option<f64>,
}

/// What a file of answers holds.
pub struct Answers {
    /// Lines read.
    pub lines: u64,
    /// Units; a line is a unit where no column `unit` or `id` puts lines together.
    pub units: usize,
    /// Whether such a column is there.
    pub by_unit: bool,
    /// Reference models.
    pub references: usize,
    member: Vec<bool>,
    class: Vec<usize>,
    /// For each of [`SIGNALS`] the mean over a unit's lines.
    signals: Vec<Vec<f64>>,
    /// `[unit]`, the mean over its lines, where the file has columns `x_…`.
    inputs: Option<Vec<Vec<f64>>>,
    withstood: Option<Vec<f64>>,
    /// `[model][unit]`: φ and ln p_y under each reference model, and whether it was trained with the unit.
    phi: Vec<Vec<f64>>,
    log_p: Vec<Vec<f64>>,
    is_in: Vec<Vec<bool>>,
}

/// Whether a header is one of answers rather than of scores.
///
/// ```
/// use reticent_audit::answers_file::is_header;
/// assert!(is_header("id,member,label,p_0,p_1".split(',')) && !is_header(["member", "score"]));
/// ```
#[must_use]
pub fn is_header<'a>(names: impl IntoIterator<Item = &'a str>) -> bool {
    let mut found = [false; 2];
    for name in names {
        let bare = name.trim().trim_start_matches('\u{feff}').trim_matches('"');
        found = [found[0] || bare.eq_ignore_ascii_case("p_0"), found[1] || bare.eq_ignore_ascii_case("label")];
    }
    found == [true, true]
}

/// Reads a CSV file with a header: `member` (0, 1, true or false), `label` (0 to k), `p_0` to `p_k` (the model's probabilities, which add up to 1),
/// perhaps `unit` or `id`, and for each reference model n `ref_n` (its probability of the true class) with `in_n` (whether it was trained with
/// the row; without that column: none was), perhaps `x_0` to `x_m` (what the model was asked, as numbers), and perhaps `withstood` (the score of
/// [`label_only`](crate::label_only), 0 to 1, where somebody could ask the model further questions). Other columns are ignored.
///
/// ```
/// let answers = reticent_audit::answers_file::read(reticent_audit::answers_file::TEMPLATE.as_bytes())?;
/// assert_eq!((answers.units, answers.references), (2, 4));
/// let names: Vec<&str> = answers.attacks()?.iter().map(|a| a.name).collect();
/// assert_eq!(names, ["confidence", "loss", "correctness", "entropy", "modified entropy", "calibrated loss", "RMIA", "BASE", "LiRA"]);
/// # Ok::<(), reticent_audit::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] names lines, never what stands in them; [`Error::OneSided`] where a side is missing.
pub fn read(source: impl Read) -> Result<Answers, Error> {
    of_lines(Lines::open(source)?)
}

/// Reads a Parquet file of any make with the columns of [`read`], and of numbers, true/false or text.
///
/// # Errors
/// As [`read`], by rows.
pub fn read_parquet(rows: ParquetRows) -> Result<Answers, Error> {
    of_lines(Lines::<std::io::Empty>::of_parquet(rows))
}

fn of_lines<R: Read>((mut lines, columns): (Lines<R>, Columns)) -> Result<Answers, Error> {
    let layout = Layout::of(&columns)?;
    let mut units: BTreeMap<Vec<u8>, Unit> = BTreeMap::new();
    while let Some((line, record)) = lines.next_record() {
        let Some(member) = truth(&record[layout.member]) else {
            lines.wrong(line, FileProblemKind::Member);
            continue;
        };
        let label = std::str::from_utf8(&record[layout.label]).ok().and_then(|l| l.parse::<usize>().ok()).filter(|l| *l < layout.p.len());
        let Some(label) = label else {
            lines.wrong(line, FileProblemKind::Label);
            continue;
        };
        let probability = |at: usize| number(&record[at]).filter(|p| (0.0..=1.0).contains(p));
        let p: Option<Vec<f64>> = layout.p.iter().map(|&at| probability(at)).collect();
        let Some(p) = p.filter(|p| (p.iter().sum::<f64>() - 1.0).abs() < 0.01) else {
            lines.wrong(line, FileProblemKind::Probabilities);
            continue;
        };
        let references: Option<Vec<(f64, bool)>> = layout
            .references
            .iter()
            .map(|&(p, is_in)| Some((probability(p)?, is_in.map_or(Some(false), |at| truth(&record[at]))?)))
            .collect();
        let Some(references) = references else {
            lines.wrong(line, FileProblemKind::Reference);
            continue;
        };
        let inputs: Option<Vec<f64>> = layout.inputs.iter().map(|&at| number(&record[at])).collect();
        let Some(inputs) = inputs else {
            lines.wrong(line, FileProblemKind::Inputs);
            continue;
        };
        let withstood: Option<Vec<f64>> = layout.withstood.iter().map(|&at| probability(at)).collect();
        let Some(withstood) = withstood else {
            lines.wrong(line, FileProblemKind::Withstood);
            continue;
        };
        let key = layout.unit.map_or_else(|| line.to_be_bytes().to_vec(), |at| record[at].to_vec());
        let is_in: Vec<bool> = references.iter().map(|r| r.1).collect();
        let unit = units.entry(key).or_insert_with(|| Unit::new(member, is_in.clone()));
        if unit.member != member || unit.is_in != is_in {
            lines.wrong(line, FileProblemKind::BothSides);
            continue;
        }
        unit.labels.push(label);
        let signals = SIGNALS.iter().map(|signal| signal(&p, label));
        let of_references = references.iter().flat_map(|(p, _)| [signal::phi(&[*p, 1.0 - p], 0), signal::loss(&[*p], 0)]);
        unit.add(&signals.chain(of_references).chain(inputs).chain(withstood).collect::<Vec<f64>>());
    }
    let read = lines.finish()?;
    let units: Vec<Unit> = units.into_values().collect();
    let members = units.iter().filter(|u| u.member).count();
    if members == 0 || members == units.len() {
        return Err(Error::OneSided { members, non_members: units.len() - members });
    }
    let column = |at: usize| units.iter().map(|u| u.means[at]).collect::<Vec<f64>>();
    let models = 0..layout.references.len();
    let first_input = SIGNALS.len() + 2 * models.len();
    let withstood = first_input + layout.inputs.len();
    Ok(Answers {
        lines: read,
        units: units.len(),
        by_unit: layout.unit.is_some(),
        references: layout.references.len(),
        member: units.iter().map(|u| u.member).collect(),
        class: units.iter().map(Unit::class).collect(),
        signals: (0..SIGNALS.len()).map(column).collect(),
        inputs: (!layout.inputs.is_empty()).then(|| units.iter().map(|u| u.means[first_input..withstood].to_vec()).collect()),
        withstood: layout.withstood.map(|_| column(withstood)),
        phi: models.clone().map(|m| column(SIGNALS.len() + 2 * m)).collect(),
        log_p: models.clone().map(|m| column(SIGNALS.len() + 2 * m + 1)).collect(),
        is_in: models.map(|m| units.iter().map(|u| u.is_in[m]).collect()).collect(),
    })
}

impl Answers {
    /// The usual attacks for which the file holds enough: those on the answers alone, by quantile regression where the inputs are there, and with
    /// reference models also those that hold answers against them, online where every unit has models trained with it, else offline. Fixed
    /// in advance: none is chosen by how well it does.
    ///
    /// # Errors
    /// [`Error::FewReferences`] where reference models are there and some unit has none that was trained without it.
    pub fn attacks(&self) -> Result<Vec<Attacked>, Error> {
        let references = self.members()?;
        let material = self.material(references.as_ref(), 0);
        let mut all = vec![];
        for (title, ids) in USUAL {
            // Quantile regression needs a few units on each side.
            let tried = ids.iter().map(|id| attacks::ALL.into_iter().find(|a| a.id == *id).expect("each is an attack"));
            for attack in tried {
                match self.attack(&material, attack) {
                    Ok(Some(found)) => {
                        all.push(Attacked { name: title, ..found });
                        break;
                    }
                    Ok(None) | Err(Error::OneSided { .. }) => {}
                    Err(other) => return Err(other),
                }
            }
        }
        Ok(all)
    }

    /// The attacks that are asked for.
    ///
    /// # Errors
    /// [`Error::CannotAttack`] where the file does not hold what one needs; as [`Self::attacks`].
    pub fn chosen(&self, chosen: &[Name], seed: u64) -> Result<Vec<Attacked>, Error> {
        let references = self.members()?;
        let material = self.material(references.as_ref(), seed);
        let of = |attack: &Name| {
            self.attack(&material, *attack)?.ok_or(Error::CannotAttack { attack: attack.id, needs: attack.needs.describe() })
        };
        chosen.iter().map(of).collect()
    }

    /// Whether the file holds what such an attack needs.
    #[must_use]
    pub fn holds(&self, needs: Needs) -> bool {
        let both = || (0..self.units).all(|u| [true, false].iter().all(|side| self.is_in.iter().filter(|m| m[u] == *side).count() >= 2));
        match needs {
            Needs::Answers => true,
            Needs::Population => self.enough_for_folds(),
            Needs::Inputs => self.inputs.is_some() && self.enough_for_folds(),
            Needs::Questions => self.withstood.is_some(),
            Needs::Out => self.references >= 2,
            Needs::Both => self.references >= 4 && both(),
        }
    }

    fn enough_for_folds(&self) -> bool {
        crate::folds::deal(&self.member, 0).is_ok()
    }

    /// What a classifier that never sees the model can use: the inputs of each unit and its class. `None` without columns `x_…`.
    #[must_use]
    pub fn blind(&self) -> Option<(Vec<Vec<f64>>, &[bool])> {
        let classes = self.class.iter().max().map_or(0, |c| c + 1);
        let of =
            |(x, class): (&Vec<f64>, &usize)| x.iter().copied().chain((0..classes).map(|c| f64::from(u8::from(c == *class)))).collect();
        Some((self.inputs.as_ref()?.iter().zip(&self.class).map(of).collect(), &self.member))
    }

    fn members(&self) -> Result<Option<Membership>, Error> {
        if self.references == 0 {
            return Ok(None);
        }
        let alone = (0..self.units).filter(|&u| self.is_in.iter().all(|m| m[u])).count();
        if alone > 0 {
            return Err(Error::FewReferences { units: alone, least: 1, side: "without" });
        }
        Membership::recorded(&self.is_in).map(Some)
    }

    fn material<'a>(&'a self, members: Option<&'a Membership>, seed: u64) -> Material<'a> {
        Material {
            member: &self.member,
            class: &self.class,
            signals: &self.signals,
            inputs: self.inputs.as_deref(),
            withstood: self.withstood.as_deref(),
            references: members.map(|members| References {
                phi: &self.phi,
                log_p: &self.log_p,
                of_target: &self.signals[attacks::LOSS],
                members,
            }),
            seed,
        }
    }

    fn attack(&self, material: &Material<'_>, attack: Name) -> Result<Option<Attacked>, Error> {
        let Some((variant, scores)) = material.scores(attack)? else { return Ok(None) };
        let side = |which| scores.iter().zip(&self.member).filter(|(_, m)| **m == which).map(|(s, _)| *s).collect();
        let scores = MemberScores::new(side(true), side(false))?;
        Ok(Some(Attacked { name: attack.id, variant, scores, threshold: attack.threshold }))
    }
}

/// The usual attacks: what each is called, and by which names it is looked for, the first for which there is enough.
const USUAL: [(&str, &[&str]); 10] = [
    ("confidence", &["confidence"]),
    ("loss", &["loss"]),
    ("correctness", &["correctness"]),
    ("entropy", &["entropy"]),
    ("modified entropy", &["modified-entropy"]),
    ("quantile", &["quantile"]),
    ("calibrated loss", &["calibrated"]),
    ("RMIA", &["rmia", "rmia-offline"]),
    ("BASE", &["base", "base-offline"]),
    ("LiRA", &["lira", "lira-offline"]),
];

struct Layout {
    member: usize,
    label: usize,
    p: Vec<usize>,
    unit: Option<usize>,
    references: Vec<(usize, Option<usize>)>,
    inputs: Vec<usize>,
    withstood: Option<usize>,
}

impl Layout {
    fn of(columns: &Columns) -> Result<Self, Error> {
        let numbered = |name: &str| -> Result<Vec<usize>, Error> {
            let mut found = vec![];
            while let Some(at) = columns.find(&format!("{name}_{}", found.len()))? {
                found.push(at);
            }
            Ok(found)
        };
        let (p, answers) = (numbered("p")?, numbered("ref")?);
        if p.len() < 2 {
            return Err(columns.whole(FileProblemKind::NoColumn("p_1")));
        }
        let references = answers.iter().enumerate().map(|(n, &at)| Ok((at, columns.find(&format!("in_{n}"))?)));
        Ok(Self {
            member: columns.one("member")?,
            label: columns.one("label")?,
            p,
            unit: columns.unit()?,
            references: references.collect::<Result<_, Error>>()?,
            inputs: numbered("x")?,
            withstood: columns.find("withstood")?,
        })
    }
}

struct Unit {
    member: bool,
    is_in: Vec<bool>,
    labels: Vec<usize>,
    lines: f64,
    means: Vec<f64>,
}

impl Unit {
    fn new(member: bool, is_in: Vec<bool>) -> Self {
        Self { member, is_in, labels: vec![], lines: 0.0, means: vec![] }
    }

    fn add(&mut self, values: &[f64]) {
        self.lines += 1.0;
        self.means.resize(values.len(), 0.0);
        for (mean, value) in self.means.iter_mut().zip(values) {
            *mean += (value - *mean) / self.lines;
        }
    }

    /// The label that most lines have, the first of those.
    fn class(&self) -> usize {
        let count = |c: &usize| self.labels.iter().filter(|l| *l == c).count();
        self.labels.iter().copied().max_by_key(|c| (count(c), std::cmp::Reverse(*c))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn told(text: &str) -> String {
        read(text.as_bytes()).err().map_or_else(|| "read".into(), |e| e.to_string())
    }

    #[test]
    fn problems_are_told_by_line_and_never_by_value() {
        for (text, expected) in [
            ("id,member,label,p_0\na,1,0,1\n", "there is no column `p_1`"),
            ("member,p_0,p_1\n1,1,0\n", "there is no column `label`"),
            ("member,label,p_0,p_1\nsecret,0,1,0\n", "line 2: `member` is none of 0, 1, true, false"),
            ("member,label,p_0,p_1\n1,2,1,0\n", "line 2: `label` is no class from 0 to the last of `p_…`"),
            (
                "member,label,p_0,p_1\n1,0,.7,.7\n1,0,NaN,1\n",
                "line 2: `p_…` are no probabilities that add up to 1\nline 3: `p_…` are no probabilities that add up to 1",
            ),
            (
                "member,label,p_0,p_1,ref_0,in_0\n1,0,1,0,2,1\n",
                "line 2: a `ref_…` is no probability, or an `in_…` none of 0, 1, true, false",
            ),
            ("member,label,p_0,p_1\n1,0,1,0\n", "1 members and 0 non-members: both are needed"),
            (
                "id,member,label,p_0,p_1,ref_0,in_0\na,1,0,1,0,.5,1\na,1,0,1,0,.5,0\n",
                "line 3: the unit is a member here and a non-member further up, or the reverse",
            ),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    /// Answers of a target and of reference models in which a member's φ is higher by 1.5: every attack finds it, those with references
    /// more than those without; and the same offline.
    #[test]
    fn attacks_with_references_find_more() {
        let mut rng = testing::rng(51);
        for online in [true, false] {
            let mut text = String::from("member,label,p_0,p_1");
            for n in 0..8 {
                text += &format!(",ref_{n}{}", if online { format!(",in_{n}") } else { String::new() });
            }
            text.push('\n');
            for row in 0..1500 {
                let hard = 2.0 * testing::normal(&mut rng);
                let mut p =
                    |is_in: bool| 1.0 / (1.0 + (-(hard + 1.5 * f64::from(u8::from(is_in)) + 0.5 * testing::normal(&mut rng))).exp());
                let member = row % 2 == 0;
                let own = p(member);
                text += &format!("{},0,{own},{}", u8::from(member), 1.0 - own);
                let first = row / 2 % 2 == 0;
                for n in 0..8 {
                    let is_in = online && (n % 2 == 0) == first;
                    text += &format!(",{}", p(is_in));
                    if online {
                        text += &format!(",{}", u8::from(is_in));
                    }
                }
                text.push('\n');
            }
            let answers = read(text.as_bytes()).unwrap();
            let auc: BTreeMap<&str, f64> = answers.attacks().unwrap().iter().map(|a| (a.name, a.scores.auc())).collect();
            assert_eq!(auc.len(), 9);
            for name in ["calibrated loss", "RMIA", "BASE", "LiRA"] {
                assert!(auc[name] > auc["loss"] + 0.03, "online {online}: {auc:?}");
            }
            assert!(auc["loss"] > 0.6 && auc["correctness"] > 0.5, "{auc:?}");
        }
    }

    /// Which attacks there are, and whether online, follows from the reference models that every unit has: LiRA takes two a side.
    #[test]
    fn few_references_make_few_attacks() {
        let variants = |text: &str| -> BTreeMap<&str, String> {
            read(text.as_bytes()).unwrap().attacks().unwrap().into_iter().map(|a| (a.name, a.variant)).collect()
        };
        let one = variants("member,label,p_0,p_1,ref_0\n1,0,.8,.2,.6\n0,0,.5,.5,.4\n");
        assert_eq!((one["RMIA"].as_str(), one.contains_key("LiRA")), ("offline, γ = 2, a = 0.33", false));
        let three = variants("member,label,p_0,p_1,ref_0,in_0,ref_1,in_1,ref_2,in_2\n1,0,.8,.2,.6,1,.5,0,.4,0\n0,0,.5,.5,.4,0,.6,1,.3,0\n");
        assert_eq!(three["RMIA"], "online, γ = 2");
        assert!(three["LiRA"].starts_with("offline"), "{}", three["LiRA"]);
    }

    /// With the inputs quantile regression is there, and so is what a blind baseline needs; every attack by name works on a file with all.
    #[test]
    fn inputs_and_names() {
        let mut text = String::from("member,label,p_0,p_1,x_0,x_1,ref_0,in_0,ref_1,in_1,ref_2,in_2,ref_3,in_3\n");
        let mut rng = testing::rng(52);
        for row in 0..400 {
            let (x, member) = (testing::normal(&mut rng), row % 2 == 0);
            let mut p = |is_in: bool| 1.0 / (1.0 + (-(x + f64::from(u8::from(is_in)) + 0.5 * testing::normal(&mut rng))).exp());
            let own = p(member);
            text += &format!("{},{},{own},{},{x},7", u8::from(member), row / 2 % 2, 1.0 - own);
            for n in 0..4 {
                let is_in = (n < 2) == (row % 3 == 0);
                text += &format!(",{},{}", p(is_in), u8::from(is_in));
            }
            text.push('\n');
        }
        let answers = read(text.as_bytes()).unwrap();
        assert!(answers.attacks().unwrap().iter().any(|a| a.name == "quantile" && a.threshold == Some(1.0)));
        let (inputs, member) = answers.blind().unwrap();
        assert_eq!((inputs.len(), inputs[0].len(), member.len()), (400, 4, 400));
        let but_questions: Vec<Name> = attacks::ALL.into_iter().filter(|a| a.needs != attacks::Needs::Questions).collect();
        let found = answers.chosen(&but_questions, 1).unwrap();
        assert_eq!(found.iter().map(|a| a.name).collect::<Vec<_>>(), but_questions.iter().map(|a| a.id).collect::<Vec<_>>());
        let refused = answers.chosen(&attacks::named(&["label-only".into()]).unwrap(), 1);
        assert!(matches!(refused.err(), Some(Error::CannotAttack { attack: "label-only", .. })));
        assert_eq!(told("member,label,p_0,p_1,x_0\n1,0,1,0,secret\n"), "line 2: an `x_…` is not a finite number");
        // What somebody who could ask further found out, the mean over a unit's lines.
        let asked = "id,member,label,p_0,p_1,withstood\na,1,0,1,0,.5\na,1,0,1,0,1\nb,0,0,1,0,.25\n";
        let found = read(asked.as_bytes()).unwrap().chosen(&attacks::named(&["label-only".into()]).unwrap(), 1).unwrap();
        assert_eq!((&found[0].scores.members[..], &found[0].scores.non_members[..]), (&[0.75][..], &[0.25][..]));
        assert_eq!(told("member,label,p_0,p_1,withstood\n1,0,1,0,2\n"), "line 2: `withstood` is no share from 0 to 1");
    }

    #[test]
    fn lines_of_a_unit_are_averaged() {
        let text = "unit,member,label,p_0,p_1\na,1,0,.8,.2\na,1,1,.6,.4\nb,0,0,.5,.5\n";
        let answers = read(text.as_bytes()).unwrap();
        assert_eq!((answers.units, answers.lines, answers.by_unit), (2, 3, true));
        assert!((answers.attacks().unwrap()[0].scores.members[0] - 0.6).abs() < 1e-12);
    }
}
