//! Encoding by the declared bounds alone.

use super::*;
use proptest::prelude::*;

#[test]
fn numbers_map_onto_their_bounds_and_texts_onto_their_levels() {
    let encoded = encode(&table("ann,1,0,f,yes,35,no,\nbob,2,110,m,no,60,yes,\ncat,3,55,m,?,,no,"));
    assert_eq!((encoded.width, encoded.labels), (7, vec![0, 1, 0]));
    #[rustfmt::skip]
    assert_eq!(encoded.inputs, [
        -1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0,
         1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0,
         0.0, 0.0, 1.0, 0.0, 0.0, 1.0, -0.4,
    ]);
}

fn one_number(min: f64, max: f64, value: f64) -> f32 {
    let schema = Schema {
        subject: SubjectRule::Row,
        record: None,
        columns: vec![Column { name: "x".into(), domain: Domain::Range { min, max, missing: None }, special: None }],
        ..schema()
    };
    let read =
        import_csv(format!("x,ill\n{value:?},no\n").as_bytes(), &schema, &CsvOptions::default(), &key()).unwrap_or_else(|e| panic!("{e}"));
    encode(&read.table).inputs[0]
}

#[test]
fn bounds_at_the_ends_of_the_number_line() {
    for (min, max) in [
        (-f64::MAX, f64::MAX),
        (0.0, f64::MAX),
        (0.0, 5e-324),
        (-5e-324, 5e-324),
        (1.0, 1.0 + f64::EPSILON),
        (1e16, 1e16 + 2.0),
        (-1.0, 1e300),
    ] {
        assert_eq!((one_number(min, max, min), one_number(min, max, max)), (-1.0, 1.0), "{min:e} {max:e}");
        let middle = one_number(min, max, (min / 2.0 + max / 2.0).clamp(min, max));
        assert!((-1.0..=1.0).contains(&middle), "{min:e} {max:e}: {middle}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn inputs_stay_within_one(a in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO, b in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL, at in 0.0..=1.0_f64) {
        prop_assume!(a != b);
        let (min, max) = (a.min(b), a.max(b));
        let value = (min * (1.0 - at) + max * at).clamp(min, max);
        let input = one_number(min, max, value);
        prop_assert!((-1.0..=1.0).contains(&input), "{min:e} {max:e} {value:e}: {input}");
    }

    #[test]
    fn nearby_bounds_too(min in 1.0..2.0_f64, ulps in 1..4_u64, at in 0..4_u64) {
        let max = f64::from_bits(min.to_bits() + ulps);
        let value = f64::from_bits(min.to_bits() + at.min(ulps));
        let input = one_number(min, max, value);
        prop_assert!((input - (2.0 * at.min(ulps) as f32 / ulps as f32 - 1.0)).abs() < 1e-6);
    }
}

/// A table without some columns is the table of the schema without them.
#[test]
fn columns_left_out_are_as_if_undeclared() {
    let csv = "p,age,sex,y\na,30,f,no\nb,40,m,yes\na,50,f,yes\n";
    let number = Column { name: "age".into(), domain: Domain::Range { min: 0.0, max: 100.0, missing: None }, special: None };
    let level =
        Column { name: "sex".into(), domain: Domain::Levels { levels: vec!["f".into(), "m".into()], missing: false }, special: None };
    let schema = |columns: Vec<Column>| Schema {
        dataset: "d".into(),
        subject: SubjectRule::Column("p".into()),
        unit: "person".into(),
        record: None,
        target: Target { column: "y".into(), classes: Classes::Levels(vec!["no".into(), "yes".into()]) },
        columns,
        dropped: Dropped::AllOthers,
        missing: vec![],
    };
    let table =
        |columns| import_csv(csv.as_bytes(), &schema(columns), &CsvOptions::default(), &PseudonymKey::from_bytes([1; 32])).unwrap().table;
    let both = table(vec![number.clone(), level.clone()]);
    for (kept, declared) in [(vec![1], vec![level.clone()]), (vec![0], vec![number.clone()]), (vec![1, 0], vec![level, number])] {
        let (left, direct) = (both.with_columns(&kept), table(declared));
        assert_eq!(left.schema(), direct.schema());
        assert_eq!((encode(&left).inputs, encode(&left).width), (encode(&direct).inputs, encode(&direct).width));
        assert_eq!((left.subjects(), left.target(), left.records()), (direct.subjects(), direct.target(), direct.records()));
    }
}
