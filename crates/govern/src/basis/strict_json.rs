//! JSON as it is meant: no key twice, nothing unknown, nothing after the end.

use super::read::{KEYS, Statement};
use super::{BasisEvent, Reading};
use crate::Error;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Reads JSON, or JSON Lines, and refuses objects that hold a key twice: the second would silently replace the first.
///
/// # Errors
/// [`Error::BasisRows`] with line and why; no value is repeated.
pub fn strict(text: &str) -> Result<Vec<(u64, Value)>, Error> {
    let mut values = vec![];
    let mut at = 0;
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_start().len();
        if at == text.len() {
            break;
        }
        let line = 1 + text[..at].matches('\n').count() as u64;
        let mut stream = serde_json::Deserializer::from_str(&text[at..]);
        let value = Strict.deserialize(&mut stream).map_err(|e| {
            let twice = e.to_string().starts_with(TWICE);
            let why = if twice { "an object holds a key twice" } else { "is not JSON" };
            Error::BasisRows(vec![(line + (e.line() as u64).saturating_sub(1), why.into())])
        })?;
        // How far it came: the rest of the text begins there.
        let mut after = serde_json::Deserializer::from_str(&text[at..]).into_iter::<serde::de::IgnoredAny>();
        if !matches!(after.next(), Some(Ok(_))) || after.byte_offset() == 0 {
            return Err(Error::BasisRows(vec![(line, "is not JSON".into())]));
        }
        at += after.byte_offset();
        values.push((line, value));
    }
    Ok(values)
}

/// Objects, each with its line.
pub(super) type Objects = Vec<(u64, Map<String, Value>)>;

/// One object, a list of objects or JSON Lines: all the objects.
pub(super) fn objects(text: &str) -> Result<Objects, Error> {
    let mut objects = vec![];
    let mut wrong = vec![];
    for (line, value) in strict(text)? {
        let items = match value {
            Value::Array(items) => items,
            one => vec![one],
        };
        for item in items {
            match item {
                Value::Object(map) => objects.push((line, map)),
                _ => wrong.push((line, "is no object".to_owned())),
            }
        }
    }
    if objects.is_empty() && wrong.is_empty() {
        wrong.push((1, "the file is empty".into()));
    }
    if wrong.is_empty() { Ok(objects) } else { Err(Error::BasisRows(wrong)) }
}

/// Reads a list of objects, or one on each line, with the keys that the columns of the CSV file have.
///
/// # Errors
/// [`Error::BasisRows`] with everything that is wrong, by the number of the object.
pub fn read_basis_json(text: &str, reading: &Reading<'_>) -> Result<Vec<BasisEvent>, Error> {
    let mut events = vec![];
    let mut wrong = vec![];
    for (index, (_, object)) in objects(text)?.into_iter().enumerate() {
        let place = index as u64 + 1;
        if let Some(unknown) = object.keys().find(|k| !KEYS.contains(&k.as_str())) {
            // A key may be somebody's value in the wrong place.
            let shown = if unknown.len() < 20 && unknown.chars().all(|c| c.is_ascii_lowercase() || c == '_') { unknown } else { "…" };
            wrong.push((place, format!("the key `{shown}` is not known")));
            continue;
        }
        let texts: Vec<(&String, String)> = object
            .iter()
            .filter_map(|(key, value)| match value {
                Value::String(text) => Some((key, text.trim().to_owned())),
                Value::Number(number) => Some((key, number.to_string())),
                _ => None,
            })
            .collect();
        if object.values().any(|v| matches!(v, Value::Object(_) | Value::Array(_) | Value::Bool(_))) {
            wrong.push((place, "holds a value that is neither a text nor a number".into()));
            continue;
        }
        let cell = |name: &str| texts.iter().find(|(key, _)| *key == name).map(|(_, text)| text.as_str()).filter(|t| !t.is_empty());
        match Statement::from_cells(cell).event(reading) {
            Ok(event) => events.push(event),
            Err(whys) => wrong.extend(whys.into_iter().map(|why| (place, why))),
        }
    }
    if wrong.is_empty() { Ok(events) } else { Err(Error::BasisRows(wrong)) }
}

const TWICE: &str = "a key stands twice";

/// Builds a [`Value`] and stops at the second of two equal keys.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = vec![];
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(TWICE));
            }
            let value = entries.next_value_seed(Self)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
