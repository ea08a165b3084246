//! What all events of a unit add up to, at a moment, as far as they were known at another.

use super::{ALL_PURPOSES, BasisKind};
use crate::store::Statement;
use crate::{Error, Ledger};
use reticent_proof::{BasisFacts, BasisState};
use std::collections::HashMap;
use std::sync::Arc;

/// What was read of the events once, by data set and purpose, with the number of the ledger's last event then.
pub(crate) type Kept = HashMap<(String, String), (i64, Arc<Heard>)>;

/// The events of a data set for a purpose, in the order of their moments.
#[derive(Default)]
pub(crate) struct Heard {
    /// Each unit's number.
    units: HashMap<String, usize>,
    said: Vec<Said>,
}

/// The state of every unit.
pub(crate) struct States {
    heard: Arc<Heard>,
    of: Vec<State>,
}

impl States {
    /// Takes out the state of a unit of which anything is on record.
    pub(crate) fn take(&mut self, unit: &str) -> Option<State> {
        let number = *self.heard.units.get(unit)?;
        Some(std::mem::take(&mut self.of[number]))
    }
}

/// State of one unit for one purpose, after all its events.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) basis: Option<BasisFacts>,
    pub(crate) restricted: bool,
    pub(crate) objected: bool,
    pub(crate) overridden: bool,
    pub(crate) opted_out: bool,
    pub(crate) opted_in: bool,
    pub(crate) limited: bool,
    /// Age that the basis in force was given at.
    pub(crate) age: Option<u8>,
    /// A consent was withdrawn, and has not been given again.
    withdrawn: bool,
}

/// One event, as far as the state depends on it.
struct Said {
    seq: i64,
    /// Number of the unit.
    unit: usize,
    kind: BasisKind,
    since: i64,
    art6: Option<char>,
    art9: Option<char>,
    notice: Option<String>,
    expires: Option<i64>,
    age: Option<u8>,
    guardian: bool,
}

/// Of two words of the same moment the stricter holds: whoever said yes and no at once has not said yes.
fn strictness(state: BasisState) -> u8 {
    match state {
        BasisState::Given | BasisState::RenewedConsentGiven => 0,
        BasisState::Requested | BasisState::RequestDeferred => 1,
        BasisState::Unknown | BasisState::Uninformed => 2,
        BasisState::Refused => 3,
        BasisState::Expired => 4,
        BasisState::Invalidated | BasisState::Revoked => 5,
        BasisState::Withdrawn => 6,
    }
}

impl State {
    /// Takes in an event; they come in the order of their moments. Events that take effect later do not count, except that a basis dated in
    /// the future is reported as such where there is no earlier one.
    fn hear(&mut self, said: &Said, now: i64) {
        if said.since > now && (!said.kind.gives() || self.basis.is_some()) {
            return;
        }
        let state = match said.kind {
            BasisKind::Restricted | BasisKind::Unrestricted => {
                self.restricted = said.kind == BasisKind::Restricted;
                return;
            }
            BasisKind::Objected => {
                (self.objected, self.overridden) = (true, false);
                return;
            }
            BasisKind::Overridden => {
                self.overridden = true;
                return;
            }
            BasisKind::OptedOut | BasisKind::OptedIn => {
                self.opted_out = said.kind == BasisKind::OptedOut;
                self.opted_in = !self.opted_out;
                return;
            }
            BasisKind::Limited | BasisKind::Unlimited => {
                self.limited = said.kind == BasisKind::Limited;
                return;
            }
            BasisKind::Given | BasisKind::Informed => BasisState::Given,
            BasisKind::Renewed => BasisState::RenewedConsentGiven,
            BasisKind::Refused => BasisState::Refused,
            BasisKind::Withdrawn => BasisState::Withdrawn,
            BasisKind::Expired => BasisState::Expired,
            BasisKind::Invalidated => BasisState::Invalidated,
            BasisKind::Revoked => BasisState::Revoked,
            BasisKind::Requested => BasisState::Requested,
            BasisKind::RequestDeferred => BasisState::RequestDeferred,
            BasisKind::Unknown => BasisState::Unknown,
            BasisKind::Uninformed => BasisState::Uninformed,
        };
        // Asking again takes nothing away from a basis that stands.
        let stands = self.basis.as_ref().is_some_and(|b| strictness(b.state) == 0 && b.expires.is_none_or(|end| end > now));
        if stands && matches!(state, BasisState::Requested | BasisState::RequestDeferred) {
            return;
        }
        let stricter = self.basis.as_ref().is_some_and(|b| b.since == said.since && strictness(b.state) > strictness(state));
        if stricter {
            return;
        }
        let art6 = said.art6.or(self.basis.as_ref().map(|b| b.art6)).unwrap_or('a');
        match state {
            // Only of a consent can it be said that another basis took its place.
            BasisState::Withdrawn => self.withdrawn |= art6 == 'a',
            BasisState::Given | BasisState::RenewedConsentGiven if art6 == 'a' => self.withdrawn = false,
            _ => {}
        }
        let gives = strictness(state) == 0;
        self.age = if gives { said.age } else { self.age };
        self.basis = Some(BasisFacts {
            state,
            art6: if gives { art6 } else { said.art6.unwrap_or('a') },
            art9: said.art9,
            notice: said.notice.clone().unwrap_or_default(),
            since: said.since,
            expires: said.expires,
            purpose: None,
            after_withdrawal: gives && self.withdrawn,
            guardian: said.guardian,
        });
    }
}

