//! Attribute inference: of a model that knows rows by heart, of one that knows what everybody knows, and where a control must fail.

use reticent_audit::attribute::{Attribute, Question, Rule, infer};
use reticent_audit::membership::KnownRows;
use reticent_audit::{Error, GainFinding, GainVerdict, Stated, Target};
use reticent_data::{Target as Predicted, *};
use reticent_proof::Permit;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;

/// One row a person: a number of their own, a region that follows from the number where `follows`, else from nothing, and a class.
fn rows(units: u64, follows: bool) -> PermittedTable {
    let schema = Schema {
        dataset: "visits".into(),
        subject: SubjectRule::Column("patient".into()),
        unit: "person".into(),
        record: None,
        target: Predicted { column: "ill".into(), classes: Classes::Levels(vec!["no".into(), "yes".into()]) },
        columns: vec![
            Column { name: "age".into(), domain: Domain::Range { min: 0.0, max: 1e6, missing: None }, special: None },
            Column {
                name: "region".into(),
                domain: Domain::Levels { levels: vec!["north".into(), "south".into(), "west".into()], missing: false },
                special: None,
            },
        ],
        dropped: Dropped::AllOthers,
        missing: vec![],
    };
    let mut text = String::from("patient,age,region,ill\n");
    for unit in 0..units {
        let age = unit * 7919 * 31 % 1_000_000;
        let region = if follows { usize::from(age > 500_000) } else { (unit * 2_654_435_761 % 4_294_967_296 / 1000 % 3) as usize };
        text += &format!(
            "p{unit},{age},{},{}\n",
            ["north", "south", "west"][region],
            ["no", "yes"][(unit * 40_503 % 65_536 / 100 % 2) as usize]
        );
    }
    let imported = import_csv(text.as_bytes(), &schema, &CsvOptions::default(), &PseudonymKey::from_bytes([7; 32])).unwrap();
    PermittedTable::new(imported.table, "v1", Permit::public("made up for a test")).unwrap()
}

/// Says .9 for the class of a row it has seen, as a whole, and ½ for every other.
fn by_heart(data: &PermittedTable) -> impl Target + use<> {
    let encoded = encode(data.table());
    let seen: BTreeSet<(Vec<u32>, u32)> =
        encoded.inputs.chunks(4).zip(&encoded.labels).map(|(x, y)| (x.iter().map(|x| x.to_bits()).collect(), *y)).collect();
    move |inputs: &[f32], width: usize| {
        let of = |x: &[f32]| {
            let bits: Vec<u32> = x.iter().map(|x| x.to_bits()).collect();
            let p = match [0, 1].map(|class| seen.contains(&(bits.clone(), class))) {
                [true, _] => 0.1,
                [_, true] => 0.9,
                _ => 0.5,
            };
            [1.0 - p, p]
        };
        inputs.chunks(width).flat_map(of).collect()
    }
}

fn of(
    pool: &PermittedTable,
    column: &str,
    rule: Rule,
    target: impl FnOnce(&PermittedTable) -> Box<dyn Target>,
) -> Result<GainFinding, Error> {
    let known = KnownRows::new(pool, NonZeroUsize::MIN);
    let members: BTreeSet<SubjectId> = known.ids().iter().copied().filter(|id| id.as_bytes()[0] < 128).collect();
    let target = target(&pool.filter(|id| members.contains(&id)));
    let attribute = Attribute::of(pool.table().schema(), column).unwrap();
    let member: Vec<bool> = known.ids().iter().map(|id| members.contains(id)).collect();
    let stated: Option<&Stated> = None;
    infer(&Question { rows: &known, member: &member, attribute: &attribute, unit: "person", stated, seed: 3 }, &*target, rule)
}

/// The attack puts the region in; a member is answered for one of them alone. Without the model a third is right, give or take .07 of 200.
#[test]
fn a_model_that_knows_rows_by_heart_gives_their_columns_away() {
    let pool = rows(400, false);
    for rule in [Rule::Likeliest, Rule::Confidence] {
        let found = of(&pool, "region", rule, |m| Box::new(by_heart(m))).unwrap();
        assert!(found.controls.iter().all(|c| c.passed), "{:?}", found.controls);
        assert_eq!(found.accuracy.members.value, 1.0, "{rule:?}");
        assert!(found.accuracy.non_members.value < 0.5, "{:?}", found.accuracy);
        assert!(matches!(found.verdict, GainVerdict::Shown { lower } if lower > 0.4), "{:?}", found.verdict);
        assert!((found.gain.members.value - found.ceiling).abs() < 1e-12, "always right: {:?}", found.gain);
    }
    // A number is known by its part of four, of which a middle is asked about: nothing of this model is hit, and nothing is shown.
    let found = of(&pool, "age", Rule::Confidence, |m| Box::new(by_heart(m))).unwrap();
    assert!(matches!(found.verdict, GainVerdict::NotShown { .. }), "{:?}", found.difference);
}

/// A column that follows from the rest of the row is guessed without the model: no gain, however well the model answers. So with a model that says of
/// everybody what class goes with a region: it helps, and members no more than others.
#[test]
fn what_follows_without_the_model_is_no_leak() {
    let found = of(&rows(400, true), "region", Rule::Likeliest, |m| Box::new(by_heart(m))).unwrap();
    assert!(found.accuracy.members.value == 1.0 && found.baselines[1].members.value > 0.9, "{found:?}");
    assert!(found.gain.members.value < 0.1 && found.ceiling < 0.1, "{:?}", found.gain);
    let everybody = |_: &PermittedTable| -> Box<dyn Target> {
        Box::new(|inputs: &[f32], width: usize| {
            inputs.chunks(width).flat_map(|x| if x[1] > 0.5 { [0.9, 0.1] } else { [0.2, 0.8] }).collect()
        })
    };
    let found = of(&rows(400, false), "region", Rule::Likeliest, everybody).unwrap();
    assert!(matches!(found.verdict, GainVerdict::NotShown { visible } if visible > 0.05), "{:?}", found.difference);
}

#[test]
fn bad_input() {
    let pool = rows(100, false);
    let few = of(&pool.filter(|id| id.as_bytes()[0] < 140), "region", Rule::Likeliest, |m| Box::new(by_heart(m)));
    assert!(matches!(few.err(), Some(Error::OneSided { .. })));
    let short = of(&pool, "region", Rule::Likeliest, |_| Box::new(|_: &[f32], _: usize| vec![0.5; 3]));
    assert_eq!(short.err(), Some(Error::Target { found: 3, expected: 200 }));
    let nonsense = of(&pool, "region", Rule::Likeliest, |_| Box::new(|x: &[f32], _: usize| vec![f64::NAN; x.len() / 2]));
    assert!(matches!(nonsense.err(), Some(Error::NotANumber { .. })));
    assert!(Attribute::of(pool.table().schema(), "nothing").is_none());
}
