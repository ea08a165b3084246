//! Entries out of a file: JSON, one object or a list of them.

use super::{Entry, RegisterEvent};
use crate::Error;
use crate::basis::{seconds, strict};
use serde_json::Value;

/// Reads entries such as `{"register": "host", "id": "db.example.org", "from": "2026-05-01", "recipient": "acme", "region": "IE"}`, in a list
/// or one on each line. `from` is the beginning of time where it is left out; `until` may be.
///
/// # Errors
/// [`Error::Register`] with everything that is wrong, [`Error::BasisRows`] where it is no JSON or holds a key twice.
pub fn read_register(text: &str) -> Result<Vec<RegisterEvent>, Error> {
    let mut events = vec![];
    let mut wrong = vec![];
    let objects = strict(text)?.into_iter().flat_map(|(_, value)| match value {
        Value::Array(items) => items,
        one => vec![one],
    });
    for (index, object) in objects.enumerate() {
        match one(object) {
            Ok(event) => events.push(event),
            Err(why) => wrong.push(format!("entry {}: {why}", index + 1)),
        }
    }
    if wrong.is_empty() { Ok(events) } else { Err(Error::Register(wrong)) }
}

fn one(object: Value) -> Result<RegisterEvent, String> {
    let Value::Object(mut map) = object else { return Err("is no object".into()) };
    let mut time = |key: &str| match map.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => seconds(&text).map(Some).ok_or(format!("`{key}` is no date and no RFC 3339 time")),
        Some(_) => Err(format!("`{key}` is no text")),
    };
    let (from, until) = (time("from")?.unwrap_or(0), time("until")?);
    // A test of compatibility leads from a purpose to one; when it holds from has another name there.
    let Some(Value::String(id)) = map.remove("id") else { return Err("`id` is missing".into()) };
    for (own, name) in [("from_purpose", "from"), ("to_purpose", "to")] {
        if let Some(value) = map.remove(own) {
            map.insert(name.to_owned(), value);
        }
    }
    let entry: Entry = serde_json::from_value(Value::Object(map)).map_err(|e| e.to_string())?;
    Ok(RegisterEvent { id, from, until, entry })
}
