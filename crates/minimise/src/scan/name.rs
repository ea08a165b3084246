//! Names of people: a small list of US names, titles, and the words that introduce a name.
//!
//! A given name and a surname of the list side by side are a name; so is what stands after `Mr.` or `my name is`. A listed
//! given name beside an unlisted capitalised word is one too, unless the word says street, firm or place. Alone, a given
//! name counts only beside a word that fits. Names are found where they are capitalised; in lower case only after `name is`.

use super::{Candidates, Kind, STRUCTURAL, WEAK, char_at, char_before, context, word_end};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::OnceLock;

const FIRST: &str = include_str!("../../gazetteer/first.txt");
const LAST: &str = include_str!("../../gazetteer/last.txt");

const TITLES: &[&str] = &["mr", "mrs", "ms", "miss", "mx", "dr", "prof", "professor", "sir", "madam", "herr", "frau", "mme"];
const PARTICLES: &[&str] = &["de", "da", "del", "della", "di", "dos", "van", "von", "der", "den", "la", "le", "bin", "al", "el", "ter"];
/// Given names that are more often something else: alone they say nothing.
#[rustfmt::skip]
const AMBIGUOUS: &[&str] = &[
    "an", "in", "my", "ok", "ma", "so", "son", "sun", "era", "will", "may", "april", "june", "august", "mark", "grace", "hope",
    "faith", "rose", "art", "bill", "frank", "drew", "chase", "grant", "rich", "pat", "jack", "christian", "paris", "london", "china",
    "america", "chelsea", "florence", "georgia", "virginia", "carolina", "dakota", "savannah", "charlotte", "sydney", "victoria",
    "madison", "jordan", "austin", "houston", "dallas", "denver", "orlando", "lincoln", "jackson", "carson", "santiago", "jamaica",
    "asia", "india", "israel", "cuba", "kenya", "cherry", "crystal", "amber", "pearl", "ruby", "ginger", "daisy", "iris", "ivy",
    "holly", "heather", "dawn", "joy", "summer", "autumn", "star", "sky", "king", "prince", "queen", "princess", "major", "guy",
    "bud", "buddy", "sonny", "long", "young", "see", "soon", "love", "mercy", "melody", "harmony", "page", "sandy", "rocky", "dusty",
    "misty", "stormy", "robin", "angel", "jesus", "means", "many", "man", "case", "price", "lane", "park", "dale", "glen", "forest",
    "cliff", "clay", "rod", "van", "les", "del", "don", "lee", "les", "nan", "royal", "earnest", "ernest", "merry", "temple",
    "golden", "silver", "wood", "york", "washington", "berlin",
];
/// What makes of the word before it a street, a place, a firm, a day.
#[rustfmt::skip]
const NO_NAMES: &[&str] = &[
    "street", "st", "avenue", "ave", "road", "rd", "lane", "drive", "dr", "way", "court", "square", "place", "plaza", "boulevard",
    "blvd", "highway", "city", "county", "state", "university", "college", "school", "institute", "hospital", "clinic", "inc", "corp",
    "llc", "ltd", "gmbh", "co", "group", "company", "bank", "holdings", "partners", "associates", "river", "lake", "park", "island",
    "islands", "beach", "hills", "valley", "mountain", "church", "station", "airport", "hotel", "house", "center", "centre", "bridge",
    "building", "club", "day", "award", "prize", "foundation", "orchestra", "band", "records", "team", "act", "law", "theorem",
    "test", "bay", "town", "village", "north", "south", "east", "west", "the", "and", "of", "january", "february", "march", "april",
    "june", "july", "august", "september", "october", "november", "december", "monday", "tuesday", "wednesday", "thursday", "friday",
    "saturday", "sunday", "dear", "hi", "hello", "please", "thanks", "phone", "fax", "email", "address", "date", "name", "is", "was",
    "i", "he", "she", "we", "they", "you", "it",
];
/// Words before a given name that stands alone.
#[rustfmt::skip]
const ADDRESSED: &[&str] = &[
    "hi", "hello", "hey", "dear", "thanks", "regards", "name", "named", "called", "kid", "son", "daughter", "wife", "husband",
    "brother", "sister", "mother", "father", "friend", "colleague", "boss", "said", "says", "told", "asked", "signed", "miss", "aunt",
    "uncle",
];

/// Words after a given name that stands alone: what people do.
#[rustfmt::skip]
const ACTS: &[&str] = &[
    "is", "was", "has", "had", "will", "would", "can", "could", "said", "says", "asked", "told", "lives", "lived", "works", "worked",
    "began", "wrote", "thinks", "wants", "called", "shouted", "died", "and",
];
/// What in an address stands before the name of a street.
const STREETS: &[&str] = &["rue", "via", "avenue", "rua", "calle", "c", "r", "quai", "vila", "cours", "allee", "ibn", "saint", "st", "san"];