impl Ledger {
    /// The state of every unit of a data set for a purpose at `now`, from the events up to number `known`. At equal times a withdrawal wins
    /// over a refusal, and that over a basis.
    pub(crate) fn states(&mut self, dataset: &str, purpose: &str, now: i64, known: i64) -> Result<States, Error> {
        let heard = self.heard(dataset, purpose, known)?;
        let mut of = vec![State::default(); heard.units.len()];
        for said in heard.said.iter().filter(|said| said.seq <= known) {
            of[said.unit].hear(said, now);
        }
        Ok(States { heard, of })
    }

    /// The events up to number `known` at least.
    fn heard(&mut self, dataset: &str, purpose: &str, known: i64) -> Result<Arc<Heard>, Error> {
        if self.kept.is_none() {
            return self.read(dataset, purpose, known).map(Arc::new);
        }
        // Events are only ever added, and an erasure adds one: while the last is the last, nothing else has changed.
        let last = self.last_seq()?;
        let key = (dataset.to_owned(), purpose.to_owned());
        let found = self.kept.as_ref().and_then(|kept| kept.get(&key));
        if let Some((_, all)) = found.filter(|(read, _)| *read == last) {
            return Ok(Arc::clone(all));
        }
        // Whatever is known later is left out by whoever asks.
        let all = Arc::new(self.read(dataset, purpose, last)?);
        if let Some(kept) = &mut self.kept {
            kept.insert(key, (last, Arc::clone(&all)));
        }
        Ok(all)
    }

    fn read(&mut self, dataset: &str, purpose: &str, known: i64) -> Result<Heard, Error> {
        // Many rows come as one text: a row at a time, a million of them take longer to hand over than to find.
        let last = known.min(self.last_seq()?);
        let mut heard = Heard::default();
        let mut from = 1;
        while from <= last {
            let to = from.saturating_add(AT_ONCE - 1).min(last);
            let query = Statement::new(ROWS).bind(from).bind(to).bind(dataset.to_owned()).bind(purpose.to_owned()).bind(ALL_PURPOSES);
            let text: Option<String> = self.rows(query)?[0].try_get(0)?;
            for row in text.as_deref().unwrap_or_default().split(BETWEEN_ROWS).filter(|r| !r.is_empty()) {
                parse(row, &mut heard).ok_or_else(|| Error::Damaged { seq: 0, why: "a basis event has another form".into() })?;
            }
            from = to + 1;
        }
        heard.said.sort_by_key(|said| (said.since, said.seq));
        Ok(heard)
    }
}

/// Numbers of events looked at by one statement.
const AT_ONCE: i64 = 20_000;
/// Signs that no value holds: files with control characters are refused.
const BETWEEN_ROWS: char = '\u{1e}';
const BETWEEN_CELLS: char = '\u{1f}';
const ROWS: &str = "SELECT string_agg(
        seq || '\u{1f}' || since || '\u{1f}' || subject || '\u{1f}' || state || '\u{1f}' || coalesce(art6, '') || '\u{1f}' || coalesce(art9, '')
        || '\u{1f}' || coalesce(notice, '') || '\u{1f}' || coalesce(CAST(expires AS TEXT), '') || '\u{1f}' || coalesce(CAST(age AS TEXT), '')
        || '\u{1f}' || CASE WHEN guardian IS NULL THEN '0' ELSE '1' END, '\u{1e}')
     FROM basis WHERE seq BETWEEN ? AND ? AND dataset = ? AND purpose IN (?, ?)";

fn parse(row: &str, into: &mut Heard) -> Option<()> {
    let mut cells = row.split(BETWEEN_CELLS);
    let mut cell = || cells.next();
    let (seq, since) = (cell()?.parse().ok()?, cell()?.parse().ok()?);
    let subject = cell()?;
    let kind = BasisKind::from_name(cell()?)?;
    let (art6, art9) = (cell()?.chars().next(), cell()?.chars().next());
    let notice = Some(cell()?).filter(|n| !n.is_empty()).map(str::to_owned);
    let number = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
    let expires: Option<i64> = number(cell()?)?;
    let age = number(cell()?)?.and_then(|age| u8::try_from(age).ok());
    let guardian = cell()? == "1";
    if cell().is_some() {
        return None;
    }
    let next = into.units.len();
    let unit = match into.units.get(subject) {
        Some(known) => *known,
        None => *into.units.entry(subject.to_owned()).or_insert(next),
    };
    into.said.push(Said { seq, unit, kind, since, art6, art9, notice, expires, age, guardian });
    Some(())
}
