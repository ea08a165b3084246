//! Precision and recall on synthetic texts with marked spans (Presidio Research, MIT), entity by entity.
//!
//! The rules for phones and names were written by someone who had seen the templates of these texts: the numbers say how
//! well they do on texts of this kind, not on others.

use reticent_minimise::{Kind, Scanner};
use serde_json::Value;

/// The names of the texts for our kinds.
const ENTITIES: [(&str, Kind); 7] = [
    ("IBAN_CODE", Kind::Iban),
    ("CREDIT_CARD", Kind::Card),
    ("EMAIL_ADDRESS", Kind::Email),
    ("US_SSN", Kind::Ssn),
    ("IP_ADDRESS", Kind::Ip),
    ("PHONE_NUMBER", Kind::Phone),
    ("PERSON", Kind::Name),
];

#[derive(Clone, Copy, Default)]
struct Counts {
    truth: usize,
    found: usize,
    exact: usize,
    /// Findings that overlap a marked span, and marked spans that overlap a finding.
    hit: usize,
    covered: usize,
}

impl Counts {
    fn rates(self) -> [f64; 4] {
        let rate = |n: usize, of: usize| if of == 0 { 1.0 } else { n as f64 / of as f64 };
        [rate(self.exact, self.found), rate(self.exact, self.truth), rate(self.hit, self.found), rate(self.covered, self.truth)]
    }
}

/// The span in bytes; the files count characters.
fn spans(text: &str, example: &Value, entity: &str) -> Vec<(usize, usize)> {
    let mut places: Vec<usize> = text.char_indices().map(|(i, _)| i).collect();
    places.push(text.len());
    let at = |v: &Value| places[v.as_u64().unwrap() as usize];
    let marked = example["spans"].as_array().unwrap().iter().filter(|s| s["entity_type"] == entity);
    marked.map(|s| (at(&s["start_position"]), at(&s["end_position"]))).collect()
}

fn measure(file: &str) -> Option<[Counts; 7]> {
    let path = super::test_data("pii-presidio")?.join(file);
    let examples: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let scanner = Scanner::default();
    let mut counts = [Counts::default(); 7];
    for example in &examples {
        let text = example["full_text"].as_str().unwrap();
        let all = scanner.scan(text);
        for ((entity, kind), c) in ENTITIES.iter().zip(&mut counts) {
            let truth = spans(text, example, entity);
            let found: Vec<(usize, usize)> = all.iter().filter(|f| f.kind == *kind).map(|f| (f.start, f.end)).collect();
            let overlaps = |a: &(usize, usize), b: &(usize, usize)| a.0 < b.1 && b.0 < a.1;
            c.truth += truth.len();
            c.found += found.len();
            c.exact += found.iter().filter(|f| truth.contains(f)).count();
            c.hit += found.iter().filter(|f| truth.iter().any(|t| overlaps(f, t))).count();
            c.covered += truth.iter().filter(|t| found.iter().any(|f| overlaps(f, t))).count();
        }
    }
    eprintln!("{file}: precision and recall, exact spans; precision and recall, overlapping spans");
    for ((entity, _), c) in ENTITIES.iter().zip(counts) {
        let [ep, er, op, or] = c.rates();
        eprintln!("  {entity:14} {:5} marked {:5} found   {ep:.3} {er:.3}   {op:.3} {or:.3}", c.truth, c.found);
    }
    Some(counts)
}

/// What was measured, less a small margin: precision and recall on exact spans, then on overlapping ones.
fn at_least(counts: &[Counts; 7], floors: [[f64; 4]; 7]) {
    for (((entity, _), c), floor) in ENTITIES.iter().zip(counts).zip(floors) {
        let rates = c.rates();
        assert!(rates.iter().zip(floor).all(|(rate, floor)| *rate >= floor), "{entity}: {rates:?} where {floor:?} was measured");
    }
}

const ALL: [f64; 4] = [1.0; 4];

/// Presidio's own recognisers here: card 1.0 and .772, e-mail, IP and SSN 1.0 and 1.0, IBAN recall .952, phone .73 and .587.
#[test]
fn large() {
    let Some(counts) = measure("generated_large.json") else { return };
    at_least(&counts, [ALL, ALL, ALL, ALL, ALL, [0.98, 0.99, 0.98, 0.99], [0.90, 0.51, 0.95, 0.54]]);
}

#[test]
fn small() {
    let Some(counts) = measure("generated_small.json") else { return };
    at_least(&counts, [ALL, ALL, ALL, ALL, ALL, ALL, [0.88, 0.46, 0.95, 0.49]]);
}