/// Walks over the words of one text.
#[derive(Default)]
pub(super) struct Names {
    /// Words that begin before this are part of what was looked at.
    done: usize,
    /// Where a given name that stood alone ended.
    single: usize,
}

impl Names {
    /// Looks at the word `start..end`.
    pub(super) fn word(&mut self, text: &str, start: usize, end: usize, out: &mut Candidates<'_>) {
        if start < self.done {
            return;
        }
        let Some(head) = char_at(text, start) else { return };
        if !head.is_uppercase() {
            if head.is_lowercase() && head.is_ascii() && is_given(&text[start..end]) {
                self.lower_case(text, start, end, out);
            }
            return;
        }
        if matches!(char_before(text, start), Some('@' | '/' | '_' | '<' | '\\' | '#')) {
            return;
        }
        let words = Words::read(text, start);
        let Some((first, _)) = words.at(0) else { return };
        let introduced = introduced(text, start);
        if introduced && words.count > 0 && !listed(first, NO_NAMES) && !listed(first, TITLES) {
            let stop = (1..words.count.min(3)).take_while(|&w| !words.at(w).is_some_and(|(w, _)| listed(w, NO_NAMES))).last().unwrap_or(0);
            self.propose(start, words.end(stop), STRUCTURAL, true, out);
            return;
        }
        if listed(first, TITLES) || !is_given(first) {
            return;
        }
        if in_address(text, start) {
            self.done = words.end(words.count - 1);
            return;
        }
        let ambiguous = listed(first, AMBIGUOUS);
        // The surname is the first word after the given name that is no initial and no further given name with a word behind it.
        let mut last = 1;
        while last < words.count
            && (words.is_initial(last) || (last + 1 < words.count && words.at(last).is_some_and(|(w, _)| is_given(w)) && last < 2))
        {
            last += 1;
        }
        let surname = words.at(last).filter(|_| !words.is_initial(last)).map(|(w, _)| w);
        if let Some(surname) = surname {
            let placed = words.at(last + 1).is_some_and(|(w, _)| listed(w, NO_NAMES));
            if placed || listed(surname, NO_NAMES) {
                self.done = words.end(last);
                return;
            }
            let known = is_surname(surname) || is_given(surname);
            if (known && !(ambiguous && listed(surname, AMBIGUOUS))) || (!known && !ambiguous && surname.chars().count() > 2) {
                let base = if numbered(text, words.end(last)) { WEAK } else { STRUCTURAL };
                self.propose(start, words.end(last), base, context::fits(text, Kind::Name, start, start), out);
                return;
            }
        }
        if !ambiguous && words.count <= 1 {
            let beside = context::before(text, start).take(2).any(|w| listed(w, ADDRESSED))
                || possessive(text, words.end(0))
                || acts(text, words.end(0))
                || self.goes_on(text, start);
            self.propose(start, words.end(0), WEAK, beside, out);
            self.single = words.end(0);
        }
    }

    /// Whether a list goes on: `Ann, Bob and Carol`.
    fn goes_on(&self, text: &str, start: usize) -> bool {
        self.single > 0 && self.single < start && matches!(&text[self.single..start], ", " | " and " | ", and " | " & " | " or ")
    }

    /// `my name is ann smith`.
    fn lower_case(&mut self, text: &str, start: usize, end: usize, out: &mut Candidates<'_>) {
        let mut before = context::before(text, start);
        if !(before.next() == Some("is") && before.next().is_some_and(|w| w.eq_ignore_ascii_case("name"))) {
            return;
        }
        let next = text[end..].strip_prefix(' ').map(|_| (end + 1, word_end(text, end + 1)));
        let stop = next.filter(|&(from, to)| is_surname(&text[from..to])).map_or(end, |(_, to)| to);
        self.propose(start, stop, STRUCTURAL, true, out);
    }

    fn propose(&mut self, start: usize, end: usize, base: f64, in_context: bool, out: &mut Candidates<'_>) {
        self.done = end;
        out.add_in(Kind::Name, start, end, base, in_context);
    }
}

/// Whether a title or an introduction stands right before.
fn introduced(text: &str, start: usize) -> bool {
    let mut from = start.saturating_sub(24);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let stretch = &text[from..start];
    let Some(stretch) = stretch.strip_suffix(' ') else { return false };
    let stretch = stretch.trim_end_matches(' ');
    let word = |s: &str| s.rsplit(|c: char| !c.is_alphanumeric()).next().is_some_and(|w| listed(w, TITLES));
    if word(stretch.strip_suffix('.').unwrap_or(stretch)) {
        return true;
    }
    let ends = |tail: &str| {
        stretch.len() >= tail.len()
            && stretch.is_char_boundary(stretch.len() - tail.len())
            && stretch[stretch.len() - tail.len()..].eq_ignore_ascii_case(tail)
            && !stretch[..stretch.len() - tail.len()].chars().next_back().is_some_and(char::is_alphanumeric)
    };
    ["name is", "name:", "names are", "called me", "call me", "named"].iter().any(|tail| ends(tail))
}

/// A word of what people do follows.
fn acts(text: &str, end: usize) -> bool {
    let Some(rest) = text[end..].strip_prefix(' ') else { return false };
    let to = word_end(rest, 0);
    listed(&rest[..to], ACTS)
}

/// A house number, or a word for a street, stands right before.
fn in_address(text: &str, start: usize) -> bool {
    let Some(before) = text[..start].strip_suffix([' ', '-']) else { return false };
    before.ends_with(|c: char| c.is_ascii_digit()) || context::before(text, start).next().is_some_and(|w| listed(w, STREETS))
}

/// A house number stands right behind.
fn numbered(text: &str, end: usize) -> bool {
    let rest = &text.as_bytes()[end..];
    rest.len() > 1 && rest[0] == b' ' && rest[1].is_ascii_digit()
}

fn possessive(text: &str, end: usize) -> bool {
    let rest = &text[end..];
    rest.starts_with("'s ") || rest.starts_with("’s ")
}

/// Capitalised words with one blank between them; particles (`van der`) may stand between two of them.
struct Words<'a> {
    text: &'a str,
    spans: [(usize, usize); 5],
    count: usize,
}

impl<'a> Words<'a> {
    fn read(text: &'a str, start: usize) -> Self {
        let mut words = Self { text, spans: [(0, 0); 5], count: 0 };
        let mut at = start;
        while words.count < words.spans.len() {
            let Some(end) = capitalised(text, at) else { break };
            words.spans[words.count] = (at, end);
            words.count += 1;
            let dot = usize::from(end - at == 1 && text[end..].starts_with('.'));
            if !text[end + dot..].starts_with(' ') {
                break;
            }
            at = end + dot + 1;
            for _ in 0..2 {
                let particle = word_end(text, at);
                if listed(&text[at..particle], PARTICLES) && text[particle..].starts_with(' ') && capitalised(text, at).is_none() {
                    at = particle + 1;
                }
            }
        }
        words
    }

    fn at(&self, index: usize) -> Option<(&'a str, usize)> {
        self.spans[..self.count].get(index).map(|&(s, e)| (&self.text[s..e], s))
    }

    fn is_initial(&self, index: usize) -> bool {
        self.at(index).is_some_and(|(w, _)| w.chars().count() == 1)
    }

    fn end(&self, index: usize) -> usize {
        self.spans[index].1
    }
}

/// The end of a capitalised word at `at`: `Ann`, `O'Brien`, `Smith-Jones`, or an initial.
fn capitalised(text: &str, at: usize) -> Option<usize> {
    const LONGEST: usize = 40;
    if !char_at(text, at)?.is_uppercase() {
        return None;
    }
    let mut end = word_end(text, at);
    while let Some(joint) = char_at(text, end).filter(|c| matches!(c, '\'' | '-' | '’')) {
        let next = end + joint.len_utf8();
        if !char_at(text, next).is_some_and(char::is_uppercase) || end - at > LONGEST {
            break;
        }
        end = word_end(text, next);
    }
    let word = &text[at..end];
    let alphabetic = word.len() <= LONGEST && !word.contains(|c: char| c.is_numeric());
    let mixed = word.chars().nth(1).is_none() || word.contains(char::is_lowercase);
    (alphabetic && mixed).then_some(end)
}

fn is_given(word: &str) -> bool {
    static SET: OnceLock<Set> = OnceLock::new();
    holds(&SET, FIRST, word)
}

fn is_surname(word: &str) -> bool {
    static SET: OnceLock<Set> = OnceLock::new();
    holds(&SET, LAST, word)
}

fn listed(word: &str, list: &[&str]) -> bool {
    list.iter().any(|l| l.len() == word.len() && word.eq_ignore_ascii_case(l))
}

type Set = HashSet<&'static [u8], BuildHasherDefault<Fnv>>;

/// Whether a list holds the word, in any case.
fn holds(set: &OnceLock<Set>, list: &'static str, word: &str) -> bool {
    let mut lower = [0; 16];
    let Some(buffer) = lower.get_mut(..word.len()) else { return false };
    buffer.copy_from_slice(word.as_bytes());
    buffer.make_ascii_lowercase();
    set.get_or_init(|| list.lines().map(str::as_bytes).collect()).contains(&*buffer)
}

/// FNV-1a: short words, a fixed public list, no adversary.
#[derive(Clone)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
